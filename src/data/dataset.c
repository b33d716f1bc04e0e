/* dataset.c: nodes, streams and items, and what is known of a data set. */
#include "../math/fp.h"
#include "dataset.h"
#include "gemel/ops.h"

#include <stdlib.h>

/* ---- nodes ---- */

static void dataset_destroy(void *object) {
    gm_dataset *d = object;
    if (d->class->free) d->class->free(d);
    for (int i = 0; i < d->n_from; i++) gm_release(d->from[i]);
    gm_free(d->from);
    gm_free(d->state);
    gm_release(d->classes);
}

const gm_type gm__dataset_type = { "dataset", sizeof(gm_dataset), dataset_destroy };

bool gm__dataset_check(const gm_dataset *d, const char *op, int argument) {
    return gm_ok() && gm_check_object(d, &gm__dataset_type, op, argument);
}

static bool dataset_link(gm_dataset *d, gm_dataset *const *from, int n) {
    d->from = n ? gm_alloc((size_t)n * sizeof *d->from) : NULL;
    if (n && !d->from) return false;
    d->indexable = d->class->item != NULL;
    for (; d->n_from < n; d->n_from++) {
        gm_dataset *below = from[d->n_from];
        d->from[d->n_from] = gm_retain(below);
        d->indexable &= below->indexable;
        d->batched |= below->batched;
    }
    if (!n) return true;
    d->classes = gm_retain(from[0]->classes), d->mean = from[0]->mean, d->std = from[0]->std;
    return true;
}

gm_dataset *gm__dataset_new(const gm__dataset_class *class, const char *op, gm_dataset *const *from, int n,
                            size_t state_bytes) {
    for (int i = 0; i < n; i++)
        if (!gm__dataset_check(from[i], op, i + 1)) return NULL;
    gm_scope s = gm_scope_open();
    gm_dataset *d = gm_object_new(&gm__dataset_type);
    if (!d) return gm_return(&s, NULL);
    static const gm__dataset_class none = { .name = "none" };
    d->class = &none; /* until it has a state */
    d->std = 1;
    d->state = gm_alloc(state_bytes ? state_bytes : 1);
    if (!d->state) return gm_return(&s, NULL);
    d->class = class;
    if (!dataset_link(d, from, n)) d->class = &none, d = NULL;
    return gm_return(&s, d);
}

/* ---- items ---- */

gm_pack *gm__item_take(gm__item *item) {
    gm_pack *p = item && gm_ok() ? item->make(item) : NULL;
    gm__item_drop(item);
    return p;
}

typedef struct {
    gm__item item;
    gm_pack *pack;
} dataset_ready;

static gm_pack *dataset_ready_make(gm__item *item) {
    gm_scope s = gm_scope_open();
    return gm_return(&s, ((dataset_ready *)item)->pack);
}

static void dataset_ready_drop(gm__item *item) {
    gm_release(((dataset_ready *)item)->pack);
    gm_free(item);
}

gm__item *gm__item_of(gm_pack *pack) {
    dataset_ready *r = pack ? gm_alloc(sizeof *r) : NULL;
    if (!r) return NULL;
    *r = (dataset_ready){ { dataset_ready_make, dataset_ready_drop }, gm_retain(pack) };
    return &r->item;
}

/* ---- streams ---- */

/* One item after the other of an indexable node. */
typedef struct {
    gm__stream s;
    gm_dataset *d;
    gm__pass pass;
    int64_t at, n;
} dataset_walk;

static gm__item *dataset_walk_next(gm__stream *s) {
    dataset_walk *w = (dataset_walk *)s;
    return w->at < w->n ? gm__item_at(w->d, w->pass, w->at++) : NULL;
}

static void dataset_walk_close(gm__stream *s) { gm_free(s); }

gm__stream *gm__stream_open(gm_dataset *d, gm__pass pass) {
    if (!gm_ok()) return NULL;
    if (d->class->open && !(d->class->item && d->indexable)) return d->class->open(d, pass);
    int64_t n = gm__dataset_count(d);
    dataset_walk *w = gm_ok() ? gm_alloc(sizeof *w) : NULL;
    if (!w) return NULL;
    *w = (dataset_walk){ { dataset_walk_next, dataset_walk_close }, d, pass, 0, n };
    return &w->s;
}

