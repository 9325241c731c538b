/* Each format of the corpus: valid, cut at every byte, followed by other things, hostile. */
#include <openssl/bytestring.h>
#include <openssl/mem.h>
#include <openssl/pkcs7.h>
#include <openssl/pool.h>
#include <openssl/stack.h>

#include "tests/unit/corpus_support.h"

static const unsigned zero_to_five[] = {0, 1, 2, 3, 4, 5};

static void expect_complaint(const struct told *told, const char *part) {
    bool found = strstr(told->complaints.bytes, part) != NULL;
    CU_ASSERT_TRUE(found);
    if (!found) {
        fprintf(stderr, "  not said: %s\n  but: %s", part, told->complaints.bytes);
    }
}

/* --- PEM --- */

static void test_pem_forms(void) {
    static const size_t columns[] = {64, 76, 48, 64, 100000, 64};
    static const char *const ends[] = {"\n", "\n", "\r\n", "\r\n", "\n", " \n"};
    struct text text = {NULL, 0, 0};
    begin();
    text_str(&text, "\xEF\xBB\xBFsubject=CN = somebody\n--- - -----BEGIN\n");
    for (unsigned i = 0; i < CERTS; i++) {
        add_pem(&text, i == 2 ? "X509 CERTIFICATE" : "CERTIFICATE", certs[i], columns[i], ends[i]);
        text_str(&text, i % 2 == 0 ? "some text: dashes - -- -----\n" : "");
        add_pem(&text, "PRIVATE KEY", certs[i], 64, "\n");
    }
    struct told told = run_text(&text, CORPUS_AUTO);
    expect_pins(&told, zero_to_five, CERTS);
    CU_ASSERT_EQUAL(told.stats.broken, 0);
    told_free(&told);
    text_free(&text);
}

static void test_pem_trusted(void) {
    struct text text = {NULL, 0, 0}, der = {NULL, 0, 0};
    begin();
    text_add(&der, certs[0].data, certs[0].len);
    text_add(&der, "\x30\x02\x05\x00", 4); /* OpenSSL's settings, of a kind */
    add_pem(&text, "TRUSTED CERTIFICATE", span_of(der.bytes, der.len), 64, "\n");
    add_pem(&text, "CERTIFICATE", span_of(der.bytes, der.len), 64, "\n"); /* not here */
    struct told told = run_text(&text, CORPUS_AUTO);
    expect_pins(&told, (const unsigned[]){0}, 1);
    CU_ASSERT_EQUAL(told.stats.broken, 1);
    CU_ASSERT_EQUAL(told.stats.salvaged, 1);
    expect_complaint(&told, "its raw key could still be hashed: sha256/");
    told_free(&told);
    text_free(&text);
    text_free(&der);
}

static void test_pem_broken(void) {
    struct text text = {NULL, 0, 0};
    begin();
    text_str(&text, "-----BEGIN CERTIFICATE-----\nMIIB*AAA\n-----END CERTIFICATE-----\n");
    add_pem(&text, "CERTIFICATE", certs[0], 64, "\n");
    text_str(&text, "-----BEGIN CERTIFICATE-----\nMIIBAAAA\n"); /* no END */
    add_pem(&text, "CERTIFICATE", certs[1], 64, "\n");
    text_str(&text, "-----BEGIN CERTIFICATE-----\nMIIBAAAA\n-----END X509 CRL-----\n");
    text_str(&text, "-----BEGIN CERTIFICATE-----\nMI-BAAAA\n-----END CERTIFICATE-----\n");
    text_str(&text, "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n");
    add_pem(&text, "CERTIFICATE", certs[2], 64, "\n");
    text_str(&text, "-----BEGIN CERTIFICATE-----\nMIIBAAAA");
    struct told told = run_text(&text, CORPUS_AUTO);
    expect_pins(&told, zero_to_five, 3);
    CU_ASSERT_EQUAL(told.stats.broken, 6);
    expect_complaint(&told, "one: byte 0: not valid base64");
    expect_complaint(&told, "no END line before the next BEGIN");
    expect_complaint(&told, "END does not match BEGIN");
    expect_complaint(&told, "a '-' inside the base64");
    expect_complaint(&told, "the file ends inside this certificate");
    told_free(&told);
    text_free(&text);
}

