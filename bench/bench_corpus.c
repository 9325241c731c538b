/* The whole way from a file to lines of pins: PEM and length-prefixed DER, with fingerprints, on
   one and two threads; beside a loop over BoringSSL's PEM_read_bio_X509, a Go crypto/x509 loop (if
   `go` is installed) and the usual shell loop over openssl, all on the same bundle: 100 different
   certificates (half P-256, half RSA-2048, of 1,000 to 1,150 bytes), again and again. One item is
   one certificate. The whole process's CPU time counts for our own figures, so that "each" is per
   core on one thread and wall time shows what two give; other programs are measured by wall time,
   on one processor. The file is in the page cache. */
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/mint.h"
#include "engine/codec/base64.h"
#include "engine/corpus/corpus.h"

#define DIFFERENT 100
#define COPIES 1000
#define CERTS (DIFFERENT * COPIES)
#define SHELL_CERTS 30

static char folder[] = "/tmp/pinsweep-bench-XXXXXX";
static char pem_path[64], der_path[64], go_path[64], go_binary[64], small_path[64];

static void write_pem(FILE *file, struct span der) {
    fputs("-----BEGIN CERTIFICATE-----\n", file);
    while (der.len > 0) {
        char line[65];
        size_t len = base64_encode(line, span_take(&der, 48));
        line[len] = '\n';
        fwrite(line, 1, len + 1, file);
    }
    fputs("-----END CERTIFICATE-----\n", file);
}

static void write_prefixed(FILE *file, struct span der) {
    for (int shift = 24; shift >= 0; shift -= 8) {
        putc((int)(der.len >> shift & 255), file);
    }
    fwrite(der.data, 1, der.len, file);
}

static const char go_program[] =
    "package main\n"
    "import (\"bufio\"; \"crypto/sha256\"; \"crypto/x509\"; \"encoding/base64\"; \"encoding/pem\"\n"
    "        \"os\"; \"runtime\")\n"
    "func main() {\n"
    "  runtime.GOMAXPROCS(1)\n"
    "  rest, _ := os.ReadFile(os.Args[1])\n"
    "  out := bufio.NewWriter(os.Stdout)\n"
    "  defer out.Flush()\n"
    "  for {\n"
    "    var block *pem.Block\n"
    "    block, rest = pem.Decode(rest)\n"
    "    if block == nil { break }\n"
    "    cert, err := x509.ParseCertificate(block.Bytes)\n"
    "    if err != nil { panic(err) }\n"
    "    sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)\n"
    "    out.WriteString(\"sha256/\" + base64.StdEncoding.EncodeToString(sum[:]) + \"\\n\")\n"
    "  }\n"
    "}\n";

static FILE *create(char path[64], const char *name) {
    snprintf(path, 64, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    CHECK(file != NULL);
    return file;
}

static void make_files(void) {
    static struct span ders[DIFFERENT];
    EVP_PKEY *rsa[5], *ca = mint_key_new(MINT_P256, 1, "ca");
    CHECK(mkdtemp(folder) != NULL);
    for (unsigned i = 0; i < ARRAY_COUNT(rsa); i++) {
        rsa[i] = mint_key_new(MINT_RSA2048, i, "leaf");
    }
    for (unsigned i = 0; i < DIFFERENT; i++) {
        EVP_PKEY *key = mint_key_new(MINT_P256, i, "leaf");
        char name[32];
        snprintf(name, sizeof name, "host-%u.example.com", i);
        const char *names[] = {name, "www.example.com"};
        struct mint_spec spec = {.subject_cn = name,
                                 .issuer_cn = "Bench Intermediate 1",
                                 .issuer_org = "Bench",
                                 .key = i % 2 == 0 ? key : rsa[i / 2 % ARRAY_COUNT(rsa)],
                                 .issuer_key = ca,
                                 .serial = UINT64_C(0x4000000000000000) + i,
                                 .not_before = 1700000000,
                                 .not_after = 1800000000,
                                 .path_len = -1,
                                 .dns_names = names,
                                 .dns_name_count = 2,
                                 .padding_len = (i % 2 == 0 ? 560u : 360u) + i};
        size_t len;
        const uint8_t *der = mint_certificate(&spec, &len);
        ders[i] = span_of(der, len);
        EVP_PKEY_free(key);
    }
    FILE *pem = create(pem_path, "bundle.pem"), *der = create(der_path, "bundle.der4");
    FILE *small = create(small_path, "small.pem"), *go = create(go_path, "bench.go");
    for (unsigned i = 0; i < CERTS; i++) {
        write_pem(pem, ders[i % DIFFERENT]);
        write_prefixed(der, ders[i % DIFFERENT]);
        if (i < SHELL_CERTS) {
            write_pem(small, ders[i]);
        }
    }
    fputs(go_program, go);
    fclose(pem);
    fclose(der);
    fclose(small);
    fclose(go);
}

static void remove_files(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (system(command) != 0) {
        fprintf(stderr, "%s is left\n", folder);
    }
}

/* --- ours --- */

static bool drop(void *context, const char *bytes, size_t len) {
    *(uint64_t *)context += len;
    bench_use(bytes);
    return true;
}

static void no_complaint(void *context, const char *text) {
    (void)context;
    fprintf(stderr, "%s\n", text);
    abort();
}

static double seconds_of(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

struct pipeline_case {
    const char *name;
    const char *path;
    bool fingerprint;
    uint32_t threads;
    const char *base64;
    uint32_t runs; /* at the same time */
};

static void *run_once(void *context) {
    const struct pipeline_case *each = context;
    uint64_t written = 0;
    struct corpus_config config = {.inputs = &each->path,
                                   .input_count = 1,
                                   .fingerprint = each->fingerprint,
                                   .threads = each->threads,
                                   .write = drop,
                                   .complain = no_complaint,
                                   .context = &written};
    struct corpus_stats stats;
    CHECK(corpus_run(&config, &stats, NULL) == ERR_NONE && stats.certificates == CERTS);
    return NULL;
}

/* The shim counts the CPU time of this thread, which only waits: the figures are counters. */
static void bench_pipeline(struct bench *bench) {
    struct pipeline_case *each = bench_context(bench);
    const char *names[BASE64_KERNELS_MAX];
    uint64_t runs = 0;
    if (!base64_force_kernel(each->base64)) {
        bench_skip(bench, "this CPU has no such instructions");
        return;
    }
    double wall = seconds_of(CLOCK_MONOTONIC), cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    while (bench_next(bench, 1)) {
        pthread_t beside;
        bool two = each->runs == 2;
        CHECK(!two || pthread_create(&beside, NULL, run_once, each) == 0);
        run_once(each);
        if (two) {
            pthread_join(beside, NULL);
        }
        runs += each->runs;
    }
    wall = seconds_of(CLOCK_MONOTONIC) - wall;
    cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    bench_counter(bench, "per_cpu_second", (double)(runs * CERTS) / cpu);
    bench_counter(bench, "per_second", (double)(runs * CERTS) / wall);
    base64_kernels_available(names);
    CHECK(base64_force_kernel(names[0]));
}

/* --- comparators --- */

static void bench_boringssl(struct bench *bench) {
    uint64_t count = 0;
    double cpu = 0;
    while (bench_next(bench, 1)) {
        BIO *bio = BIO_new_file(pem_path, "rb");
        X509 *x509;
        double start = seconds_of(CLOCK_THREAD_CPUTIME_ID);
        for (unsigned i = 0; i < CERTS / 25 && (x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL));
             i++) {
            uint8_t *spki = NULL, digest[SHA256_LEN];
            char pin[BASE64_SHA256_LEN];
            int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), &spki);
            SHA256(spki, (size_t)len, digest);
            base64_encode(pin, span_of(digest, sizeof digest));
            bench_use(pin);
            OPENSSL_free(spki);
            X509_free(x509);
            count++;
        }
        cpu += seconds_of(CLOCK_THREAD_CPUTIME_ID) - start;
        BIO_free(bio);
    }
    bench_counter(bench, "per_cpu_second", (double)count / cpu);
}

