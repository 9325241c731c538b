/* When a certificate was first logged: the earliest signed certificate timestamp embedded in it
   (RFC 6962 section 3.3). Clients that distrust a CA by date go by these times (Chrome: "all SCTs
   later than"). Pure; bounded by the certificate's length; the log's signatures are not checked. */
#ifndef PINSWEEP_CODEC_CERT_SCT_H
#define PINSWEEP_CODEC_CERT_SCT_H

#include "engine/codec/cert.h"

/* The earliest time of the version 1 SCTs in a certificate that cert_walk() accepted, in Unix
   seconds (fractions dropped). False, output untouched, if there are none, or the extension is not
   well-formed:

     SignedCertificateTimestampList ::= OCTET STRING   in extnValue, OID 1.3.6.1.4.1.11129.2.4.2
       struct { SerializedSCT sct_list <1..2^16-1>; }   each opaque <1..2^16-1>
       struct { Version version; LogID id[32]; uint64 timestamp (ms); opaque extensions<0..2^16-1>;
                digitally-signed struct ...; }

   SCTs of other versions, and times after the year 9999, are passed over. */
bool cert_sct_first(const struct cert_fields *cert, int64_t *out_unix_s);

#endif
