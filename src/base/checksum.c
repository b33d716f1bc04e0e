/* checksum.c: CRC-32C, CRC-32 and Adler-32. Both CRCs are bit-reflected and differ in their polynomial only; the tables
 * take four bytes a step (slicing), which is as fast as the files they go with need. */
#include "../math/fp.h"
#include "checksum.h"

#include <pthread.h>

typedef uint32_t checksum_table[4][256];
static checksum_table checksum_castagnoli, checksum_ieee;
static pthread_once_t checksum_once = PTHREAD_ONCE_INIT;

static void checksum_fill(checksum_table t, uint32_t polynomial) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t r = i;
        for (int bit = 0; bit < 8; bit++) r = (r >> 1) ^ (r & 1 ? polynomial : 0);
        t[0][i] = r;
    }
    for (int k = 1; k < 4; k++)
        for (int i = 0; i < 256; i++) t[k][i] = (t[k - 1][i] >> 8) ^ t[0][t[k - 1][i] & 255];
}

static void checksum_fill_all(void) {
    checksum_fill(checksum_castagnoli, 0x82f63b78u);
    checksum_fill(checksum_ieee, 0xedb88320u);
}

static uint32_t checksum_crc(uint32_t sum, const uint8_t *p, size_t n, checksum_table t) {
    uint32_t r = ~sum;
    for (; n >= 4; n -= 4, p += 4) {
        r ^= p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
        r = t[3][r & 255] ^ t[2][r >> 8 & 255] ^ t[1][r >> 16 & 255] ^ t[0][r >> 24];
    }
    while (n--) r = (r >> 8) ^ t[0][(r ^ *p++) & 255];
    return ~r;
}

uint32_t gm__crc32c(uint32_t sum, const void *data, size_t n) {
    pthread_once(&checksum_once, checksum_fill_all);
    return checksum_crc(sum, data, n, checksum_castagnoli);
}

uint32_t gm__crc32(uint32_t sum, const void *data, size_t n) {
    pthread_once(&checksum_once, checksum_fill_all);
    return checksum_crc(sum, data, n, checksum_ieee);
}

uint32_t gm__adler32(uint32_t sum, const void *data, size_t n) {
    const uint8_t *p = data;
    uint32_t a = sum & 0xffff, b = sum >> 16;
    while (n) {
        size_t run = n < 5552 ? n : 5552; /* the most for which b stays below 2^32 */
        for (size_t i = 0; i < run; i++) a += p[i], b += a;
        a %= 65521, b %= 65521;
        p += run, n -= run;
    }
    return b << 16 | a;
}