/* `openssl x509 -text` begins with a line that could be a CSV header of one column. */
static void test_pem_after_text(void) {
    struct text text = {NULL, 0, 0};
    begin();
    text_str(&text, "Certificate:\n    Data:\n        Version: 3 (0x2)\n");
    add_pem(&text, "CERTIFICATE", certs[0], 64, "\n");
    struct told told = run_text(&text, CORPUS_AUTO);
    expect_pins(&told, (const unsigned[]){0}, 1);
    CU_ASSERT_EQUAL(told.stats.broken, 0);
    told_free(&told);
    text_free(&text);
}

/* A cut bundle holds the certificates that are whole in it, and never another pin. */
static void test_pem_cut(void) {
    struct text text = {NULL, 0, 0};
    size_t ends[3];
    begin();
    for (unsigned i = 0; i < 3; i++) {
        add_pem(&text, "CERTIFICATE", certs[i], 64, "\n");
        ends[i] = text.len - 1; /* the last line end may be missing */
    }
    for (size_t cut = 0; cut < text.len; cut += 3) {
        struct text part = {text.bytes, cut, 0};
        size_t whole = cut < ends[0] ? 0 : cut < ends[1] ? 1 : 2;
        struct told told = run_text(&part, CORPUS_PEM);
        expect_pins(&told, zero_to_five, whole);
        told_free(&told);
    }
    text_free(&text);
}

/* --- DER --- */

static void test_der_forms(void) {
    static const enum corpus_format formats[] = {CORPUS_DER, CORPUS_DER2, CORPUS_DER3, CORPUS_DER4};
    begin();
    for (unsigned f = 0; f < 4; f++) {
        for (unsigned count = 1; count <= CERTS; count++) {
            struct text text = {NULL, 0, 0};
            for (unsigned i = 0; i < count; i++) {
                add_prefixed(&text, certs[i], f == 0 ? 0 : f + 1);
            }
            struct told guessed = run_text(&text, CORPUS_AUTO);
            expect_pins(&guessed, zero_to_five, count);
            struct told forced = run_text(&text, formats[f]);
            expect_pins(&forced, zero_to_five, count);
            told_free(&guessed);
            told_free(&forced);
            text_free(&text);
        }
    }
}

static void test_der_cut(void) {
    begin();
    for (unsigned prefix = 0; prefix <= 4; prefix += prefix == 0 ? 2 : 1) {
        struct text text = {NULL, 0, 0};
        enum corpus_format format = prefix == 0   ? CORPUS_DER
                                    : prefix == 2 ? CORPUS_DER2
                                    : prefix == 3 ? CORPUS_DER3
                                                  : CORPUS_DER4;
        add_prefixed(&text, certs[0], prefix);
        size_t first = text.len;
        add_prefixed(&text, certs[1], prefix);
        for (size_t cut = 0; cut < text.len; cut += 5) {
            struct text part = {text.bytes, cut, 0};
            struct told told = run_text(&part, format);
            expect_pins(&told, zero_to_five, cut >= first);
            CU_ASSERT_EQUAL(told.stats.broken, cut > 0 && cut != first);
            told_free(&told);
        }
        text_free(&text);
    }
}

