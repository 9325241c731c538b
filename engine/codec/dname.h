/* Distinguished names as people read them. */
#ifndef PINSWEEP_CODEC_DNAME_H
#define PINSWEEP_CODEC_DNAME_H

#include "engine/base/span.h"

#define DNAME_TEXT_MAX 512

/* RFC 4514 text of a DER Name (with header): most specific RDN first ("CN=R11,O=Let's
   Encrypt,C=US"), attribute types by their short names, unknown ones as dotted OID with a #hex
   value, special characters escaped, all string types as UTF-8 where they can be converted, else
   #hex. Control characters (bidirectional ones too) and bytes that are not UTF-8 become "\0A"
   pairs. Cut with "..." at DNAME_TEXT_MAX - 1, never inside a character or an escape. Always
   NUL-terminated valid UTF-8 without control characters; a Name that cannot be parsed gives "#" and
   its hex. Returns the length. */
size_t dname_format(char out[DNAME_TEXT_MAX], struct span name_der);
/* The last commonName, or else the last organisation or organisational unit, or ""; for trees and
   tables. Not escaped but for control characters and bad bytes. */
size_t dname_short(char out[DNAME_TEXT_MAX], struct span name_der);

#endif
