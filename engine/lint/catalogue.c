/* Sources: Let's Encrypt, "Deploying Let's Encrypt's new issuance chains" (2024-06-06); Amazon
   Trust Services, dynamic intermediates (2022-10-11) and the end of the Starfield Class 2
   cross-signature (August 2024); Google's security blog on Entrust and AffirmTrust (certificates
   whose earliest SCT is after 2024-11-11); Mozilla's root store schedule (websites' trust of
   DigiCert's first generation ends 2026-04-15). */
#include "engine/lint/catalogue.h"

#include <ctype.h>
#include <string.h>

#include "engine/base/attributes.h"
#include "engine/codec/dname.h"

#define DAY_2022_10_11 INT64_C(1665446400)
#define DAY_2024_06_06 INT64_C(1717632000)
#define DAY_2024_08_01 INT64_C(1722470400)
#define DAY_2024_11_12 INT64_C(1731369600)
#define DAY_2026_04_15 INT64_C(1776211200)

static const struct catalogue_entry rotating[] = {
    {"Let's Encrypt", "", DAY_2024_06_06,
     "Let's Encrypt chooses among several intermediates at random since 2024-06-06"},
    {"Amazon", "", DAY_2022_10_11,
     "Amazon changes its intermediates without notice since 2022-10-11"},
};

#define ENTRUST_FACT                                                                               \
    "Chrome refuses certificates under it whose earliest SCT is after 2024-11-11, Apple and "      \
    "Mozilla later ones"
#define DIGICERT_FACT "Mozilla's trust in it for websites ends on 2026-04-15"

static const struct catalogue_entry distrusted[] = {
    {"Entrust", "Entrust Root Certification Authority", DAY_2024_11_12, ENTRUST_FACT},
    {"Entrust", "Entrust Root Certification Authority - G2", DAY_2024_11_12, ENTRUST_FACT},
    {"Entrust", "Entrust Root Certification Authority - G4", DAY_2024_11_12, ENTRUST_FACT},
    {"Entrust", "Entrust Root Certification Authority - EC1", DAY_2024_11_12, ENTRUST_FACT},
    {"Entrust.net", "Entrust.net Certification Authority (2048)", DAY_2024_11_12, ENTRUST_FACT},
    {"AffirmTrust", "AffirmTrust Commercial", DAY_2024_11_12, ENTRUST_FACT},
    {"AffirmTrust", "AffirmTrust Networking", DAY_2024_11_12, ENTRUST_FACT},
    {"AffirmTrust", "AffirmTrust Premium", DAY_2024_11_12, ENTRUST_FACT},
    {"AffirmTrust", "AffirmTrust Premium ECC", DAY_2024_11_12, ENTRUST_FACT},
    {"DigiCert Inc", "DigiCert Assured ID Root CA", DAY_2026_04_15, DIGICERT_FACT},
    {"DigiCert Inc", "DigiCert Global Root CA", DAY_2026_04_15, DIGICERT_FACT},
    {"DigiCert Inc", "DigiCert High Assurance EV Root CA", DAY_2026_04_15, DIGICERT_FACT},
    {"Starfield Technologies", "", DAY_2024_08_01,
     "Amazon's chains no longer reach it since August 2024"},
};

/* The value of an attribute in RFC 4514 text, compared without its escapes; `whole`: to its end. */
static bool has_attribute(const char *subject, const char *type, const char *value, bool whole) {
    size_t type_len = strlen(type);
    for (const char *at = strstr(subject, type); at != NULL; at = strstr(at + 1, type)) {
        if (at != subject && at[-1] != ',' && at[-1] != '+') {
            continue;
        }
        const char *left = value, *right = at + type_len;
        while (*left != '\0') {
            right += *right == '\\';
            if (*right != *left) {
                break;
            }
            left++;
            right++;
        }
        bool ended = *right == '\0' || *right == ',' || *right == '+';
        /* the beginning of a name, not of a word: "Amazon" is not "Amazonia Bank" */
        if (*left == '\0' && (ended || (!whole && !isalnum((unsigned char)*right)))) {
            return true;
        }
    }
    return false;
}

static const struct catalogue_entry *find(const struct catalogue_entry *entries, size_t count,
                                          const char *subject) {
    for (size_t i = 0; i < count; i++) {
        const struct catalogue_entry *entry = &entries[i];
        bool no_name = strstr(subject, "CN=") == NULL;
        if (has_attribute(subject, "O=", entry->organization, false) &&
            (entry->common_name[0] != '\0' ? has_attribute(subject, "CN=", entry->common_name, true)
                                           : entries == rotating || no_name)) {
            return entry;
        }
    }
    return NULL;
}

const struct catalogue_entry *catalogue_rotating(const char *subject) {
    return find(rotating, ARRAY_COUNT(rotating), subject);
}

const struct catalogue_entry *catalogue_distrust_subject(const char *subject) {
    return find(distrusted, ARRAY_COUNT(distrusted), subject);
}

const struct catalogue_entry *catalogue_distrust(const struct cert_record *anchor) {
    char subject[DNAME_TEXT_MAX];
    dname_format(subject, anchor->fields.subject);
    return catalogue_distrust_subject(subject);
}
