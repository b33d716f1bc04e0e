/* offload.h: a graph as a program for a device. */
#ifndef GM_DEVICE_OFFLOAD_H
#define GM_DEVICE_OFFLOAD_H

#include "../graph/graph.h"
#include "device.h"

typedef struct gm__offload gm__offload;

enum { GM__OFFLOAD_APART = 1, GM__OFFLOAD_CONSTANT = 2 }; /* every operation a kernel; captured tensors read once */
/* g (held) for d (held). Counted; owned by the scope. */
gm__offload *gm__offload_new(gm_graph *g, gm__device *d, int32_t flags);
/* Inputs in order, of the graph's shapes and dtypes; the outputs are new tensors, owned by the scope. One run at a
 * time.
 */
bool gm__offload_run(gm__offload *p, gm_tensor *const *in, gm_tensor **out);

/* What a run is: kernels on the device, calls on the CPU, copies in and out and their bytes, memory on the device. */
typedef struct { int64_t kernels, cpu_calls, copies_in, copies_out, bytes_in, bytes_out, bytes; } gm__offload_stats;
gm__offload_stats gm__offload_statistics(const gm__offload *p);

#endif
