/* The key of a certificate that is no DER any more: cut short, followed by something, or with
   lengths that do not fit. Only told to people, never written as a pin: what follows such a key
   may be anything. */
#ifndef PINSWEEP_CORPUS_CORPUS_SALVAGE_H
#define PINSWEEP_CORPUS_CORPUS_SALVAGE_H

#include "engine/base/span.h"

/* The SubjectPublicKeyInfo, if all before it and it itself is whole; the lengths of the Certificate
   and the TBSCertificate are not looked at. */
bool corpus_salvage_spki(struct span der, struct span *out_spki);

#endif
