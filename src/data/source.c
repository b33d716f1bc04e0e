/* source.c: data sets that begin a pipeline: tensors in memory, callbacks, generators. */
#include "../math/fp.h"
#include "dataset.h"
#include "gemel/ops.h"

/* ---- tensors ---- */

typedef struct {
    gm_pack *tensors;
    int64_t n;
} source_tensors;
typedef struct {
    gm__item item;
    const source_tensors *from;
    int64_t index;
} source_row;

static int64_t source_tensors_count(const gm_dataset *d) { return ((const source_tensors *)d->state)->n; }
static void source_tensors_free(gm_dataset *d) { gm_release(((source_tensors *)d->state)->tensors); }

static gm_pack *source_select(const gm_pack *from, int64_t index) {
    gm_pack *to = gm_pack_new();
    int64_t n = gm_pack_count(from);
    for (int64_t i = 0; gm_ok() && i < n; i++) {
        gm_tensor *t = gm_pack_at(from, i);
        if (t) gm_pack_set(to, gm_pack_name(from, i), gm_select(t, 0, index));
        else gm_pack_set_pack(to, gm_pack_name(from, i), source_select(gm_pack_child(from, i), index));
    }
    return to;
}

static gm_pack *source_row_make(gm__item *item) {
    source_row *r = (source_row *)item;
    gm_scope s = gm_scope_open();
    return gm_return(&s, source_select(r->from->tensors, r->index));
}

static void source_row_drop(gm__item *item) { gm_free(item); }

static gm__item *source_tensors_item(gm_dataset *d, gm__pass pass, int64_t index) {
    (void)pass;
    source_row *r = gm_alloc(sizeof *r);
    if (!r) return NULL;
    *r = (source_row){ { source_row_make, source_row_drop }, d->state, index };
    return &r->item;
}

static const gm__dataset_class source_tensors_class = {
    .name = "tensors",
    .count = source_tensors_count,
    .item = source_tensors_item,
    .free = source_tensors_free,
};

gm_pack *gm__dataset_tensors(const gm_dataset *d) {
    return d->class == &source_tensors_class ? ((const source_tensors *)d->state)->tensors : NULL;
}

/* The tensors of `from`, made row-major, into `to`; all of one size in dimension 0, which is *n (-1: none yet). */
static bool source_take(const gm_pack *from, gm_pack *to, int64_t *n) {
    int64_t entries = gm_pack_count(from);
    for (int64_t i = 0; gm_ok() && i < entries; i++) {
        const char *name = gm_pack_name(from, i);
        gm_tensor *t = gm_pack_at(from, i);
        if (!t) {
            gm_pack *child = gm_pack_new();
            if (!source_take(gm_pack_child(from, i), child, n)) return false;
            gm_pack_set_pack(to, name, child);
            continue;
        }
        char shape[400];
        gm_shape_text(gm_shape_of(t), shape, sizeof shape);
        if (gm_n_dims(t) < 1) return gm_fail(GM_ERROR_SHAPE, "dataset_of: %s is a scalar, [N, ...] is needed", name);
        if (*n < 0) *n = gm_size(t, 0);
        if (gm_size(t, 0) != *n)
            return gm_fail(GM_ERROR_SHAPE,
                           "dataset_of: %s is %s, the same number of examples in dimension 0 as the "
                           "entries before it is needed, %lld",
                           name, shape, (long long)*n);
        gm_pack_set(to, name, gm_contiguous(t));
    }
    return gm_ok();
}

gm_dataset *gm_dataset_of_pack(gm_pack *tensors) {
    if (!gm_ok()) return NULL;
    gm_scope s = gm_scope_open();
    gm_pack *own = gm_pack_new();
    int64_t n = -1;
    if (source_take(tensors, own, &n) && n < 0) gm_fail(GM_ERROR_SHAPE, "dataset_of: the pack has no tensors");
    gm_dataset *d =
        gm_ok() ? gm__dataset_new(&source_tensors_class, "dataset_of", NULL, 0, sizeof(source_tensors)) : NULL;
    if (d) *(source_tensors *)d->state = (source_tensors){ gm_retain(own), n };
    return gm_return(&s, d);
}

gm_dataset *gm_dataset_of(gm_tensor *x, gm_tensor *y) {
    if (!gm_ok()) return NULL;
    gm_scope s = gm_scope_open();
    return gm_return(&s, gm_dataset_of_pack(GM_PACK({ "x", x, NULL }, { "y", y, NULL })));
}

