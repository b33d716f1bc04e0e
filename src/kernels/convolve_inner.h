/* convolve_inner.h: what the parts of the convolution driver share: memory and threads of one call, kernels by type. */
#ifndef GM_CONVOLVE_INNER_H
#define GM_CONVOLVE_INNER_H

#include "../base/memory.h"
#include "convolve.h"
#include "kernels.h"

#include <stdatomic.h>

/* Blocks that a call took. */
enum { GM__CONVOLVE_BLOCKS = 96, GM__CONVOLVE_PHASES = 8 };
typedef struct { void *block[GM__CONVOLVE_BLOCKS]; size_t got[GM__CONVOLVE_BLOCKS]; int n; } gm__convolve_memory;

/* A block until gm__convolve_give; NULL and a pending error without memory. */
void *gm__convolve_take(gm__convolve_memory *m, size_t bytes);
void gm__convolve_give(gm__convolve_memory *m);

typedef struct {
    size_t size; /* bytes of an element */
    int64_t rows, columns, vector;
    void (*pack)(const gm__conv_gather *, int64_t, int64_t);
    void (*gather)(const gm__conv_gather *, int64_t, void *);
    void (*planes)(const gm__conv_gather *, int64_t, void *);
    void (*wgrad)(const gm__conv_wgrad *, int64_t, void *);
} gm__convolve_kernels;

gm__convolve_kernels gm__convolve_kernels_of(size_t size);

/* run(plan, task) for all tasks, each thread with scratch memory of its own; `products`: multiply-adds in all. */
typedef struct {
    void (*run)(const void *plan, int64_t task, void *scratch);
    const void *plan;
    int64_t n_tasks;
    size_t scratch_bytes;
    double products;
    char *scratch;
    _Atomic int64_t ticket;
} gm__convolve_crew;

bool gm__convolve_run(gm__convolve_memory *m, gm__convolve_crew *c);

/* Plans that write disjoint results and run together. */
typedef struct {
    gm__convolve_kernels k;
    gm__conv_gather plan[GM__CONVOLVE_PHASES];
    int64_t n_tasks[GM__CONVOLVE_PHASES];
    int n;
} gm__convolve_plans;

/* The offsets of taps along each axis and their places in the kernel. */
typedef struct { int64_t *tap[3], *position[3]; } gm__convolve_axes;

bool gm__convolve_check(const gm__conv_shape *s);
bool gm__convolve_axes_take(gm__convolve_memory *m, const gm__conv_shape *s, gm__convolve_axes *a);
void gm__convolve_axis_forward(const gm__conv_shape *s, int i, gm__conv_sight *see, int64_t *tap);
gm__conv_view gm__convolve_view(int64_t channels, const int64_t size[3], bool channels_last);

/* Complete the last plan of `plans`, whose sight, views, sizes and weights are set. */
bool gm__convolve_prepare(gm__convolve_memory *m, const gm__conv_shape *s, const gm__convolve_axes *a,
                          gm__convolve_plans *plans, const void *bias);
bool gm__convolve_run_plans(gm__convolve_memory *m, gm__convolve_plans *plans);

static inline int64_t gm__convolve_volume(const int64_t size[3]) { return size[0] * size[1] * size[2]; }
static inline int64_t gm__convolve_parts(int64_t n, int64_t each) { return (n + each - 1) / each; }

#endif
