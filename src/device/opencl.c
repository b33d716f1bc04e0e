/* opencl.c: OpenCL devices. The loader is opened when one is first asked for, so that the library needs none. */
#include "../math/fp.h"
#include "device.h"

#include <stdio.h>
#include <string.h>

#ifdef GM_HAVE_OPENCL
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <dlfcn.h>
#include <pthread.h>

/* ---- the loader ---- */

#define OPENCL_CALLS(X)                                                                                                \
    X(clGetPlatformIDs) X(clGetDeviceIDs) X(clGetDeviceInfo) X(clCreateContext) X(clReleaseContext)                    \
    X(clCreateCommandQueue) X(clReleaseCommandQueue) X(clCreateBuffer) X(clReleaseMemObject) X(clEnqueueReadBuffer)    \
    X(clEnqueueWriteBuffer) X(clEnqueueCopyBuffer) X(clCreateProgramWithSource) X(clBuildProgram)                      \
    X(clGetProgramBuildInfo) X(clReleaseProgram) X(clCreateKernel) X(clReleaseKernel) X(clSetKernelArg)                \
    X(clEnqueueNDRangeKernel) X(clFinish)

static struct {
#define OPENCL_FIELD(name) __typeof__(name) *name;
    OPENCL_CALLS(OPENCL_FIELD)
#undef OPENCL_FIELD
    bool there;
} opencl;

