/* gemel/device.h: graphs on other devices than the CPU (docs/devices.md).
 *
 * Tensors live on the host. A graph that runs on a device keeps what it computes there: inputs are copied in, outputs
 * out. Operations that have no kernel for the device run on the CPU in between. The bits are those of the CPU. */
#ifndef GEMEL_DEVICE_H
#define GEMEL_DEVICE_H

#include "graph.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    size_t size;
    int32_t no_fusion; /* 1: every operation is a kernel of its own */
    int32_t constant;  /* 1: tensors that the graph uses but does not write are copied in once, not at every run */
} gm_graph_on_args;
/* The graph as a function that runs on a device: "opencl" (the first OpenCL device there is; "opencl:1" the second),
 * "null" (plans and builds, computes nothing: outputs are zeros), or "cpu" (which is gm_jit). Programs are made at the
 * first call for each set of shapes. Inside of a recording, and where gradients of its inputs are wanted, it is the
 * graph itself. Errors: VALUE for a device that does not exist; UNSUPPORTED if the build or the machine has none;
 * MEMORY, which names the device, if its memory is too small. */
GM_API gm_fn *gm_graph_on_with(gm_graph *g, const char *device, const gm_graph_on_args *args);

/* Of the program that was called last: kernels on the device, calls on the CPU, copies to and from the device and their
 * bytes, in one run; bytes of memory it has there. And how many programs there are, and runs of all of them. */
typedef struct {
    int64_t kernels, cpu_calls, copies_in, copies_out, bytes_in, bytes_out, device_bytes, programs, runs, reserved[7];
} gm_device_stats;
GM_API gm_device_stats gm_device_statistics(gm_fn *f);

#ifdef __cplusplus
}
#else
#  define gm_graph_on(...)                  gm__graph_on_macro(__VA_ARGS__, .size = sizeof(gm_graph_on_args))
#  define gm__graph_on_macro(g, device, ...) gm_graph_on_with(g, device, &(gm_graph_on_args){ __VA_ARGS__ })
#endif
#endif
