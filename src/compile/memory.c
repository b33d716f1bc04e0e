/* memory.c: where the buffers of a program lie in its arena: one after the other, each in the lowest gap that is free
 * for as long as it lives. The largest first is best nearly always; where it leaves holes, other orders are tried. */
#include "../math/fp.h"
#include "plan.h"
#include "gemel/extend.h"

#include <stdlib.h>

static int64_t memory_round(int64_t bytes) { return (bytes + 63) & ~(int64_t)63; }

static int memory_compare(int64_t more, int64_t than, const gm__buffer *x, const gm__buffer *y) {
    if (more != than) return more < than ? 1 : -1;
    return x->first != y->first ? (x->first > y->first ? 1 : -1) : (x > y) - (x < y);
}

static int memory_by_size(const void *a, const void *b) {
    const gm__buffer *x = *(gm__buffer *const *)a, *y = *(gm__buffer *const *)b;
    return memory_compare(x->bytes, y->bytes, x, y);
}

static int memory_by_life(const void *a, const void *b) {
    const gm__buffer *x = *(gm__buffer *const *)a, *y = *(gm__buffer *const *)b;
    return memory_compare(x->last - x->first, y->last - y->first, x, y);
}

/* Bytes by steps. */
static int memory_by_area(const void *a, const void *b) {
    const gm__buffer *x = *(gm__buffer *const *)a, *y = *(gm__buffer *const *)b;
    double p = (double)x->bytes * (double)(x->last - x->first + 1);
    double q = (double)y->bytes * (double)(y->last - y->first + 1);
    return p != q ? (p < q ? 1 : -1) : memory_compare(x->bytes, y->bytes, x, y);
}

static int memory_by_step(const void *a, const void *b) {
    const gm__buffer *x = *(gm__buffer *const *)a, *y = *(gm__buffer *const *)b;
    return x->first != y->first ? (x->first > y->first ? 1 : -1) : memory_compare(x->bytes, y->bytes, x, y);
}

typedef int (*memory_placing)(const void *a, const void *b);
static const memory_placing memory_orders[] = { memory_by_size, memory_by_life, memory_by_area, memory_by_step };
enum { MEMORY_ORDERS = sizeof memory_orders / sizeof *memory_orders };

static bool memory_together(const gm__buffer *a, const gm__buffer *b) {
    return a->first <= b->last && b->first <= a->last;
}

/* The buffers placed so far, in order of their offsets. */
static void memory_place(gm__buffer *b, gm__buffer **placed, int64_t n) {
    int64_t at = 0, k;
    for (int64_t i = 0; i < n; i++) {
        if (!memory_together(b, placed[i])) continue;
        if (placed[i]->offset >= at + memory_round(b->bytes)) break;
        int64_t end = placed[i]->offset + memory_round(placed[i]->bytes);
        if (end > at) at = end;
    }
    b->offset = at;
    for (k = n; k > 0 && placed[k - 1]->offset > at; k--) placed[k] = placed[k - 1];
    placed[k] = b;
}

static int64_t memory_live(const gm__buffer *b, int64_t n) {
    int64_t steps = 0, most = 0, now = 0;
    for (int64_t i = 0; i < n; i++) steps = b[i].last + 2 > steps ? b[i].last + 2 : steps;
    int64_t *change = gm_alloc((size_t)(steps + 1) * sizeof *change);
    if (!change) return -1;
    for (int64_t i = 0; i < n; i++) {
        change[b[i].first] += memory_round(b[i].bytes);
        change[b[i].last + 1] -= memory_round(b[i].bytes);
    }
    for (int64_t s = 0; s < steps; s++) {
        now += change[s];
        most = now > most ? now : most;
    }
    gm_free(change);
    return most;
}

/* Offsets for that order; the bytes of the arena. */
static int64_t memory_try(gm__buffer **order, int64_t n, memory_placing by) {
    gm__buffer **placed = order + n;
    int64_t bytes = 0;
    if (n) qsort(order, (size_t)n, sizeof *order, by);
    for (int64_t i = 0; i < n; i++) {
        memory_place(order[i], placed, i);
        int64_t end = order[i]->offset + memory_round(order[i]->bytes);
        bytes = end > bytes ? end : bytes;
    }
    return bytes;
}

int64_t gm__place_buffers(gm__buffer *b, int64_t n, int64_t *live) {
    gm__buffer **order = gm_alloc((size_t)(2 * n + 1) * sizeof *order);
    int64_t least = -1;
    int best = 0, tried = 0;
    if (!order || (*live = memory_live(b, n)) < 0) return gm_free(order), -1;
    for (int64_t i = 0; i < n; i++) order[i] = &b[i];
    for (; tried < MEMORY_ORDERS && (least < 0 || least > *live + *live / 32); tried++) {
        int64_t bytes = memory_try(order, n, memory_orders[tried]);
        if (least < 0 || bytes < least) least = bytes, best = tried;
    }
    if (best < tried - 1) memory_try(order, n, memory_orders[best]);
    gm_free(order);
    return least;
}