static void opencl_load(void) {
    void *lib = dlopen("libOpenCL.so.1", RTLD_NOW | RTLD_LOCAL), *found;
    if (!lib) return;
#define OPENCL_FIND(name)                                                                                              \
    if (!(found = dlsym(lib, #name))) return;                                                                          \
    memcpy(&opencl.name, &found, sizeof found);
    OPENCL_CALLS(OPENCL_FIND)
#undef OPENCL_FIND
    opencl.there = true;
}

typedef struct {
    cl_device_id id;
    cl_context context;
    cl_command_queue queue;
} opencl_env;

/* ---- opening ---- */

static const char *opencl_reason(cl_int e) {
    switch (e) {
    case CL_MEM_OBJECT_ALLOCATION_FAILURE: return "CL_MEM_OBJECT_ALLOCATION_FAILURE";
    case CL_OUT_OF_RESOURCES: return "CL_OUT_OF_RESOURCES";
    case CL_OUT_OF_HOST_MEMORY: return "CL_OUT_OF_HOST_MEMORY";
    case CL_INVALID_BUFFER_SIZE: return "CL_INVALID_BUFFER_SIZE";
    case CL_INVALID_WORK_GROUP_SIZE: return "CL_INVALID_WORK_GROUP_SIZE";
    case CL_INVALID_KERNEL_NAME: return "CL_INVALID_KERNEL_NAME";
    case CL_INVALID_KERNEL_ARGS: return "CL_INVALID_KERNEL_ARGS";
    default: return "error";
    }
}

static bool opencl_check(const gm__device *d, cl_int e, const char *what) {
    if (e == CL_SUCCESS) return true;
    bool memory = e == CL_MEM_OBJECT_ALLOCATION_FAILURE || e == CL_OUT_OF_RESOURCES || e == CL_OUT_OF_HOST_MEMORY ||
                  e == CL_INVALID_BUFFER_SIZE;
    return gm_fail(memory ? GM_ERROR_MEMORY : GM_ERROR_IO, "%s: %s failed: %s (%d)", d->label, what, opencl_reason(e),
                   (int)e);
}

/* Device number `number` over all platforms; how many there are, if there are fewer. */
static int opencl_find(int number, cl_device_id *id) {
    cl_platform_id platform[16];
    cl_uint platforms = 0, n = 0;
    int before = 0;
    if (opencl.clGetPlatformIDs(16, platform, &platforms) != CL_SUCCESS) return 0;
    for (cl_uint i = 0; i < platforms && i < 16; i++) {
        cl_device_id device[64];
        if (opencl.clGetDeviceIDs(platform[i], CL_DEVICE_TYPE_ALL, 64, device, &n) != CL_SUCCESS) continue;
        if (n > 64) n = 64;
        if (number < before + (int)n) return *id = device[number - before], number + 1;
        before += (int)n;
    }
    return before;
}

static bool opencl_config(cl_device_id id, cl_device_info what, cl_device_fp_config wanted) {
    cl_device_fp_config has = 0;
    return opencl.clGetDeviceInfo(id, what, sizeof has, &has, NULL) == CL_SUCCESS && (has & wanted) == wanted;
}

/* The contract (docs/numerics.md) needs these; doubles may be missing, then what needs them runs on the CPU. */
static bool opencl_look(gm__device *d, cl_device_id id) {
    const cl_device_fp_config basic = CL_FP_DENORM | CL_FP_INF_NAN | CL_FP_ROUND_TO_NEAREST | CL_FP_FMA;
    char name[128] = "";
    cl_bool little = CL_FALSE;
    cl_uint bits = 0;
    opencl.clGetDeviceInfo(id, CL_DEVICE_NAME, sizeof name - 1, name, NULL);
    opencl.clGetDeviceInfo(id, CL_DEVICE_ENDIAN_LITTLE, sizeof little, &little, NULL);
    opencl.clGetDeviceInfo(id, CL_DEVICE_ADDRESS_BITS, sizeof bits, &bits, NULL);
    snprintf(d->label, sizeof d->label, "opencl (%s)", name);
    if (!little) return gm_fail(GM_ERROR_UNSUPPORTED, "%s: it is big-endian", d->label);
    if (!opencl_config(id, CL_DEVICE_SINGLE_FP_CONFIG, basic | CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT))
        return gm_fail(GM_ERROR_UNSUPPORTED,
                       "%s: its floats are not exact: subnormals, fma, or correctly rounded division and roots are "
                       "missing",
                       d->label);
    d->target = gm__target_opencl;
    d->target.doubles = opencl_config(id, CL_DEVICE_DOUBLE_FP_CONFIG, basic);
    return true;
}

static void opencl_close(gm__device *d) {
    opencl_env *e = d->env;
    if (e->queue) opencl.clReleaseCommandQueue(e->queue);
    if (e->context) opencl.clReleaseContext(e->context);
    gm_free(e);
}

static bool opencl_start(gm__device *d, opencl_env *e) {
    cl_int error;
    e->context = opencl.clCreateContext(NULL, 1, &e->id, NULL, NULL, &error);
    if (!opencl_check(d, error, "making a context")) return false;
    e->queue = opencl.clCreateCommandQueue(e->context, e->id, 0, &error);
    return opencl_check(d, error, "making a queue");
}

static bool opencl_open(gm__device *d, int number) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    cl_device_id id = NULL;
    pthread_once(&once, opencl_load);
    if (!opencl.there)
        return gm_fail(GM_ERROR_UNSUPPORTED, "opencl: there is no libOpenCL.so.1 (Debian: ocl-icd-libopencl1, and a "
                                             "driver such as pocl-opencl-icd)");
    int found = opencl_find(number, &id);
    if (!found)
        return gm_fail(GM_ERROR_UNSUPPORTED, "opencl: no device is there: a driver is missing (Debian: "
                                             "pocl-opencl-icd runs on the CPU)");
    if (found <= number) return gm_fail(GM_ERROR_VALUE, "opencl: no device %d: there are %d", number, found);
    if (!opencl_look(d, id)) return false;
    opencl_env *e = d->env = gm_alloc(sizeof *e);
    if (!e) return false;
    e->id = id;
    return opencl_start(d, e);
}

/* ---- memory ---- */

static void *opencl_allocate(gm__device *d, int64_t bytes) {
    opencl_env *e = d->env;
    cl_int error;
    cl_mem m = opencl.clCreateBuffer(e->context, CL_MEM_READ_WRITE, (size_t)bytes, NULL, &error);
    if (error == CL_SUCCESS) return m;
    return gm_fail(GM_ERROR_MEMORY, "%s: no memory for %lld bytes: %s (%d)", d->label, (long long)bytes,
                   opencl_reason(error), (int)error),
           NULL;
}

static void opencl_free(gm__device *d, void *buffer) {
    (void)d;
    opencl.clReleaseMemObject(buffer);
}

static bool opencl_copy_in(gm__device *d, void *to, int64_t at, const void *from, int64_t bytes) {
    opencl_env *e = d->env;
    return opencl_check(d,
                        opencl.clEnqueueWriteBuffer(e->queue, to, CL_FALSE, (size_t)at, (size_t)bytes, from, 0, NULL,
                                                    NULL),
                        "copying in");
}

static bool opencl_copy_out(gm__device *d, void *to, void *from, int64_t at, int64_t bytes) {
    opencl_env *e = d->env;
    return opencl_check(d,
                        opencl.clEnqueueReadBuffer(e->queue, from, CL_FALSE, (size_t)at, (size_t)bytes, to, 0, NULL,
                                                   NULL),
                        "copying out");
}

static bool opencl_copy(gm__device *d, void *to, int64_t to_at, void *from, int64_t from_at, int64_t bytes) {
    opencl_env *e = d->env;
    return opencl_check(d,
                        opencl.clEnqueueCopyBuffer(e->queue, from, to, (size_t)from_at, (size_t)to_at, (size_t)bytes,
                                                   0, NULL, NULL),
                        "copying");
}

static bool opencl_wait(gm__device *d) {
    opencl_env *e = d->env;
    return opencl_check(d, opencl.clFinish(e->queue), "waiting");
}

/* ---- programs ---- */

/* Kernels belong to a program for its whole life. */
typedef struct opencl_kernel { cl_kernel kernel; struct opencl_kernel *next; char name[]; } opencl_kernel;
typedef struct { cl_program program; opencl_kernel *kernels; } opencl_program;

static void opencl_release(gm__device *d, void *program) {
    opencl_program *p = program;
    (void)d;
    for (opencl_kernel *k = p->kernels, *next; k; k = next) {
        next = k->next;
        opencl.clReleaseKernel(k->kernel);
        gm_free(k);
    }
    if (p->program) opencl.clReleaseProgram(p->program);
    gm_free(p);
}

static void opencl_say_why(gm__device *d, const opencl_program *p) {
    opencl_env *e = d->env;
    size_t n = 0;
    opencl.clGetProgramBuildInfo(p->program, e->id, CL_PROGRAM_BUILD_LOG, 0, NULL, &n);
    char *log = gm_alloc(n + 1);
    if (!log) return;
    opencl.clGetProgramBuildInfo(p->program, e->id, CL_PROGRAM_BUILD_LOG, n, log, NULL);
    gm_fail(GM_ERROR_UNSUPPORTED, "%s: a kernel was not built: %.600s", d->label, *log ? log : "no reason is given");
    gm_free(log);
}

/* Nothing that lets the compiler be less than exact; the option asks for it. */
static void *opencl_build(gm__device *d, const char *text) {
    opencl_env *e = d->env;
    opencl_program *p = gm_alloc(sizeof *p);
    cl_int error;
    if (!p) return NULL;
    p->program = opencl.clCreateProgramWithSource(e->context, 1, &text, NULL, &error);
    if (opencl_check(d, error, "making a program")) {
        if (opencl.clBuildProgram(p->program, 1, &e->id, "-cl-std=CL1.2 -cl-fp32-correctly-rounded-divide-sqrt", NULL,
                                  NULL) == CL_SUCCESS)
            return p;
        opencl_say_why(d, p);
    }
    opencl_release(d, p);
    return NULL;
}

static void *opencl_kernel_of(gm__device *d, void *program, const char *name) {
    opencl_program *p = program;
    cl_int error;
    opencl_kernel *k = gm_alloc(sizeof *k + strlen(name) + 1);
    if (!k) return NULL;
    memcpy(k->name, name, strlen(name) + 1);
    k->kernel = opencl.clCreateKernel(p->program, name, &error);
    if (!opencl_check(d, error, name)) return gm_free(k), NULL;
    k->next = p->kernels, p->kernels = k;
    return k;
}

static bool opencl_launch(gm__device *d, const gm__launch *l) {
    opencl_env *e = d->env;
    const opencl_kernel *k = l->kernel;
    const size_t size[2] = { (size_t)l->size[0], (size_t)l->size[1] };
    const size_t items[2] = { (size_t)(l->groups[0] * l->size[0]), (size_t)(l->groups[1] * l->size[1]) };
    for (int i = 0; i < l->n_arguments; i++) {
        const gm__argument *a = &l->argument[i];
        cl_mem buffer = a->buffer;
        cl_long number = a->number;
        const void *at = a->buffer ? (const void *)&buffer : &number;
        if (!opencl_check(d,
                          opencl.clSetKernelArg(k->kernel, (cl_uint)i, a->buffer ? sizeof buffer : sizeof number, at),
                          k->name))
            return false;
    }
    return opencl_check(d, opencl.clEnqueueNDRangeKernel(e->queue, k->kernel, 2, NULL, items, size, 0, NULL, NULL),
                        k->name);
}

#undef OPENCL_CALLS
#else

static bool opencl_open(gm__device *d, int number) {
    (void)d, (void)number;
    return gm_fail(GM_ERROR_UNSUPPORTED, "opencl: this build has no OpenCL: build with its headers (Debian: "
                                         "opencl-headers) and run with a driver (pocl-opencl-icd)");
}

#define opencl_close NULL
#define opencl_allocate NULL
#define opencl_free NULL
#define opencl_copy_in NULL
#define opencl_copy_out NULL
#define opencl_copy NULL
#define opencl_build NULL
#define opencl_release NULL
#define opencl_kernel_of NULL
#define opencl_launch NULL
#define opencl_wait NULL
#endif

const gm__device_kind gm__device_opencl = {
    .name = "opencl", .open = opencl_open, .close = opencl_close, .allocate = opencl_allocate, .free = opencl_free,
    .copy_in = opencl_copy_in, .copy_out = opencl_copy_out, .copy = opencl_copy, .build = opencl_build,
    .release = opencl_release, .kernel = opencl_kernel_of, .launch = opencl_launch, .wait = opencl_wait,
};
