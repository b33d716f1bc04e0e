/* stream.h: the default random stream: a seed, and a count that each random operation bumps once. */
#ifndef GM_BASE_STREAM_H
#define GM_BASE_STREAM_H
#include "gemel/extend.h"

/* This operation's count; the next gets the one after it. */
uint64_t gm__draw_next(uint64_t *seed);
/* Draws of a thread that are not taken from the stream as they come, innermost first. LOG notes them, REPLAY gives
 * those of a log again, and INNER counts from a place of its own. They hold for the recording, or for none, in which
 * they began: a recording that is opened inside of them numbers its own draws. */
typedef struct { uint64_t (*draw)[2]; int64_t n, capacity; } gm__draw_log; /* seed, count */
enum { GM__DRAWS_LOG, GM__DRAWS_REPLAY, GM__DRAWS_INNER };
typedef struct gm__draws {
    struct gm__draws *outer;
    struct gm__trace *trace;
    int32_t mode;
    gm__draw_log *log;
    int64_t at;           /* REPLAY: the next of the log */
    uint64_t seed, count; /* INNER */
} gm__draws;
void gm__draws_begin(gm__draws *d, int32_t mode, gm__draw_log *log);
void gm__draws_end(gm__draws *d);
/* The place from which step `step` of what has place `count` counts its own draws. */
uint64_t gm__inner_place(uint64_t count, uint64_t step);
/* What it asks while the thread has an open trace (graph/trace.c fills it in). */
extern uint64_t (*gm__draw_traced)(uint64_t *seed);
/* n places of the default stream were taken from `first` on, `used` are enough: the others are there again, unless
 * somebody took places since. */
void gm__draws_give_back(uint64_t seed, uint64_t first, int64_t n, int64_t used);
/* 64-bit FNV-1a of a path; 0 for the empty one. */
uint64_t gm__path_hash(const char *path);
/* Philox's key for a seed and a path (docs/numerics.md). */
uint64_t gm__stream_key(uint64_t seed, const char *path);

#endif