static void test_der_hostile(void) {
    begin();
    struct text text = {NULL, 0, 0};
    text_add(&text, certs[0].data, certs[0].len);
    size_t at = text.len;
    char part[64];
    text_str(&text, "this is no DER");
    text_add(&text, certs[1].data, certs[1].len);
    struct told told = run_text(&text, CORPUS_AUTO);
    expect_pins(&told, zero_to_five, 1);
    CU_ASSERT_EQUAL(told.stats.broken, 1);
    snprintf(part, sizeof part, "one: byte %zu: no certificate begins here", at);
    expect_complaint(&told, part);
    told_free(&told);
    text_free(&text);
    /* with prefixes one bad record is passed over, and lengths beyond all measure end the file */
    add_prefixed(&text, certs[0], 4);
    add_prefixed(&text, span_str("rubbish"), 4);
    add_prefixed(&text, span_of("", 0), 4);
    add_prefixed(&text, certs[1], 4);
    text_add(&text, "\xff\xff\xff\xff", 4);
    add_prefixed(&text, certs[2], 4);
    told = run_text(&text, CORPUS_AUTO);
    expect_pins(&told, zero_to_five, 2);
    CU_ASSERT_EQUAL(told.stats.broken, 3);
    CU_ASSERT_EQUAL(told.stats.files_failed, 1);
    expect_complaint(&told, "a record of no bytes");
    told_free(&told);
    text_free(&text);
}

/* Where the rest of a row of records is lost the file counts as not read to its end; where only its
   last record is cut short, or something stands behind a single certificate, it does not. */
static void test_der_lost(void) {
    static const unsigned prefixes[] = {0, 2, 3, 4};
    begin();
    for (unsigned f = 0; f < 4; f++) {
        unsigned prefix = prefixes[f];
        enum corpus_format format =
            (enum corpus_format[]){CORPUS_DER, CORPUS_DER2, CORPUS_DER3, CORPUS_DER4}[f];
        for (unsigned records = 1; records <= 3; records++) {
            struct text text = {NULL, 0, 0};
            for (unsigned i = 0; i < records; i++) {
                add_prefixed(&text, certs[i], prefix);
            }
            size_t whole = text.len;
            text_add(&text, "\xff\xff\xff\xff\xff\xff", 6);
            struct told told = run_text(&text, format);
            expect_pins(&told, zero_to_five, records);
            CU_ASSERT_EQUAL(told.stats.broken, 1);
            CU_ASSERT_EQUAL(told.stats.files_failed, prefix > 0 || records > 1);
            told_free(&told);
            text.len = whole - 7; /* the last one is cut short */
            told = run_text(&text, format);
            expect_pins(&told, zero_to_five, records - 1);
            CU_ASSERT_EQUAL(told.stats.broken, 1);
            CU_ASSERT_EQUAL(told.stats.files_failed, 0);
            told_free(&told);
            text_free(&text);
        }
    }
    struct text text = {NULL, 0, 0}; /* a length that is wrong, but might be one */
    add_prefixed(&text, certs[0], 4);
    size_t at = text.len;
    add_prefixed(&text, certs[1], 4);
    add_prefixed(&text, certs[2], 4);
    text.bytes[at + 1] = 0x05;
    struct told told = run_text(&text, CORPUS_AUTO);
    expect_pins(&told, zero_to_five, 1);
    CU_ASSERT_EQUAL(told.stats.files_failed, 1);
    expect_complaint(&told, "no certificate begins here");
    told_free(&told);
    text_free(&text);
}

/* What is malformed elsewhere is written, and NDJSON says so. */
static void test_not_strict(void) {
    struct text text = {NULL, 0, 0};
    begin();
    struct cert_fields fields;
    CU_ASSERT_TRUE_FATAL(cert_walk(certs[0], &fields));
    text_add(&text, certs[0].data, certs[0].len);
    size_t subject = (size_t)(fields.subject.data - certs[0].data);
    text.bytes[subject + 2] = 0x30; /* a SEQUENCE where a SET belongs */
    const char *path = write_file("odd", &text);
    struct told told = run_with((struct corpus_config){.output = CORPUS_OUT_NDJSON}, &path, 1, 0);
    CU_ASSERT_EQUAL(told.stats.certificates, 1);
    CU_ASSERT_EQUAL(told.stats.not_strict, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(told.out.bytes, "\"strict\":false,\"key\":\"\""));
    pins[0][PIN_LINE - 1] = '\0';
    CU_ASSERT_PTR_NOT_NULL(strstr(told.out.bytes, pins[0] + 7));
    pins[0][PIN_LINE - 1] = '\n';
    told_free(&told);
    text_free(&text);
}

