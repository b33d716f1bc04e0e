/* batching.c: n elements as one. Pulling a batch pulls its elements; making it makes and stacks them. */
#include "../math/fp.h"
#include "../base/args.h"
#include "dataset.h"
#include "gemel/ops.h"

#include <stdio.h>
#include <string.h>

typedef struct {
    int64_t n;
    gm_dataset_batch_args args;
} batching_state;
typedef struct {
    gm__item item;
    const batching_state *state;
    int64_t n;
    gm__item *below[];
} batching_item;
typedef struct {
    gm__stream s;
    const batching_state *state;
    gm__stream *below;
    int64_t room;
} batching_stream;

/* ---- stacking ---- */

/* Tensors of an entry called `name`, one of each element. */
typedef struct {
    const char *name;
    gm_tensor **t;
    int64_t n;
    const batching_state *state;
    gm_pack *out;
} batching_entry;

static bool batching_differs(const batching_entry *e, int64_t i) {
    char a[400], b[400];
    gm_shape_text(gm_shape_of(e->t[0]), a, sizeof a);
    gm_shape_text(gm_shape_of(e->t[i]), b, sizeof b);
    return gm_fail(GM_ERROR_SHAPE,
                   "dataset_batch: entry \"%s\" is %s %s in the first element of the batch and %s %s in "
                   "element %lld%s",
                   e->name, gm_dtype_name(gm_dtype_of(e->t[0])), a, gm_dtype_name(gm_dtype_of(e->t[i])), b,
                   (long long)i, e->state->args.pad.set ? "" : " (.pad extends the smaller ones)");
}

/* The largest size of each dimension; *ragged if they are not all the same. */
static bool batching_measure(const batching_entry *e, gm_shape *most, bool *ragged) {
    *most = gm_shape_of(e->t[0]);
    *ragged = false;
    for (int64_t i = 1; i < e->n; i++) {
        gm_shape shape = gm_shape_of(e->t[i]);
        if (shape.n != most->n || gm_dtype_of(e->t[i]) != gm_dtype_of(e->t[0])) return batching_differs(e, i);
        if (gm_shape_equal(shape, *most)) continue;
        if (!e->state->args.pad.set) return batching_differs(e, i);
        *ragged = true;
        for (int k = 0; k < shape.n; k++)
            if (shape.d[k] > most->d[k]) most->d[k] = shape.d[k];
    }
    if (most->n == GM_MAX_DIMS)
        return gm_fail(GM_ERROR_SHAPE, "dataset_batch: entry \"%s\" has %d dimensions", e->name, most->n);
    return gm_ok();
}

static gm_shape batching_with(int64_t n, gm_shape one) {
    gm_shape whole = { one.n + 1, { 0 }, { n } };
    for (int k = 0; k < one.n; k++) whole.d[k + 1] = one.d[k];
    return whole;
}

/* Rows of `from` (of shape `small`) to where they lie in a tensor of shape `large`. */
static void batching_place(const char *from, gm_shape small, char *to, gm_shape large, size_t bytes) {
    int64_t row = small.n ? small.d[small.n - 1] : 1, rows = row ? gm_shape_count(small) / row : 0;
    for (int64_t r = 0; r < rows; r++, from += (size_t)row * bytes) {
        int64_t rest = r, at = 0, step = small.n ? large.d[small.n - 1] : 1;
        for (int k = small.n - 2; k >= 0; k--) {
            at += rest % small.d[k] * step;
            rest /= small.d[k], step *= large.d[k];
        }
        memcpy(to + (size_t)at * bytes, from, (size_t)row * bytes);
    }
}

static gm_tensor *batching_tensor(const batching_entry *e, gm_shape most, bool ragged) {
    gm_dtype dtype = gm_dtype_of(e->t[0]);
    size_t bytes = (size_t)gm_dtype_bits(dtype) / 8, one = (size_t)gm_shape_count(most) * bytes;
    gm_shape whole = batching_with(e->n, most);
    if (!bytes || dtype == GM_STRING)
        return gm_fail(GM_ERROR_DTYPE, "dataset_batch: entry \"%s\" is %s", e->name, gm_dtype_name(dtype)), NULL;
    gm_tensor *y = ragged ? gm_full(whole, e->state->args.pad.v, dtype) : gm_empty(whole, dtype);
    char *to = y ? gm_mutable_data(y) : NULL;
    for (int64_t i = 0; to && i < e->n; i++, to += one) {
        gm_tensor *t = gm_contiguous(e->t[i]);
        const char *from = t ? gm_data(t) : NULL;
        if (!from) return NULL;
        if (!ragged) memcpy(to, from, one);
        else batching_place(from, gm_shape_of(t), to, most, bytes);
    }
    return y;
}

static gm_tensor *batching_strings(const batching_entry *e) {
    const char **text = gm_alloc((size_t)e->n * sizeof *text);
    for (int64_t i = 0; text && i < e->n; i++) {
        if (gm_count(e->t[i]) != 1 && gm_ok())
            gm_fail(GM_ERROR_SHAPE, "dataset_batch: entry \"%s\" has %lld strings; one is possible", e->name,
                    (long long)gm_count(e->t[i]));
        text[i] = gm_string_at(e->t[i], 0);
    }
    gm_tensor *y = text && gm_ok() ? gm_strings(text, e->n) : NULL;
    gm_free(text);
    return y;
}

