/* kernels.h: what nodes of a graph become on a device: runs of kernels.
 *
 * Every kernel has the same parameters: pointers to what it writes, pointers to what it reads, a pointer to whole
 * numbers and the place of its own among them: sizes, strides, where the operands lie. So another size needs no other
 * kernel, and a run sends nothing but pointers. */
#ifndef GM_DEVICE_KERNELS_H
#define GM_DEVICE_KERNELS_H

#include "../graph/graph.h"
#include "device.h"

enum { GM__RUN_NUMBERS = 256, GM__RUN_OPERANDS = 24 };

typedef struct {
    char name[32];
    int32_t text, wide;  /* which text the kernel is of, -1: the loops'; for doubles */
    int32_t n_operands, n_numbers;
    int32_t operand[GM__RUN_OPERANDS]; /* values, those that are written first */
    int64_t number[GM__RUN_NUMBERS], groups[2], size[2];
} gm__run;

/* The run of node n, whose values are described by value[]; `place[v]` is where value v begins, in elements, in the
 * buffer that it is given. False, without an error, if there is no kernel for it: it runs on the CPU. A run without
 * groups has nothing to do. */
bool gm__device_run(const gm__target *target, const gm_graph *g, const gm__node *n, const int64_t *place, gm__run *r);

/* The texts, each once for floats and once for doubles where used[text][wide] says so. */
enum { GM__KERNEL_TEXTS = 4 };
void gm__device_texts(gm__builder *t, bool used[GM__KERNEL_TEXTS][2]);

#endif