/* --- PKCS#7 --- */

static struct text make_pkcs7(void) {
    STACK_OF(CRYPTO_BUFFER) *buffers = sk_CRYPTO_BUFFER_new_null();
    struct text text = {NULL, 0, 0};
    CBB cbb;
    uint8_t *der = NULL;
    size_t len = 0;
    for (unsigned i = 0; i < CERTS; i++) {
        sk_CRYPTO_BUFFER_push(buffers, CRYPTO_BUFFER_new(certs[i].data, certs[i].len, NULL));
    }
    CU_ASSERT_TRUE_FATAL(CBB_init(&cbb, 4096) && PKCS7_bundle_raw_certificates(&cbb, buffers) &&
                         CBB_finish(&cbb, &der, &len));
    text_add(&text, der, len);
    OPENSSL_free(der);
    sk_CRYPTO_BUFFER_pop_free(buffers, CRYPTO_BUFFER_free);
    return text;
}

/* The set is sorted when it is made: the same pins in whatever order. */
static void expect_all(const struct told *told) {
    CU_ASSERT_EQUAL(told->stats.certificates, CERTS);
    CU_ASSERT_EQUAL(told->out.len, CERTS * PIN_LINE);
    for (unsigned i = 0; i < CERTS; i++) {
        CU_ASSERT_PTR_NOT_NULL(memmem(told->out.bytes, told->out.len, pins[i], PIN_LINE));
    }
}

static void test_pkcs7(void) {
    begin();
    struct text der = make_pkcs7(), pem = {NULL, 0, 0}, ber = {NULL, 0, 0};
    struct told told = run_text(&der, CORPUS_AUTO);
    expect_all(&told);
    told_free(&told);
    for (unsigned i = 0; i < 2; i++) {
        add_pem(&pem, i == 0 ? "PKCS7" : "CMS", span_of(der.bytes, der.len), 64, "\n");
        told = run_text(&pem, CORPUS_AUTO);
        expect_all(&told);
        told_free(&told);
        text_free(&pem);
    }
    /* the outermost SEQUENCE with an indefinite length */
    size_t header = 2 + ((uint8_t)der.bytes[1] > 0x80 ? (uint8_t)der.bytes[1] & 0x7f : 0);
    text_add(&ber, "\x30\x80", 2);
    text_add(&ber, der.bytes + header, der.len - header);
    text_add(&ber, "\0\0", 2);
    told = run_text(&ber, CORPUS_AUTO);
    expect_all(&told);
    told_free(&told);
    for (size_t cut = 0; cut < der.len; cut += 7) {
        struct text part = {der.bytes, cut, 0};
        told = run_text(&part, CORPUS_PKCS7);
        CU_ASSERT_EQUAL(told.stats.certificates, 0);
        CU_ASSERT_EQUAL(told.stats.broken, cut > 0);
        told_free(&told);
    }
    text_free(&der);
    text_free(&ber);
}

/* --- NDJSON --- */

static void add_json_pem(struct text *text, struct span der) {
    text_str(text, "-----BEGIN CERTIFICATE-----\\n");
    add_base64(text, der, 64, "\\n");
    text_str(text, "-----END CERTIFICATE-----\\n");
}

