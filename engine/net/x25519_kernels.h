/* Private to x25519: what the front and the kernel share. */
#ifndef PINSWEEP_NET_X25519_KERNELS_H
#define PINSWEEP_NET_X25519_KERNELS_H

#include "engine/net/x25519.h"

#if defined(__x86_64__)
/* Eight points, all of them computed; needs AVX-512 F and IFMA. */
void x25519_ifma_x8(const uint8_t scalar[X25519_LEN], const uint8_t points[8][X25519_LEN],
                    uint8_t out[8][X25519_LEN]);
#endif

#endif
