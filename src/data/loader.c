/* loader.c: the batches of a training loop, in an order that is a function of (seed, epoch).
 *
 * Tensors in memory are cut by index, pixels scaled on the way: nothing is faster. Every other data set becomes a
 * pipeline (shuffle, batch, scale), which threads run ahead of the loop. Both give the same batches in the same
 * order. */
#include "../math/fp.h"
#include "../base/args.h"
#include "dataset.h"
#include "gemel/ops.h"

#include <string.h>

struct gm_loader {
    gm_object o;
    gm_dataset *d, *pipeline; /* pipeline is NULL for tensors in memory */
    gm_loader_args args;
    int64_t epoch;
};

/* What a pass keeps: the order of the examples, or the stream of batches; the scope of the batch at hand. */
typedef struct {
    gm_loader *l;
    int64_t *order;
    gm__stream *stream;
    gm_scope scope;
    bool open;
    float table[256];
} loader_pass;

static void loader_destroy(void *object) {
    gm_loader *l = object;
    gm_release(l->pipeline);
    gm_release(l->d);
}

static const gm_type loader_type = { "loader", sizeof(gm_loader), loader_destroy };

/* ---- pipelines ---- */

/* The tensor called `name`; NULL if there is none. */
static gm_tensor *loader_tensor(const gm_pack *p, const char *name) {
    int64_t n = gm_pack_count(p);
    for (int64_t i = 0; i < n; i++)
        if (!strcmp(gm_pack_name(p, i), name)) return gm_pack_at(p, i);
    return NULL;
}

/* Pixels as a net takes them. `env` is the data set, whose scaling may still change. */
static gm_pack *loader_scale(void *env, gm_pack *batch, gm_dice *dice) {
    (void)dice;
    const gm_dataset *d = env;
    gm_tensor *x = loader_tensor(batch, "x");
    if (!x || gm_dtype_of(x) != GM_U8) return batch;
    gm_pack *scaled = gm_pack_new();
    int64_t n = gm_pack_count(batch);
    for (int64_t i = 0; gm_ok() && i < n; i++) {
        gm_tensor *t = gm_pack_at(batch, i);
        if (t) gm_pack_set(scaled, gm_pack_name(batch, i), t == x ? gm_scale_pixels(x, d->mean, d->std) : t);
        else gm_pack_set_pack(scaled, gm_pack_name(batch, i), gm_pack_child(batch, i));
    }
    return scaled;
}

static gm_dataset *loader_pipeline(gm_dataset *d, const gm_loader_args *a) {
    gm_scope s = gm_scope_open();
    gm_dataset *p = d;
    if (a->shuffle && !d->batched) p = gm_dataset_shuffle(p, .seed = a->seed);
    if (!d->batched) p = gm_dataset_batch(p, a->batch_size, .drop_last = a->drop_last);
    p = gm_dataset_map(p, loader_scale, .env = d);
    p = gm_dataset_prefetch(p, a->prefetch, .threads = a->threads);
    return gm_return(&s, p);
}

gm_loader *gm_loader_new_with(gm_dataset *d, const gm_loader_args *args) {
    gm_loader_args a = { 0 };
    if (!gm_ok() || !gm__args_take("loader_new", &a, sizeof a, args)) return NULL;
    if (!gm__dataset_check(d, "loader_new", 1)) return NULL;
    if (!a.batch_size) a.batch_size = 32;
    if (!a.prefetch) a.prefetch = 4;
    if (a.batch_size < 1) return gm_fail(GM_ERROR_VALUE, "loader_new: batches of %d", a.batch_size), NULL;
    gm_scope s = gm_scope_open();
    gm_dataset *pipeline = gm__dataset_tensors(d) ? NULL : loader_pipeline(d, &a);
    gm_loader *l = gm_object_new(&loader_type);
    if (l) l->d = gm_retain(d), l->pipeline = gm_retain(pipeline), l->args = a;
    return gm_return(&s, l);
}

static bool loader_check(const gm_loader *l, const char *op) {
    return gm_ok() && gm_check_object(l, &loader_type, op, 1);
}

int64_t gm_loader_count(const gm_loader *l) {
    if (!loader_check(l, "loader_count")) return -1;
    if (l->pipeline) return gm__dataset_count(l->pipeline);
    int64_t n = gm__dataset_count(l->d), b = l->args.batch_size;
    return l->args.drop_last ? n / b : (n + b - 1) / b;
}

bool gm_loader_set_epoch(gm_loader *l, int64_t epoch) {
    if (!loader_check(l, "loader_set_epoch")) return false;
    l->epoch = epoch;
    return true;
}

/* ---- a pass ---- */