/* ---- callbacks ---- */

typedef struct {
    gm_count_fn count;
    gm_get_fn get;
    void *env;
    void (*free_env)(void *env);
} source_custom;
typedef struct {
    gm__item item;
    const source_custom *from;
    int64_t index;
} source_called;

static int64_t source_custom_count(const gm_dataset *d) {
    const source_custom *c = d->state;
    int64_t n = c->count(c->env);
    if (n < 0 && gm_ok()) gm_fail(GM_ERROR_CALLBACK, "dataset_custom: the count is %lld", (long long)n);
    return gm_ok() ? n : GM__UNKNOWN;
}

static gm_pack *source_called_make(gm__item *item) {
    source_called *c = (source_called *)item;
    gm_scope s = gm_scope_open();
    gm_pack *p = c->from->get(c->from->env, c->index);
    if (!p && gm_ok())
        gm_fail(GM_ERROR_CALLBACK, "dataset_custom: no element %lld: the function returned NULL", (long long)c->index);
    return gm_return(&s, gm_ok() ? p : NULL);
}

static gm__item *source_custom_item(gm_dataset *d, gm__pass pass, int64_t index) {
    (void)pass;
    source_called *c = gm_alloc(sizeof *c);
    if (!c) return NULL;
    *c = (source_called){ { source_called_make, source_row_drop }, d->state, index };
    return &c->item;
}

static void source_custom_free(gm_dataset *d) {
    source_custom *c = d->state;
    if (c->free_env) c->free_env(c->env);
}

static const gm__dataset_class source_custom_class = {
    .name = "custom",
    .count = source_custom_count,
    .item = source_custom_item,
    .free = source_custom_free,
};

gm_dataset *gm_dataset_custom(gm_count_fn count, gm_get_fn get, void *env, void (*free_env)(void *env)) {
    if (gm_ok() && (!count || !get))
        gm_fail(GM_ERROR_VALUE, "dataset_custom: the function %s is NULL", get ? "count" : "get");
    gm_dataset *d =
        gm_ok() ? gm__dataset_new(&source_custom_class, "dataset_custom", NULL, 0, sizeof(source_custom)) : NULL;
    if (d) *(source_custom *)d->state = (source_custom){ count, get, env, free_env };
    else if (free_env) free_env(env);
    return d;
}

/* ---- generators ---- */

typedef struct {
    gm__stream s;
    const gm_generator *g;
    void *state;
    int64_t at;
} source_generated;

static int64_t source_generator_count(const gm_dataset *d) {
    (void)d;
    return GM__UNKNOWN;
}

static gm__item *source_generated_next(gm__stream *stream) {
    source_generated *g = (source_generated *)stream;
    GM_SCOPE(s);
    gm_pack *p = g->g->next(g->state);
    return gm_ok() ? gm__item_of(p) : NULL;
}

static void source_generated_close(gm__stream *stream) {
    source_generated *g = (source_generated *)stream;
    if (g->g->close) g->g->close(g->state);
    gm_free(g);
}

static gm__stream *source_generator_open(gm_dataset *d, gm__pass pass) {
    const gm_generator *g = d->state;
    source_generated *s = gm_alloc(sizeof *s);
    if (!s) return NULL;
    void *state = g->open(g->env, pass.epoch);
    if (!state && gm_ok())
        gm_fail(GM_ERROR_CALLBACK, "dataset_generator: open returned NULL for epoch %lld", (long long)pass.epoch);
    if (!gm_ok()) {
        if (state && g->close) g->close(state);
        gm_free(s);
        return NULL;
    }
    *s = (source_generated){ { source_generated_next, source_generated_close }, g, state, 0 };
    return &s->s;
}

static void source_generator_free(gm_dataset *d) {
    gm_generator *g = d->state;
    if (g->free_env) g->free_env(g->env);
}

static const gm__dataset_class source_generator_class = {
    .name = "generator",
    .count = source_generator_count,
    .open = source_generator_open,
    .free = source_generator_free,
};

gm_dataset *gm_dataset_generator(const gm_generator *g) {
    if (gm_ok() && (!g || !g->open || !g->next)) gm_fail(GM_ERROR_VALUE, "dataset_generator: open and next are needed");
    gm_dataset *d = gm_ok() ? gm__dataset_new(&source_generator_class, "dataset_generator", NULL, 0, sizeof *g) : NULL;
    if (d) *(gm_generator *)d->state = *g;
    else if (g && g->free_env) g->free_env(g->env);
    return d;
}
