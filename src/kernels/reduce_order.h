/* reduce_order.h: the numbers of the two orders of summation (docs/numerics.md). */
#ifndef GM_KERNELS_REDUCE_ORDER_H
#define GM_KERNELS_REDUCE_ORDER_H

enum {
    GM_RD_LANES = 32,
    GM_RD_BLOCK = 4096,
    GM_RD_SUPER = 64 * GM_RD_BLOCK,
    GM_RD_CHUNK = 256,
    GM_RD_CHUNK_SUPER = 64 * GM_RD_CHUNK
};

#endif
