/* loader.c: cut a data set into batches, in an order that is a function of (seed, epoch). */
#include "../math/fp.h"
#include "../base/args.h"
#include "dataset.h"
#include "gemel/ops.h"

#include <string.h>

struct gm_loader {
    gm_object o;
    gm_dataset *d;
    gm_loader_args args;
    int64_t epoch;
};

/* What a pass keeps: the order of the examples and the scope of the batch at hand. */
typedef struct { gm_loader *l; int64_t *order; gm_scope scope; bool open; float table[256]; } loader_pass;

static void loader_destroy(void *object) { gm_release(((gm_loader *)object)->d); }
static const gm_type loader_type = { "loader", sizeof(gm_loader), loader_destroy };

gm_loader *gm_loader_new_with(gm_dataset *d, const gm_loader_args *args) {
    gm_loader_args a = { 0 };
    if (!gm_ok() || !gm__args_take("loader_new", &a, sizeof a, args)) return NULL;
    if (!gm_check_object(d, &gm__dataset_type, "loader_new", 1)) return NULL;
    if (!a.batch_size) a.batch_size = 32;
    if (a.batch_size < 1) return gm_fail(GM_ERROR_VALUE, "loader_new: batches of %d", a.batch_size), NULL;
    gm_loader *l = gm_object_new(&loader_type);
    if (l) l->d = gm_retain(d), l->args = a;
    return l;
}

static bool loader_check(const gm_loader *l, const char *op) {
    return gm_ok() && gm_check_object(l, &loader_type, op, 1);
}

int64_t gm_loader_count(const gm_loader *l) {
    if (!loader_check(l, "loader_count")) return -1;
    int64_t n = gm_dataset_count(l->d), b = l->args.batch_size;
    return l->args.drop_last ? n / b : (n + b - 1) / b;
}

bool gm_loader_set_epoch(gm_loader *l, int64_t epoch) {
    if (!loader_check(l, "loader_set_epoch")) return false;
    l->epoch = epoch;
    return true;
}

/* Fisher and Yates, from the end; the number of the epoch is the count of the random stream. */
static bool loader_shuffle(const gm_loader *l, int64_t *order, int64_t n) {
    if (n < 2) return true;
    GM_SCOPE(s);
    gm_random_key key = { l->args.seed, (uint64_t)l->epoch, "shuffle" };
    gm_tensor *u = gm_random_of(key, GM_SHAPE(n), GM_F64, 0, 1, 0);
    const double *at = u ? gm_data(u) : NULL;
    if (!at) return false;
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = (int64_t)(at[i] * (double)(i + 1)), swap = order[i];
        order[i] = order[j], order[j] = swap;
    }
    return true;
}

static bool loader_begin(loader_pass *p, gm_loader *l) {
    int64_t n = gm_dataset_count(l->d);
    p->order = gm_alloc((size_t)(n + 1) * sizeof *p->order);
    if (!p->order) return false;
    for (int64_t i = 0; i < n; i++) p->order[i] = i;
    gm__pixel_table(l->d->mean, l->d->std, p->table);
    return !l->args.shuffle || loader_shuffle(l, p->order, n);
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
    if (!loader_begin(p, l)) gm_batch_done(&b);
    else l->epoch++;
    return b;
}

/* Rows `order[first..first + n)` of x; pixels are scaled on the way. */
static gm_tensor *loader_rows(const loader_pass *p, gm_tensor *x, int64_t first, int64_t n, bool scale) {
    gm_shape shape = gm_shape_of(x);
    int64_t row = gm_count(x) / shape.d[0];
    gm_dtype dtype = gm_dtype_of(x);
    size_t bytes = (size_t)row * (size_t)gm_dtype_bits(dtype) / 8;
    shape.d[0] = n;
    gm_tensor *y = gm_empty(shape, scale ? GM_F32 : dtype);
    char *to = y ? gm_mutable_data(y) : NULL;
    const char *from = gm_data(x);
    for (int64_t i = 0; to && from && i < n; i++) {
        const char *source = from + (size_t)p->order[first + i] * bytes;
        if (!scale) memcpy(to + (size_t)i * bytes, source, bytes);
        for (int64_t k = 0; scale && k < row; k++) ((float *)to)[i * row + k] = p->table[(uint8_t)source[k]];
    }
    return y;
}

bool gm_batch_next(gm_batch *b) {
    loader_pass *p = b->impl;
    if (!p) return false;
    if (p->open) gm_scope_close(&p->scope);
    p->open = false;
    b->x = b->y = NULL;
    if (!gm_ok() || b->index + 1 >= b->count) return false;
    p->scope = gm_scope_open();
    p->open = true;
    b->index++;
    const gm_dataset *d = p->l->d;
    int64_t size = p->l->args.batch_size, first = b->index * size, left = gm_dataset_count(d) - first;
    if (left < size) size = left;
    b->x = loader_rows(p, d->x, first, size, gm_dtype_of(d->x) == GM_U8);
    b->y = loader_rows(p, d->y, first, size, false);
    return gm_ok();
}

void gm_batch_done(gm_batch *b) {
    loader_pass *p = b->impl;
    if (!p) return;
    if (p->open) gm_scope_close(&p->scope);
    gm_release(p->l);
    gm_free(p->order);
    gm_free(p);
    b->impl = NULL;
}