static void test_ndjson_forms(void) {
    struct text text = {NULL, 0, 0};
    begin();
    /* zgrab2: leaf, chain, and a signature that is "raw" too */
    text_str(&text, "{\"ip\":\"192.0.2.1\",\"data\":{\"tls\":{\"server_certificates\":{"
                    "\"certificate\":{\"raw\":\"");
    add_base64(&text, certs[0], 100000, "");
    text_str(
        &text,
        "\",\"parsed\":{\"subject\":\"say \\\"raw\\\":\\\"MII\\\"\"}},\"chain\":[{\"raw\" : \"");
    add_base64(&text, certs[1], 100000, "");
    text_str(&text, "\"}]},\"signature\":{\"raw\":\"MIICAAAA\"}}}}\n");
    /* tlsx -cert, with a slash escaped as PHP and a '+' as \u002b */
    text_str(&text, "{\"host\":\"a\\\\\",\"certificate\":\"");
    size_t from = text.len;
    add_json_pem(&text, certs[2]);
    char *escaped = strdup(text.bytes + from);
    text.len = from;
    for (char *c = escaped; *c != '\0'; c++) {
        text_str(&text, *c == '/' ? "\\/" : *c == '+' ? "\\u002b" : (char[]){*c, 0});
    }
    free(escaped);
    text_str(&text, "\"}\r\n\n{\"host\":\"no certificate\"}\n");
    /* our own chains */
    text_str(&text, "{\"schema\":1,\"type\":\"chain\",\"certificates\":[{\"pem\":\"");
    add_json_pem(&text, certs[3]);
    text_str(&text, "\"},{\"pem\":\"\"},{\"pem\":\"");
    add_json_pem(&text, certs[4]);
    text_str(&text, "\"}]}\n{\"x5c\":[\"");
    add_base64(&text, certs[5], 100000, "");
    text_str(&text, "\"]}");
    struct told told = run_text(&text, CORPUS_AUTO);
    expect_pins(&told, zero_to_five, CERTS);
    CU_ASSERT_EQUAL(told.stats.broken, 0);
    CU_ASSERT_EQUAL(told.stats.empty, 1);
    told_free(&told);
    text_free(&text);
}

static void test_ndjson_hostile(void) {
    static const char *const bad[] = {"{\"pem\":\"MIIB",
                                      "{\"pem\":\"MIIB\\\"}",
                                      "[1]",
                                      "nothing",
                                      "{\"pem\":\"AAAA\"}",
                                      "{\"pem\":\"M*\"}",
                                      "{\"x5c\":[\"MIIB\",\"",
                                      "{\"pem\":\"-----BEGIN CERTIFICATE-----\"}"};
    begin();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct text text = {NULL, 0, 0};
        text_str(&text, bad[i]);
        text_str(&text, "\n{\"pem\":\"");
        add_base64(&text, certs[0], 100000, "");
        text_str(&text, "\"}\n");
        struct told told = run_text(&text, CORPUS_NDJSON);
        expect_pins(&told, zero_to_five, 1);
        CU_ASSERT_TRUE(told.stats.broken >= 1);
        told_free(&told);
        text_free(&text);
    }
}

/* --- CSV and base64 lines --- */

static void test_csv(void) {
    static const char *const headers[] = {"host,Certificate,note\n", "host;PEM;note\n",
                                          "host\tcert_pem\tnote\n", "\"host\",\"PEM Info\",x\r\n"};
    begin();
    for (unsigned h = 0; h < 4; h++) {
        struct text text = {NULL, 0, 0};
        char separator[2] = {",;\t,"[h], 0};
        text_str(&text, headers[h]);
        for (unsigned i = 0; i < CERTS; i++) {
            text_str(&text, "\"a \"\"quoted\"\" name,;\n of two lines\"");
            text_str(&text, separator);
            if (i % 2 == 0) {
                text_str(&text, "\"'");
                add_pem(&text, "CERTIFICATE", certs[i], 64, i == 2 ? "\r\n" : "\n");
                text_str(&text, "'\"");
            } else {
                add_base64(&text, certs[i], 100000, "");
            }
            text_str(&text, separator);
            text_str(&text, "x\n");
        }
        text_str(&text, "no certificate here\n");
        struct told told = run_text(&text, CORPUS_AUTO);
        expect_pins(&told, zero_to_five, CERTS);
        CU_ASSERT_EQUAL(told.stats.broken, 0);
        CU_ASSERT_EQUAL(told.stats.empty, 1);
        told_free(&told);
        text_free(&text);
    }
}