static double children_cpu(void) {
    struct rusage usage;
    getrusage(RUSAGE_CHILDREN, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void bench_program(struct bench *bench, const char *command, double certificates) {
    double cpu = children_cpu(), runs = 0;
    while (bench_next(bench, 1)) {
        if (system(command) != 0) {
            bench_skip(bench, "the program failed");
            return;
        }
        runs++;
    }
    bench_counter(bench, "per_cpu_second", runs * certificates / (children_cpu() - cpu));
}

static void bench_go(struct bench *bench) {
    char command[512];
    if (system("go version >/dev/null 2>&1") != 0) {
        bench_skip(bench, "go is not installed (Debian: golang-go)");
        return;
    }
    if (go_binary[0] == '\0') {
        snprintf(go_binary, sizeof go_binary, "%s/bench-go", folder);
        snprintf(command, sizeof command,
                 "cd %s && HOME=%s GOCACHE=%s/cache GO111MODULE=off go build -o %s %s", folder,
                 folder, folder, go_binary, go_path);
        if (system(command) != 0) {
            bench_skip(bench, "the Go program does not build");
            return;
        }
    }
    snprintf(command, sizeof command, "%s %s >/dev/null", go_binary, pem_path);
    bench_program(bench, command, CERTS);
}

static void bench_shell(struct bench *bench) {
    char command[1024];
    if (system("openssl version >/dev/null 2>&1") != 0) {
        bench_skip(bench, "openssl is not installed");
        return;
    }
    snprintf(
        command, sizeof command,
        "cd %s && csplit -s -z -f one- small.pem '/BEGIN/' '{*}' && for f in one-*; do openssl "
        "x509 -in $f -noout -pubkey | openssl pkey -pubin -outform der | openssl dgst -sha256 "
        "-binary | openssl base64; done >/dev/null && rm -f one-*",
        folder);
    bench_program(bench, command, SHELL_CERTS);
}

int main(int argc, char **argv) {
    static const struct pipeline_case cases[] = {
        {"pem/1-thread", pem_path, false, 1, "vbmi", 1},
        {"pem/2-threads", pem_path, false, 2, "vbmi", 1},
        {"pem/2-runs", pem_path, false, 1, "vbmi", 2},
        {"pem/1-thread/avx2", pem_path, false, 1, "avx2", 1},
        {"pem/1-thread/scalar-base64", pem_path, false, 1, "scalar", 1},
        {"pem-fingerprint/1-thread", pem_path, true, 1, "vbmi", 1},
        {"der4/1-thread", der_path, false, 1, "scalar", 1},
        {"der4/2-threads", der_path, false, 2, "scalar", 1},
        {"der4/2-runs", der_path, false, 1, "scalar", 2},
        {"der4-fingerprint/1-thread", der_path, true, 1, "scalar", 1},
    };
    static struct pipeline_case owned[ARRAY_COUNT(cases)];
    make_files();
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        owned[i] = cases[i];
        bench_register(owned[i].name, bench_pipeline, &owned[i], NULL, 0);
    }
    bench_register("pem/boringssl", bench_boringssl, NULL, NULL, 0);
    bench_register("pem/go", bench_go, NULL, NULL, 0);
    bench_register("pem/openssl-shell", bench_shell, NULL, NULL, 0);
    int code = bench_main(argc, argv);
    remove_files();
    return code;
}
