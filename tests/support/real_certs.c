#include "tests/support/real_certs.h"

#include <fts.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static unsigned each_of_file(const char *path, void (*each)(void *, struct span), void *context) {
    unsigned count = 0;
    BIO *file = BIO_new_file(path, "rb");
    char *name, *header;
    unsigned char *data;
    long len;
    while (file != NULL && PEM_read_bio(file, &name, &header, &data, &len) == 1) {
        if (strcmp(name, "CERTIFICATE") == 0) {
            uint8_t *exact = malloc((size_t)len);
            memcpy(exact, data, (size_t)len);
            each(context, span_of(exact, (size_t)len));
            free(exact);
            count++;
        }
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_free(data);
    }
    BIO_free(file);
    ERR_clear_error();
    return count;
}

static int by_name(const FTSENT **a, const FTSENT **b) {
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

unsigned real_certs_each(const char *path, void (*each)(void *context, struct span der),
                         void *context) {
    char copy[4096];
    snprintf(copy, sizeof copy, "%s", path);
    char *const roots[] = {copy, NULL};
    unsigned count = 0;
    FTS *tree = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, by_name);
    for (FTSENT *entry = tree != NULL ? fts_read(tree) : NULL; entry != NULL;
         entry = fts_read(tree)) {
        const char *dot = strrchr(entry->fts_name, '.');
        bool is_pem = entry->fts_level == 0 || (dot != NULL && strcmp(dot, ".pem") == 0);
        if (entry->fts_info == FTS_F && is_pem) {
            count += each_of_file(entry->fts_accpath, each, context);
        }
    }
    if (tree != NULL) {
        fts_close(tree);
    }
    return count;
}

const char *real_chains_path(void) {
    const char *path = getenv("PINSWEEP_REAL_CHAINS");
    static char found[4096];
    struct stat info;
    if (path != NULL) {
        return stat(path, &info) == 0 ? path : NULL;
    }
    /* A work tree may lie elsewhere than the main one: look for the folder upwards as well. */
    static const char *const places[] = {"/../shared/data/real-chains",
                                         "/../../shared/data/real-chains"};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        snprintf(found, sizeof found, "%s%s", PINSWEEP_SOURCE_DIR, places[i]);
        if (stat(found, &info) == 0) {
            return found;
        }
    }
    return NULL;
}
