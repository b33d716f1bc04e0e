/* stream.h: the default random stream: a seed, and a count that each random operation bumps once. */
#ifndef GM_BASE_STREAM_H
#define GM_BASE_STREAM_H
#include "gemel/extend.h"

/* This operation's count; the next gets the one after it. */
uint64_t gm__draw_next(uint64_t *seed);
/* What it asks while the thread has an open trace (graph/trace.c fills it in). */
extern uint64_t (*gm__draw_traced)(uint64_t *seed);
/* 64-bit FNV-1a of a path; 0 for the empty one. */
uint64_t gm__path_hash(const char *path);
/* Philox's key for a seed and a path (docs/numerics.md). */
uint64_t gm__stream_key(uint64_t seed, const char *path);

#endif
