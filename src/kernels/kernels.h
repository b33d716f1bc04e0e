/* kernels.h: the table of CPU kernels, one per instruction set, all made from the same templates.
 *
 * A template header declares its kernels where GM_KERNEL_DECLARE is defined, one line each,
 *     GM_KERNEL(void, relu_f32, (int64_t n, const float *x, float *y))
 * and defines them, as `static void GM_K(relu_f32)(...)`, where it is not. Templates are compiled in groups, one source
 * file each (group_NAME.c), so that a change recompiles little; templates_NAME.h lists a group; nothing else names
 * them. Kernels do one thread's share of the work; drivers (gemm.c, conv.c, the ops) split it. */
#ifndef GM_KERNELS_H
#define GM_KERNELS_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "../base/dtype.h"
#include "attention_plan.h"
#include "conv_plan.h"
#include "matmul_job.h"
#include "norm_job.h"
#include "reduce_order.h"
#include "index_job.h"
#include "pool_plan.h"
#include "resample_plan.h"

typedef struct gm_kernels {
    const char *name; /* avx512, avx2, neon, plain */
    int vector_bytes;
#define GM_KERNEL(ret, name, args) ret (*name) args;
#define GM_KERNEL_DECLARE
#define GM_OTHER_TYPES 1
#include "templates.h"
#undef GM_OTHER_TYPES
#undef GM_KERNEL_DECLARE
#undef GM_KERNEL
} gm_kernels;

typedef enum { GM__ISA_AVX512, GM__ISA_AVX2, GM__ISA_NEON, GM__ISA_PLAIN, GM__N_ISA } gm_isa_id;

/* The table for this machine, or for the instruction set that GM_ISA names; chosen once, at the first call. */
const gm_kernels *gm__kernels(void);
/* The table by name; NULL if this build or this machine lacks it. */
const gm_kernels *gm__kernels_by_name(const char *isa);

#endif