/* RFC 4180: a quote opens a field only at its start. */
static void test_csv_quotes(void) {
    struct text text = {NULL, 0, 0};
    begin();
    text_str(&text, "size,cert,note\n");
    for (unsigned i = 0; i < CERTS; i++) {
        text_str(&text, i % 2 == 0 ? "19\" rack," : " \"a, \"\"b\"\"\n\" ,");
        add_base64(&text, certs[i], 100000, "");
        text_str(&text, i % 3 == 0 ? ",it's 5'10\"\n" : ",\"x\"y\n");
    }
    struct told told = run_text(&text, CORPUS_CSV);
    expect_pins(&told, zero_to_five, CERTS);
    CU_ASSERT_EQUAL(told.stats.broken, 0);
    told_free(&told);
    size_t row = text.len;
    char part[64];
    text_str(&text, "\"never closed,");
    add_base64(&text, certs[0], 100000, "");
    text_str(&text, ",\nx,y,z\n");
    told = run_text(&text, CORPUS_CSV);
    expect_pins(&told, zero_to_five, CERTS);
    CU_ASSERT_EQUAL(told.stats.broken, 1);
    CU_ASSERT_EQUAL(told.stats.files_failed, 1);
    snprintf(part, sizeof part, "byte %zu: a quote is opened in this row", row);
    expect_complaint(&told, part);
    told_free(&told);
    text_free(&text);
}

static void test_csv_column(void) {
    struct text text = {NULL, 0, 0};
    begin();
    text_str(&text, "a,blob\n1,");
    add_base64(&text, certs[0], 100000, "");
    text_str(&text, "\n2,rubbish\n");
    const char *path = write_file("columns", &text);
    struct told told = run_with((struct corpus_config){.format = CORPUS_CSV}, &path, 1, 0);
    CU_ASSERT_EQUAL(told.stats.files_failed, 1);
    expect_complaint(&told, "no column is named like a certificate");
    told_free(&told);
    static const char *const columns[] = {"BLOB", "2"};
    for (unsigned i = 0; i < 2; i++) {
        told = run_with((struct corpus_config){.format = CORPUS_CSV, .column = columns[i]}, &path,
                        1, 0);
        expect_pins(&told, zero_to_five, 1);
        CU_ASSERT_EQUAL(told.stats.broken, 1);
        told_free(&told);
    }
    text_free(&text);
    /* without a header */
    for (unsigned i = 0; i < 3; i++) {
        text_str(&text, "x,");
        add_base64(&text, certs[i], 100000, "");
        text_str(&text, "\n");
    }
    path = write_file("bare", &text);
    told = run_with((struct corpus_config){.column = "2"}, &path, 1, 0);
    expect_pins(&told, zero_to_five, 3);
    told_free(&told);
    text_free(&text);
}

static void test_base64_lines(void) {
    struct text text = {NULL, 0, 0};
    begin();
    for (unsigned i = 0; i < CERTS; i++) {
        add_base64(&text, certs[i], 100000, i % 2 == 0 ? "\n" : "\r\n\r\n");
    }
    text_str(&text, "MIIB\n");
    struct told told = run_text(&text, CORPUS_AUTO);
    expect_pins(&told, zero_to_five, CERTS);
    CU_ASSERT_EQUAL(told.stats.broken, 1);
    told_free(&told);
    text_free(&text);
    remove_folder();
}

SUITE_MAIN("corpus_readers", {"PEM: every form", test_pem_forms},
           {"PEM: TRUSTED CERTIFICATE", test_pem_trusted}, {"PEM: broken", test_pem_broken},
           {"PEM: cut", test_pem_cut}, {"PEM: after text", test_pem_after_text},
           {"DER: every form", test_der_forms}, {"DER: cut", test_der_cut},
           {"DER: hostile", test_der_hostile}, {"malformed elsewhere", test_not_strict},
           {"PKCS#7", test_pkcs7}, {"NDJSON: every form", test_ndjson_forms},
           {"NDJSON: hostile", test_ndjson_hostile}, {"CSV", test_csv},
           {"CSV: columns", test_csv_column}, {"DER: framing lost", test_der_lost},
           {"CSV: quotes", test_csv_quotes}, {"base64 lines", test_base64_lines})
