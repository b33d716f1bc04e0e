/* sha256.c: SHA-256, as in FIPS 180-4. The schedule is kept in a ring of 16 words, made as the rounds go. */
#include "../math/fp.h"
#include "sha256.h"

#include <string.h>

static const uint32_t sha256_k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline uint32_t sha256_rotate(uint32_t x, int by) { return x >> by | x << (32 - by); }

static uint32_t sha256_word(const uint8_t *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Word i of the schedule, in place of word i - 16. */
static inline uint32_t sha256_next(uint32_t w[16], int i) {
    uint32_t a = w[(i + 1) & 15], b = w[(i + 14) & 15];
    return w[i & 15] += w[(i + 9) & 15] + (sha256_rotate(a, 7) ^ sha256_rotate(a, 18) ^ a >> 3) +
                        (sha256_rotate(b, 17) ^ sha256_rotate(b, 19) ^ b >> 10);
}

static void sha256_block(uint32_t state[8], const uint8_t *p) {
    uint32_t w[16], s[8];
    memcpy(s, state, sizeof s);
    for (int i = 0; i < 16; i++) w[i] = sha256_word(p + 4 * i);
    for (int i = 0; i < 64; i++) {
        uint32_t a = s[0], e = s[4];
        uint32_t t = s[7] + (sha256_rotate(e, 6) ^ sha256_rotate(e, 11) ^ sha256_rotate(e, 25)) +
                     ((e & s[5]) ^ (~e & s[6])) + sha256_k[i] + (i < 16 ? w[i] : sha256_next(w, i));
        uint32_t u = (sha256_rotate(a, 2) ^ sha256_rotate(a, 13) ^ sha256_rotate(a, 22)) +
                     ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
        s[7] = s[6], s[6] = s[5], s[5] = e, s[4] = s[3] + t, s[3] = s[2], s[2] = s[1], s[1] = a, s[0] = t + u;
    }
    for (int i = 0; i < 8; i++) state[i] += s[i];
}

void gm__sha256_begin(gm__sha256 *h) {
    static const uint32_t first[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                       0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
    memcpy(h->state, first, sizeof first);
    h->n = 0;
}

void gm__sha256_add(gm__sha256 *h, const void *data, size_t n) {
    const uint8_t *p = data;
    while (n) {
        size_t at = h->n % 64, part = 64 - at < n ? 64 - at : n;
        if (part == 64) sha256_block(h->state, p);
        else {
            memcpy(h->block + at, p, part);
            if (at + part == 64) sha256_block(h->state, h->block);
        }
        h->n += part, p += part, n -= part;
    }
}

void gm__sha256_end(gm__sha256 *h, uint8_t digest[32]) {
    static const uint8_t padding[64] = { 0x80 };
    uint8_t length[8];
    for (int i = 0; i < 8; i++) length[i] = (uint8_t)(h->n * 8 >> (56 - 8 * i));
    gm__sha256_add(h, padding, 1 + (119 - h->n % 64) % 64);
    gm__sha256_add(h, length, 8);
    for (int i = 0; i < 32; i++) digest[i] = (uint8_t)(h->state[i / 4] >> (24 - 8 * (i % 4)));
}
