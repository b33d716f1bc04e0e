/* memory.h: storage blocks for tensors, from a cache. */
#ifndef GM_BASE_MEMORY_H
#define GM_BASE_MEMORY_H
#include "context.h"

/* At least `bytes` bytes, aligned to 64, content undefined; the true size in *got (needed to free it). NULL without an
 * error pending if there is no memory. */
void *gm__block_take(size_t bytes, size_t *got);
void gm__block_give(void *block, size_t got);
/* The context's free blocks to all contexts. */
void gm__blocks_give_back(gm_context *c);

#endif