void gm__stream_close(gm__stream *s) {
    if (s) s->close(s);
}

/* ---- what is known ---- */

int64_t gm__dataset_count(const gm_dataset *d) { return gm_ok() ? d->class->count(d) : GM__UNKNOWN; }

int64_t gm_dataset_count(const gm_dataset *d) {
    return gm__dataset_check(d, "dataset_count", 1) ? gm__dataset_count(d) : GM__UNKNOWN;
}

static gm_pack *dataset_get_by_walking(gm_dataset *d, gm__pass pass, int64_t index) {
    gm__stream *s = gm__stream_open(d, pass);
    gm__item *item = s ? gm__stream_next(s) : NULL;
    int64_t at = 0;
    for (; item && at < index; at++) {
        gm__item_drop(item);
        item = gm__stream_next(s);
    }
    if (!item && gm_ok()) gm_fail(GM_ERROR_INDEX, "dataset_get: element %lld of %lld", (long long)index, (long long)at);
    gm_pack *p = gm__item_take(item);
    gm__stream_close(s);
    return p;
}

gm_pack *gm_dataset_get(gm_dataset *d, int64_t epoch, int64_t index) {
    if (!gm__dataset_check(d, "dataset_get", 1)) return NULL;
    if (index < 0) return gm_fail(GM_ERROR_INDEX, "dataset_get: element %lld", (long long)index), NULL;
    gm_scope s = gm_scope_open();
    gm__pass pass = { epoch, 0 };
    if (!d->indexable) return gm_return(&s, dataset_get_by_walking(d, pass, index));
    int64_t n = gm__dataset_count(d);
    if (gm_ok() && index >= n)
        gm_fail(GM_ERROR_INDEX, "dataset_get: element %lld of %lld", (long long)index, (long long)n);
    return gm_return(&s, gm_ok() ? gm__item_take(gm__item_at(d, pass, index)) : NULL);
}

static gm_tensor *dataset_entry(const gm_dataset *d, const char *op, const char *name) {
    if (!gm__dataset_check(d, op, 1)) return NULL;
    gm_pack *p = gm__dataset_tensors(d);
    if (p) return gm_get(p, name);
    return gm_fail(GM_ERROR_STATE, "%s: the examples are not in one tensor (a %s data set)", op, d->class->name), NULL;
}

gm_tensor *gm_dataset_x(const gm_dataset *d) { return dataset_entry(d, "dataset_x", "x"); }
gm_tensor *gm_dataset_y(const gm_dataset *d) { return dataset_entry(d, "dataset_y", "y"); }

gm_shape gm_dataset_shape(const gm_dataset *d) {
    gm_shape one = { 0 };
    if (!gm__dataset_check(d, "dataset_shape", 1)) return one;
    gm_scope s = gm_scope_open();
    gm_pack *tensors = gm__dataset_tensors(d);
    if (tensors) {
        gm_shape whole = gm_shape_of(gm_get(tensors, "x"));
        one.n = whole.n - 1;
        for (int i = 0; i < one.n; i++) one.d[i] = whole.d[i + 1];
    } else one = gm_shape_of(gm_get(gm_dataset_get((gm_dataset *)(uintptr_t)d, 0, 0), "x"));
    gm_scope_close(&s);
    return one;
}

/* ---- classes and scaling ---- */

int32_t gm_n_classes(const gm_dataset *d) {
    if (!gm__dataset_check(d, "n_classes", 1)) return -1;
    return d->classes ? (int32_t)gm_count(d->classes) : 0;
}

const char *gm_class_name(const gm_dataset *d, int32_t index) {
    if (!gm__dataset_check(d, "class_name", 1)) return NULL;
    int32_t n = gm_n_classes(d);
    if (index >= 0 && index < n) return gm_string_at(d->classes, index);
    return gm_fail(GM_ERROR_INDEX, "class_name: class %d of %d", index, n), NULL;
}

