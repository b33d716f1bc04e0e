/* null.c: a device that computes nothing: memory is counted, and what comes out is zeros.
 *
 * It is for tests of the compiler: programs are planned, emitted and run through, and whatever a real device could trip
 * over is checked here, where it costs nothing: that a buffer is alive and every place in it, that a kernel stands in
 * the text, that a launch has items. */
#include "../math/fp.h"
#include "device.h"

#include <stdio.h>
#include <string.h>

typedef struct { int64_t bytes; } null_buffer;
typedef struct null_kernel { struct null_kernel *next; char name[]; } null_kernel;
typedef struct { char *text; null_kernel *kernels; } null_program;

static bool null_open(gm__device *d, int number) {
    if (number) return gm_fail(GM_ERROR_VALUE, "null: there is one null device, no number %d", number);
    d->target = gm__target_opencl;
    d->env = gm_alloc(1);
    return d->env != NULL;
}

static void null_close(gm__device *d) { gm_free(d->env); }

static void *null_allocate(gm__device *d, int64_t bytes) {
    null_buffer *b = bytes > 0 ? gm_alloc(sizeof *b) : NULL;
    if (b) b->bytes = bytes;
    else if (gm_ok()) gm_fail(GM_ERROR_INTERNAL, "%s: %lld bytes asked for", d->label, (long long)bytes);
    return b;
}

static void null_free(gm__device *d, void *buffer) {
    (void)d;
    gm_free(buffer);
}

static bool null_inside(const gm__device *d, const null_buffer *b, int64_t at, int64_t bytes) {
    if (b && at >= 0 && bytes >= 0 && at <= b->bytes && bytes <= b->bytes - at) return true;
    return gm_fail(GM_ERROR_INTERNAL, "%s: bytes %lld to %lld of a buffer of %lld", d->label, (long long)at,
                   (long long)(at + bytes), b ? (long long)b->bytes : 0);
}

static bool null_copy_in(gm__device *d, void *to, int64_t at, const void *from, int64_t bytes) {
    (void)from;
    return null_inside(d, to, at, bytes);
}

static bool null_copy_out(gm__device *d, void *to, void *from, int64_t at, int64_t bytes) {
    if (!null_inside(d, from, at, bytes)) return false;
    memset(to, 0, (size_t)bytes);
    return true;
}

static bool null_copy(gm__device *d, void *to, int64_t to_at, void *from, int64_t from_at, int64_t bytes) {
    return null_inside(d, to, to_at, bytes) && null_inside(d, from, from_at, bytes);
}

static void *null_build(gm__device *d, const char *text) {
    (void)d;
    null_program *p = gm_alloc(sizeof *p);
    if (p) p->text = gm_strdup(text);
    return p && p->text ? p : (gm_free(p), NULL);
}

static void null_release(gm__device *d, void *program) {
    null_program *p = program;
    (void)d;
    for (null_kernel *k = p->kernels, *next; k; k = next) {
        next = k->next;
        gm_free(k);
    }
    gm_free(p->text);
    gm_free(p);
}

static void *null_kernel_of(gm__device *d, void *program, const char *name) {
    null_program *p = program;
    char call[128], of_type[128]; /* K(name)( where the text is for a type */
    size_t n = strlen(name);
    snprintf(call, sizeof call, " %.100s(", name);
    snprintf(of_type, sizeof of_type, " K(%.*s)(", (int)(n > 4 && n < 100 ? n - 4 : 0), name);
    if (!strstr(p->text, call) && !strstr(p->text, of_type))
        return gm_fail(GM_ERROR_INTERNAL, "%s: no kernel %s in the text", d->label, name), NULL;
    null_kernel *k = gm_alloc(sizeof *k + strlen(name) + 1);
    if (!k) return NULL;
    memcpy(k->name, name, strlen(name) + 1);
    k->next = p->kernels, p->kernels = k;
    return k;
}

static bool null_launch(gm__device *d, const gm__launch *l) {
    const null_kernel *k = l->kernel;
    for (int i = 0; i < 2; i++)
        if (l->groups[i] < 1 || l->size[i] < 1)
            return gm_fail(GM_ERROR_INTERNAL, "%s: %s with %lld groups of %lld items", d->label, k->name,
                           (long long)l->groups[i], (long long)l->size[i]);
    for (int i = 0; i < l->n_arguments; i++)
        if (l->argument[i].buffer && !null_inside(d, l->argument[i].buffer, 0, 1)) return false;
    return true;
}

static bool null_wait(gm__device *d) {
    (void)d;
    return true;
}

const gm__device_kind gm__device_null = {
    .name = "null", .open = null_open, .close = null_close, .allocate = null_allocate, .free = null_free,
    .copy_in = null_copy_in, .copy_out = null_copy_out, .copy = null_copy, .build = null_build,
    .release = null_release, .kernel = null_kernel_of, .launch = null_launch, .wait = null_wait, .blank = true,
};
