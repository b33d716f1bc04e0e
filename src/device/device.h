/* device.h: what a device other than the CPU offers, as a table that its file fills in.
 *
 * An open device is one queue: what is asked of it happens in that order, but need not have happened when the call
 * returns. So memory that a copy reads or writes on the host has to stay until `wait`, and an error may be told by a
 * later call. Nothing here says how a device keeps memory: a buffer is a handle, and a place in it bytes from its
 * beginning. Every function that fails reports an error that names the device. */
#ifndef GM_DEVICE_DEVICE_H
#define GM_DEVICE_DEVICE_H

#include "../compile/target.h"
#include "gemel/extend.h"

typedef struct gm__device gm__device;

/* An argument of a kernel: a buffer, or a whole number. */
typedef struct { void *buffer; int64_t number; } gm__argument;

/* A run of a kernel: groups of items in two dimensions, items of a group in each. */
typedef struct {
    void *kernel;
    int64_t groups[2], size[2];
    const gm__argument *argument;
    int32_t n_arguments, reserved;
} gm__launch;

typedef struct {
    const char *name;
    /* Device number `number` of its kind: fills in label, target and env. */
    bool (*open)(gm__device *d, int number);
    void (*close)(gm__device *d);
    void *(*allocate)(gm__device *d, int64_t bytes);
    void (*free)(gm__device *d, void *buffer);
    bool (*copy_in)(gm__device *d, void *to, int64_t at, const void *from, int64_t bytes);
    bool (*copy_out)(gm__device *d, void *to, void *from, int64_t at, int64_t bytes);
    bool (*copy)(gm__device *d, void *to, int64_t to_at, void *from, int64_t from_at, int64_t bytes);
    /* A program from text, which is there until release. An error has the first lines that the compiler printed. */
    void *(*build)(gm__device *d, const char *text);
    void (*release)(gm__device *d, void *program);
    /* A kernel of the program, which it belongs to. */
    void *(*kernel)(gm__device *d, void *program, const char *name);
    bool (*launch)(gm__device *d, const gm__launch *l);
    /* Until all that was asked for has happened. */
    bool (*wait)(gm__device *d);
    bool blank; /* it computes nothing: what would run on the CPU in between is left out, too */
} gm__device_kind;

struct gm__device {
    gm_object o;
    const gm__device_kind *kind;
    char label[160];   /* "opencl (name of the device)": for messages */
    gm__target target; /* what it builds */
    void *env;
};

extern const gm__device_kind gm__device_null, gm__device_opencl;

/* Opens "null", "opencl" or "opencl:N". Owned by the scope. Errors: VALUE for a name that there is none of;
 * UNSUPPORTED. */
gm__device *gm__device_open(const char *name);
gm__device *gm__device_open_kind(const gm__device_kind *kind, int number);

#endif
