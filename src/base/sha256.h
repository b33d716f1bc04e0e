/* sha256.h: SHA-256 (FIPS 180-4), for names that stand for a content. */
#ifndef GM_BASE_SHA256_H
#define GM_BASE_SHA256_H
#include <stddef.h>
#include <stdint.h>

typedef struct { uint32_t state[8]; uint64_t n; uint8_t block[64]; } gm__sha256;

void gm__sha256_begin(gm__sha256 *h);
void gm__sha256_add(gm__sha256 *h, const void *data, size_t n);
void gm__sha256_end(gm__sha256 *h, uint8_t digest[32]);

#endif