static bool batching_set_lengths(const batching_entry *e) {
    gm_tensor *lengths = gm_empty(GM_SHAPE(e->n), GM_I64);
    int64_t *to = lengths ? gm_mutable_data(lengths) : NULL;
    char name[300];
    for (int64_t i = 0; to && i < e->n; i++) to[i] = gm_size(e->t[i], 0);
    snprintf(name, sizeof name, "%.250s_length", e->name);
    return gm_pack_set(e->out, name, lengths);
}

static bool batching_put(const batching_entry *e) {
    gm_shape most;
    bool ragged;
    if (gm_dtype_of(e->t[0]) == GM_STRING) return gm_pack_set(e->out, e->name, batching_strings(e));
    if (!batching_measure(e, &most, &ragged)) return false;
    gm_pack_set(e->out, e->name, batching_tensor(e, most, ragged));
    return gm_ok() && (!e->state->args.pad.set || !most.n || batching_set_lengths(e));
}

/* Entry after entry of the first element, which all must have; t and children have room for n. */
static gm_pack *batching_stack(gm_pack **p, int64_t n, const batching_state *state) {
    gm_pack *out = gm_pack_new();
    gm_tensor **t = gm_alloc((size_t)n * sizeof *t);
    gm_pack **children = t ? gm_alloc((size_t)n * sizeof *children) : NULL;
    int64_t entries = gm_pack_count(p[0]);
    for (int64_t k = 0; children && gm_ok() && k < entries; k++) {
        const char *name = gm_pack_name(p[0], k);
        bool leaf = gm_pack_at(p[0], k) != NULL;
        for (int64_t i = 0; i < n; i++)
            if (leaf) t[i] = gm_get(p[i], name);
            else children[i] = gm_get_pack(p[i], name);
        if (!gm_ok()) break;
        batching_entry e = { name, t, n, state, out };
        if (leaf) batching_put(&e);
        else gm_pack_set_pack(out, name, batching_stack(children, n, state));
    }
    gm_free(children);
    gm_free(t);
    return gm_ok() ? out : NULL;
}

/* ---- items ---- */

static gm_pack *batching_make(gm__item *item) {
    batching_item *b = (batching_item *)item;
    gm_scope s = gm_scope_open();
    gm_pack **p = gm_alloc((size_t)b->n * sizeof *p);
    for (int64_t i = 0; p && gm_ok() && i < b->n; i++) p[i] = b->below[i]->make(b->below[i]);
    gm_pack *out = p && gm_ok() ? batching_stack(p, b->n, b->state) : NULL;
    gm_free(p);
    return gm_return(&s, out);
}

static void batching_drop(gm__item *item) {
    batching_item *b = (batching_item *)item;
    for (int64_t i = 0; i < b->n; i++) gm__item_drop(b->below[i]);
    gm_free(b);
}

static gm__item *batching_next(gm__stream *stream) {
    batching_stream *s = (batching_stream *)stream;
    int64_t n = s->state->n;
    gm__item *first = gm__stream_next(s->below);
    batching_item *b = first ? gm_alloc(sizeof *b + (size_t)s->room * sizeof *b->below) : NULL;
    if (!b) return gm__item_drop(first), NULL;
    *b = (batching_item){ .item = { batching_make, batching_drop }, .state = s->state };
    for (gm__item *item = first; item; item = b->n < s->room ? gm__stream_next(s->below) : NULL)
        b->below[b->n++] = item;
    if (gm_ok() && (b->n == n || !s->state->args.drop_last)) return &b->item;
    return batching_drop(&b->item), NULL;
}

static void batching_close(gm__stream *stream) {
    gm__stream_close(((batching_stream *)stream)->below);
    gm_free(stream);
}

static gm__stream *batching_open(gm_dataset *d, gm__pass pass) {
    gm__stream *below = gm__stream_open(d->from[0], pass);
    batching_stream *s = below ? gm_alloc(sizeof *s) : NULL;
    if (!s) return gm__stream_close(below), NULL;
    const batching_state *state = d->state;
    int64_t known = gm__dataset_count(d->from[0]), room = known > 0 && known < state->n ? known : state->n;
    *s = (batching_stream){ { batching_next, batching_close }, state, below, room };
    return &s->s;
}

static int64_t batching_count(const gm_dataset *d) {
    int64_t below = gm__dataset_count(d->from[0]);
    const batching_state *b = d->state;
    if (below == GM__UNKNOWN || below == GM__ENDLESS) return below;
    return below / b->n + (!b->args.drop_last && below % b->n != 0);
}

static const gm__dataset_class batching_class = { .name = "batch", .count = batching_count, .open = batching_open };

gm_dataset *gm_dataset_batch_with(gm_dataset *d, int64_t n, const gm_dataset_batch_args *args) {
    gm_dataset_batch_args a = { 0 };
    if (!gm_ok() || !gm__args_take("dataset_batch", &a, sizeof a, args)) return NULL;
    if (n < 1 || n > 1 << 30) return gm_fail(GM_ERROR_VALUE, "dataset_batch: batches of %lld", (long long)n), NULL;
    gm_dataset *b = gm__dataset_new(&batching_class, "dataset_batch", &d, 1, sizeof(batching_state));
    if (b) *(batching_state *)b->state = (batching_state){ n, a }, b->batched = true;
    return b;
}