gm_tensor *gm_dataset_classes(const gm_dataset *d) {
    if (!gm__dataset_check(d, "dataset_classes", 1)) return NULL;
    if (!d->classes) return gm_fail(GM_ERROR_STATE, "dataset_classes: the data set has no classes"), NULL;
    return d->classes;
}

bool gm_dataset_set_classes(gm_dataset *d, gm_tensor *names) {
    if (!gm__dataset_check(d, "dataset_set_classes", 1)) return false;
    gm_dtype dtype = gm_dtype_of(names);
    if (gm_ok() && (dtype != GM_STRING || gm_n_dims(names) != 1 || gm_count(names) > INT32_MAX))
        gm_fail(GM_ERROR_DTYPE, "dataset_set_classes: names are strings [C], given is %s", gm_dtype_name(dtype));
    gm_tensor *own = gm_contiguous(names);
    if (gm_ok()) gm_set(&d->classes, own);
    return gm_ok();
}

void gm_dataset_scaling(const gm_dataset *d, double *mean, double *std) {
    bool ok = gm__dataset_check(d, "dataset_scaling", 1);
    *mean = ok ? d->mean : 0, *std = ok ? d->std : 1;
}

bool gm_dataset_set_scaling(gm_dataset *d, double mean, double std) {
    if (!gm__dataset_check(d, "dataset_set_scaling", 1)) return false;
    if (!(std > 0) || mean != mean) return gm_fail(GM_ERROR_VALUE, "dataset_set_scaling: mean %g, std %g", mean, std);
    d->mean = mean, d->std = std;
    return true;
}

void gm__pixel_table(double mean, double std, float *table) {
    for (int i = 0; i < 256; i++) {
        double pixel = i / 255.0 - mean;
        table[i] = (float)(pixel / std);
    }
}

gm_tensor *gm_scale_pixels(gm_tensor *pixels, double mean, double std) {
    if (!gm_ok()) return NULL;
    if (gm_dtype_of(pixels) != GM_U8) return gm_fail(GM_ERROR_DTYPE, "scale_pixels: pixels are u8"), NULL;
    float table[256];
    gm__pixel_table(mean, std, table);
    gm_scope s = gm_scope_open();
    const uint8_t *from = gm_data(gm_contiguous(pixels));
    gm_tensor *y = gm_empty(gm_shape_of(pixels), GM_F32);
    float *to = y ? gm_mutable_data(y) : NULL;
    for (int64_t i = 0, n = to && from ? gm_count(y) : 0; i < n; i++) to[i] = table[from[i]];
    return gm_return(&s, y);
}

/* ---- going through ---- */

typedef struct {
    gm_dataset *d;
    gm__stream *stream;
    gm_scope scope;
    bool open;
} dataset_visit;

gm_element gm_element_first(gm_dataset *d, int64_t epoch) {
    gm_element at = { .index = -1, .epoch = epoch };
    if (!gm__dataset_check(d, "element_first", 1)) return at;
    dataset_visit *v = gm_alloc(sizeof *v);
    if (!v) return at;
    at.impl = v;
    v->d = gm_retain(d);
    v->stream = gm__stream_open(d, (gm__pass){ epoch, 0 });
    if (!v->stream) gm_element_done(&at);
    return at;
}

bool gm_element_next(gm_element *at) {
    dataset_visit *v = at->impl;
    if (!v) return false;
    if (v->open) gm_scope_close(&v->scope);
    v->open = false;
    at->e = NULL;
    gm__item *item = gm__stream_next(v->stream);
    if (!item) return false;
    v->scope = gm_scope_open();
    v->open = true;
    at->e = gm__item_take(item);
    at->index++;
    return gm_ok();
}

void gm_element_done(gm_element *at) {
    dataset_visit *v = at->impl;
    if (!v) return;
    if (v->open) gm_scope_close(&v->scope);
    gm__stream_close(v->stream);
    gm_release(v->d);
    gm_free(v);
    at->impl = NULL;
    at->e = NULL;
}
