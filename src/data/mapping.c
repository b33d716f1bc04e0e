/* mapping.c: functions of elements: map and filter.
 *
 * Mapping an item wraps it; the function runs when the item is made. A filter has to know the element to know whether
 * there is one, so it makes items as they are pulled. */
#include "../math/fp.h"
#include "../base/args.h"
#include "dataset.h"

/* ---- map ---- */

typedef struct {
    gm_map_fn fn;
    void *env;
    void (*free_env)(void *env);
    uint64_t seed;
} mapping_state;
typedef struct {
    gm__item item;
    gm__item *below;
    const mapping_state *m;
    gm__pass pass;
    int64_t index;
} mapping_item;
typedef struct {
    gm__stream s;
    gm__stream *below;
    const mapping_state *m;
    gm__pass pass;
    int64_t at;
} mapping_stream;

static int64_t mapping_count(const gm_dataset *d) { return gm__dataset_count(d->from[0]); }

static gm_pack *mapping_make(gm__item *item) {
    mapping_item *m = (mapping_item *)item;
    gm_scope s = gm_scope_open();
    gm_pack *element = m->below->make(m->below), *result = NULL;
    gm_dice dice = gm__dice_of(m->m->seed, m->pass, m->index);
    if (element && gm_ok()) result = m->m->fn(m->m->env, element, &dice);
    if (!result && gm_ok())
        gm_fail(GM_ERROR_CALLBACK, "dataset_map: the function returned NULL for element %lld of epoch %lld",
                (long long)m->index, (long long)m->pass.epoch);
    return gm_return(&s, gm_ok() ? result : NULL);
}

static void mapping_drop(gm__item *item) {
    gm__item_drop(((mapping_item *)item)->below);
    gm_free(item);
}

static gm__item *mapping_wrap(gm__item *below, const mapping_state *state, gm__pass pass, int64_t index) {
    mapping_item *m = below ? gm_alloc(sizeof *m) : NULL;
    if (!m) return gm__item_drop(below), NULL;
    *m = (mapping_item){ { mapping_make, mapping_drop }, below, state, pass, index };
    return &m->item;
}

static gm__item *mapping_item_at(gm_dataset *d, gm__pass pass, int64_t index) {
    return mapping_wrap(gm__item_at(d->from[0], pass, index), d->state, pass, index);
}

static gm__item *mapping_next(gm__stream *stream) {
    mapping_stream *s = (mapping_stream *)stream;
    return mapping_wrap(gm__stream_next(s->below), s->m, s->pass, s->at++);
}

static void mapping_close(gm__stream *stream) {
    gm__stream_close(((mapping_stream *)stream)->below);
    gm_free(stream);
}

static gm__stream *mapping_open(gm_dataset *d, gm__pass pass) {
    gm__stream *below = gm__stream_open(d->from[0], pass);
    mapping_stream *s = below ? gm_alloc(sizeof *s) : NULL;
    if (!s) return gm__stream_close(below), NULL;
    *s = (mapping_stream){ { mapping_next, mapping_close }, below, d->state, pass, 0 };
    return &s->s;
}

static void mapping_free(gm_dataset *d) {
    mapping_state *m = d->state;
    if (m->free_env) m->free_env(m->env);
}

static const gm__dataset_class mapping_class = {
    .name = "map",
    .count = mapping_count,
    .item = mapping_item_at,
    .open = mapping_open,
    .free = mapping_free,
};

gm_dataset *gm_dataset_map_with(gm_dataset *d, gm_map_fn fn, const gm_dataset_map_args *args) {
    gm_dataset_map_args a = { 0 };
    bool ok = gm_ok() && gm__args_take("dataset_map", &a, sizeof a, args);
    if (ok && !fn) ok = gm_fail(GM_ERROR_VALUE, "dataset_map: the function is NULL");
    gm_dataset *m = ok ? gm__dataset_new(&mapping_class, "dataset_map", &d, 1, sizeof(mapping_state)) : NULL;
    if (m) *(mapping_state *)m->state = (mapping_state){ fn, a.env, a.free_env, a.seed };
    else if (args && args->free_env) args->free_env(args->env);
    return m;
}

/* ---- filter ---- */

typedef struct {
    gm_filter_fn fn;
    void *env;
    void (*free_env)(void *env);
} filter_state;
typedef struct {
    gm__stream s;
    gm__stream *below;
    const filter_state *f;
} filter_stream;

static int64_t filter_count(const gm_dataset *d) {
    (void)d;
    return GM__UNKNOWN;
}

/* Sets *end where there are no more elements; NULL else means: not this one. */
static gm__item *filter_try(filter_stream *f, bool *end) {
    GM_SCOPE(s);
    gm_pack *p = gm__item_take(gm__stream_next(f->below));
    *end = !p || !gm_ok();
    bool wanted = !*end && f->f->fn(f->f->env, p);
    return wanted && gm_ok() ? gm__item_of(p) : NULL;
}

static gm__item *filter_next(gm__stream *stream) {
    bool end = false;
    gm__item *item = NULL;
    while (!item && !end && gm_ok()) item = filter_try((filter_stream *)stream, &end);
    return item;
}

static void filter_close(gm__stream *stream) {
    gm__stream_close(((filter_stream *)stream)->below);
    gm_free(stream);
}

static gm__stream *filter_open(gm_dataset *d, gm__pass pass) {
    gm__stream *below = gm__stream_open(d->from[0], pass);
    filter_stream *s = below ? gm_alloc(sizeof *s) : NULL;
    if (!s) return gm__stream_close(below), NULL;
    *s = (filter_stream){ { filter_next, filter_close }, below, d->state };
    return &s->s;
}

static void filter_free(gm_dataset *d) {
    filter_state *f = d->state;
    if (f->free_env) f->free_env(f->env);
}

static const gm__dataset_class filter_class = {
    .name = "filter",
    .count = filter_count,
    .open = filter_open,
    .free = filter_free,
};

gm_dataset *gm_dataset_filter_with(gm_dataset *d, gm_filter_fn fn, const gm_dataset_filter_args *args) {
    gm_dataset_filter_args a = { 0 };
    bool ok = gm_ok() && gm__args_take("dataset_filter", &a, sizeof a, args);
    if (ok && !fn) ok = gm_fail(GM_ERROR_VALUE, "dataset_filter: the function is NULL");
    gm_dataset *f = ok ? gm__dataset_new(&filter_class, "dataset_filter", &d, 1, sizeof(filter_state)) : NULL;
    if (f) *(filter_state *)f->state = (filter_state){ fn, a.env, a.free_env };
    else if (args && args->free_env) args->free_env(args->env);
    return f;
}
