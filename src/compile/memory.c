/* memory.c: where the buffers of a program lie in its arena: the largest first, each in the lowest gap that is free for
 * as long as it lives. */
#include "../math/fp.h"
#include "plan.h"
#include "gemel/extend.h"

#include <stdlib.h>

static int64_t memory_round(int64_t bytes) { return (bytes + 63) & ~(int64_t)63; }

static int memory_by_size(const void *a, const void *b) {
    const gm__buffer *x = *(gm__buffer *const *)a, *y = *(gm__buffer *const *)b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
    return x->first != y->first ? (x->first > y->first ? 1 : -1) : (x > y) - (x < y);
}

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

int64_t gm__place_buffers(gm__buffer *b, int64_t n, int64_t *live) {
    gm__buffer **order = gm_alloc((size_t)(2 * n + 1) * sizeof *order), **placed = order + n;
    int64_t bytes = 0;
    if (!order) return -1;
    for (int64_t i = 0; i < n; i++) order[i] = &b[i];
    if (n) qsort(order, (size_t)n, sizeof *order, memory_by_size);
    for (int64_t i = 0; i < n; i++) {
        memory_place(order[i], placed, i);
        int64_t end = order[i]->offset + memory_round(order[i]->bytes);
        bytes = end > bytes ? end : bytes;
    }
    gm_free(order);
    *live = memory_live(b, n);
    return *live < 0 ? -1 : bytes;
}
