/* checksum.h: the check sums that file formats ask for. Each continues from `sum`, the value so far. */
#ifndef GM_BASE_CHECKSUM_H
#define GM_BASE_CHECKSUM_H
#include <stddef.h>
#include <stdint.h>

uint32_t gm__crc32c(uint32_t sum, const void *data, size_t n); /* Castagnoli, TFRecord; start with 0 */
uint32_t gm__crc32(uint32_t sum, const void *data, size_t n);  /* IEEE, PNG and gzip; start with 0 */
uint32_t gm__adler32(uint32_t sum, const void *data, size_t n); /* zlib; start with 1 */

#endif