static bool loader_begin(loader_pass *p, gm_loader *l) {
    gm__pass pass = { l->epoch, 0 };
    if (l->pipeline) return (p->stream = gm__stream_open(l->pipeline, pass)) != NULL;
    int64_t n = gm__dataset_count(l->d);
    gm__pixel_table(l->d->mean, l->d->std, p->table);
    if (l->args.shuffle) return (p->order = gm__permutation(l->args.seed, pass, n)) != NULL;
    p->order = gm_alloc((size_t)(n + 1) * sizeof *p->order);
    for (int64_t i = 0; p->order && i < n; i++) p->order[i] = i;
    return p->order != NULL;
}

gm_batch gm_batch_first(gm_loader *l) {
    gm_batch b = { .index = -1 };
    if (!loader_check(l, "batch_first")) return b;
    loader_pass *p = gm_alloc(sizeof *p);
    if (!p) return b;
    b.impl = p;
    b.epoch = l->epoch;
    b.count = gm_loader_count(l);
    p->l = gm_retain(l);
    if (!gm_ok() || !loader_begin(p, l)) gm_batch_done(&b);
    else l->epoch++;
    return b;
}

/* Rows `order[first..first + n)` of t; pixels are scaled on the way. */
static gm_tensor *loader_rows(const loader_pass *p, gm_tensor *t, int64_t first, int64_t n, bool scale) {
    gm_shape shape = gm_shape_of(t);
    int64_t row = gm_count(t) / shape.d[0];
    gm_dtype dtype = gm_dtype_of(t);
    if (gm_dtype_bits(dtype) < 8) return gm_fail(GM_ERROR_DTYPE, "loader: an entry is %s", gm_dtype_name(dtype)), NULL;
    size_t bytes = (size_t)row * (size_t)gm_dtype_bits(dtype) / 8;
    shape.d[0] = n;
    gm_tensor *y = gm_empty(shape, scale ? GM_F32 : dtype);
    char *to = y ? gm_mutable_data(y) : NULL;
    const char *from = gm_data(t);
    for (int64_t i = 0; to && from && i < n; i++) {
        const char *source = from + (size_t)p->order[first + i] * bytes;
        if (!scale) memcpy(to + (size_t)i * bytes, source, bytes);
        for (int64_t k = 0; scale && k < row; k++) ((float *)to)[i * row + k] = p->table[(uint8_t)source[k]];
    }
    return y;
}

static gm_tensor *loader_strings(const loader_pass *p, gm_tensor *t, int64_t first, int64_t n) {
    if (gm_n_dims(t) != 1) return gm_fail(GM_ERROR_SHAPE, "loader: strings of %d dimensions", gm_n_dims(t)), NULL;
    const char **text = gm_alloc((size_t)(n + 1) * sizeof *text);
    for (int64_t i = 0; text && i < n; i++) text[i] = gm_string_at(t, p->order[first + i]);
    gm_tensor *y = text && gm_ok() ? gm_strings(text, n) : NULL;
    gm_free(text);
    return y;
}

static gm_pack *loader_cut(const loader_pass *p, gm_pack *tensors, int64_t first, int64_t n, bool top) {
    gm_pack *batch = gm_pack_new();
    int64_t entries = gm_pack_count(tensors);
    for (int64_t i = 0; gm_ok() && i < entries; i++) {
        const char *name = gm_pack_name(tensors, i);
        gm_tensor *t = gm_pack_at(tensors, i);
        if (!t) gm_pack_set_pack(batch, name, loader_cut(p, gm_pack_child(tensors, i), first, n, false));
        else if (gm_dtype_of(t) == GM_STRING) gm_pack_set(batch, name, loader_strings(p, t, first, n));
        else
            gm_pack_set(batch, name, loader_rows(p, t, first, n, top && !strcmp(name, "x") && gm_dtype_of(t) == GM_U8));
    }
    return batch;
}

static gm_pack *loader_next(const loader_pass *p, int64_t index, int64_t count) {
    if (p->stream) return gm__item_take(gm__stream_next(p->stream));
    if (index >= count) return NULL;
    int64_t size = p->l->args.batch_size, first = index * size, left = gm__dataset_count(p->l->d) - first;
    return loader_cut(p, gm__dataset_tensors(p->l->d), first, left < size ? left : size, true);
}

bool gm_batch_next(gm_batch *b) {
    loader_pass *p = b->impl;
    if (!p) return false;
    if (p->open) gm_scope_close(&p->scope);
    p->open = false;
    b->x = b->y = NULL, b->all = NULL;
    if (!gm_ok()) return false;
    p->scope = gm_scope_open();
    p->open = true;
    b->all = loader_next(p, b->index + 1, b->count);
    if (!b->all || !gm_ok()) return false;
    b->index++;
    b->x = loader_tensor(b->all, "x");
    b->y = loader_tensor(b->all, "y");
    return gm_ok();
}

void gm_batch_done(gm_batch *b) {
    loader_pass *p = b->impl;
    if (!p) return;
    if (p->open) gm_scope_close(&p->scope);
    gm__stream_close(p->stream);
    gm_release(p->l);
    gm_free(p->order);
    gm_free(p);
    b->impl = NULL;
}
