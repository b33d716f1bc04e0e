/* sequence.c: take, skip, repeat, concat and zip: other sequences of the same items. */
#include "../math/fp.h"
#include "dataset.h"

/* A stream over one other, or over several in turn; `n` is the class's own limit. */
typedef struct {
    gm__stream s;
    gm_dataset *d;
    gm__stream *below;
    gm__pass pass;
    int64_t at, n;
} sequence_stream;

static void sequence_close(gm__stream *stream) {
    gm__stream_close(((sequence_stream *)stream)->below);
    gm_free(stream);
}

static gm__stream *sequence_open(gm_dataset *d, gm__pass pass, gm__item *(*next)(gm__stream *), int64_t n) {
    sequence_stream *s = gm_alloc(sizeof *s);
    if (!s) return NULL;
    *s = (sequence_stream){ { next, sequence_close }, d, NULL, pass, 0, n };
    return &s->s;
}

static int64_t sequence_n(const gm_dataset *d) { return *(const int64_t *)d->state; }

static gm_dataset *sequence_new(const gm__dataset_class *class, const char *op, gm_dataset *d, int64_t n) {
    gm_dataset *s = gm__dataset_new(class, op, &d, 1, sizeof(int64_t));
    if (s) *(int64_t *)s->state = n;
    return s;
}

static bool sequence_check(const char *op, int64_t n) {
    return gm_ok() && (n >= 0 || gm_fail(GM_ERROR_VALUE, "%s: %lld elements", op, (long long)n));
}

/* ---- take ---- */

static int64_t take_count(const gm_dataset *d) {
    int64_t below = gm__dataset_count(d->from[0]), n = sequence_n(d);
    return below < n ? below : n; /* not known stays so */
}

static gm__item *take_item(gm_dataset *d, gm__pass pass, int64_t index) { return gm__item_at(d->from[0], pass, index); }

static gm__item *take_next(gm__stream *stream) {
    sequence_stream *s = (sequence_stream *)stream;
    if (s->at++ >= s->n) return NULL;
    if (!s->below) s->below = gm__stream_open(s->d->from[0], s->pass);
    return s->below ? gm__stream_next(s->below) : NULL;
}

static gm__stream *take_open(gm_dataset *d, gm__pass pass) { return sequence_open(d, pass, take_next, sequence_n(d)); }

static const gm__dataset_class take_class = {
    .name = "take", .count = take_count, .item = take_item, .open = take_open
};

gm_dataset *gm_dataset_take(gm_dataset *d, int64_t n) {
    return sequence_check("dataset_take", n) ? sequence_new(&take_class, "dataset_take", d, n) : NULL;
}

/* ---- skip ---- */

static int64_t skip_count(const gm_dataset *d) {
    int64_t below = gm__dataset_count(d->from[0]), n = sequence_n(d);
    if (below == GM__UNKNOWN || below == GM__ENDLESS) return below;
    return below > n ? below - n : 0;
}

static gm__item *skip_item(gm_dataset *d, gm__pass pass, int64_t index) {
    return gm__item_at(d->from[0], pass, index + sequence_n(d));
}

static gm__item *skip_next(gm__stream *stream) {
    sequence_stream *s = (sequence_stream *)stream;
    if (!s->below) s->below = gm__stream_open(s->d->from[0], s->pass);
    gm__item *item = s->below ? gm__stream_next(s->below) : NULL;
    for (; item && s->at < s->n; s->at++) {
        gm__item_drop(item);
        item = gm__stream_next(s->below);
    }
    return item;
}

static gm__stream *skip_open(gm_dataset *d, gm__pass pass) { return sequence_open(d, pass, skip_next, sequence_n(d)); }

static const gm__dataset_class skip_class = {
    .name = "skip", .count = skip_count, .item = skip_item, .open = skip_open
};

gm_dataset *gm_dataset_skip(gm_dataset *d, int64_t n) {
    return sequence_check("dataset_skip", n) ? sequence_new(&skip_class, "dataset_skip", d, n) : NULL;
}

/* ---- repeat ---- */

static int64_t repeat_count(const gm_dataset *d) {
    int64_t below = gm__dataset_count(d->from[0]), n = sequence_n(d), all;
    if (below == GM__UNKNOWN || below == 0) return below;
    if (n <= 0 || __builtin_mul_overflow(below, n, &all)) return GM__ENDLESS;
    return all;
}

/* A round that gives nothing ends it: repeating nothing without end would never return. */
static gm__item *repeat_next(gm__stream *stream) {
    sequence_stream *s = (sequence_stream *)stream;
    gm__item *item = s->below ? gm__stream_next(s->below) : NULL;
    if (item || !gm_ok() || (s->n > 0 && s->at >= s->n)) return item;
    gm__stream_close(s->below);
    gm__pass pass = { s->pass.epoch, s->pass.turn * 0x100000001b3u + (uint64_t)s->at++ };
    s->below = gm__stream_open(s->d->from[0], pass);
    return s->below ? gm__stream_next(s->below) : NULL;
}

static gm__stream *repeat_open(gm_dataset *d, gm__pass pass) {
    return sequence_open(d, pass, repeat_next, sequence_n(d));
}

static const gm__dataset_class repeat_class = { .name = "repeat", .count = repeat_count, .open = repeat_open };

gm_dataset *gm_dataset_repeat(gm_dataset *d, int64_t times) {
    return gm_ok() ? sequence_new(&repeat_class, "dataset_repeat", d, times > 0 ? times : 0) : NULL;
}

/* ---- concat ---- */

static int64_t concat_count(const gm_dataset *d) {
    int64_t sum = 0;
    for (int i = 0; i < d->n_from; i++) {
        int64_t n = gm__dataset_count(d->from[i]);
        if (n == GM__UNKNOWN) return n;
        if (__builtin_add_overflow(sum, n, &sum)) return GM__ENDLESS;
    }
    return sum;
}

static gm__item *concat_item(gm_dataset *d, gm__pass pass, int64_t index) {
    for (int i = 0; i < d->n_from; i++) {
        int64_t n = gm__dataset_count(d->from[i]);
        if (index < n) return gm__item_at(d->from[i], pass, index);
        index -= n;
    }
    return NULL;
}

static gm__item *concat_next(gm__stream *stream) {
    sequence_stream *s = (sequence_stream *)stream;
    gm__item *item = s->below ? gm__stream_next(s->below) : NULL;
    while (!item && gm_ok() && s->at < s->n) {
        gm__stream_close(s->below);
        s->below = gm__stream_open(s->d->from[s->at++], s->pass);
        item = s->below ? gm__stream_next(s->below) : NULL;
    }
    return item;
}

static gm__stream *concat_open(gm_dataset *d, gm__pass pass) { return sequence_open(d, pass, concat_next, d->n_from); }

static const gm__dataset_class concat_class = {
    .name = "concat",
    .count = concat_count,
    .item = concat_item,
    .open = concat_open,
};

gm_dataset *gm_dataset_concat(gm_dataset *const *datasets, int n) {
    if (!gm_ok()) return NULL;
    if (n < 1 || !datasets) return gm_fail(GM_ERROR_VALUE, "dataset_concat: of %d data sets", n), NULL;
    return gm__dataset_new(&concat_class, "dataset_concat", datasets, n, 0);
}

/* ---- zip ---- */

typedef struct {
    gm__item item;
    int n;
    gm__item *below[];
} zip_item;
typedef struct {
    gm__stream s;
    int n;
    gm__stream *below[];
} zip_stream;

static int64_t zip_count(const gm_dataset *d) {
    int64_t least = GM__ENDLESS;
    for (int i = 0; i < d->n_from; i++) {
        int64_t n = gm__dataset_count(d->from[i]);
        if (n == GM__UNKNOWN) return n;
        if (n < least) least = n;
    }
    return least;
}

static bool zip_add(gm_pack *to, const gm_pack *from) {
    int64_t n = gm_pack_count(from);
    for (int64_t i = 0; gm_ok() && i < n; i++) {
        const char *name = gm_pack_name(from, i);
        gm_tensor *t = gm_pack_at(from, i);
        if (gm_pack_has(to, name))
            return gm_fail(GM_ERROR_VALUE, "dataset_zip: two elements have an entry \"%s\" (rename it with a map)",
                           name);
        if (t) gm_pack_set(to, name, t);
        else gm_pack_set_pack(to, name, gm_pack_child(from, i));
    }
    return gm_ok();
}

static gm_pack *zip_make(gm__item *item) {
    zip_item *z = (zip_item *)item;
    gm_scope s = gm_scope_open();
    gm_pack *p = gm_pack_new();
    for (int i = 0; gm_ok() && i < z->n; i++) zip_add(p, z->below[i]->make(z->below[i]));
    return gm_return(&s, gm_ok() ? p : NULL);
}

static void zip_drop(gm__item *item) {
    zip_item *z = (zip_item *)item;
    for (int i = 0; i < z->n; i++) gm__item_drop(z->below[i]);
    gm_free(z);
}

static zip_item *zip_item_new(int n) {
    zip_item *z = gm_alloc(sizeof *z + (size_t)n * sizeof *z->below);
    if (z) z->item = (gm__item){ zip_make, zip_drop };
    return z;
}

static gm__item *zip_item_at(gm_dataset *d, gm__pass pass, int64_t index) {
    zip_item *z = zip_item_new(d->n_from);
    for (; z && z->n < d->n_from; z->n++)
        if (!(z->below[z->n] = gm__item_at(d->from[z->n], pass, index))) return zip_drop(&z->item), NULL;
    return z ? &z->item : NULL;
}

static gm__item *zip_next(gm__stream *stream) {
    zip_stream *s = (zip_stream *)stream;
    zip_item *z = zip_item_new(s->n);
    for (; z && z->n < s->n; z->n++)
        if (!(z->below[z->n] = gm__stream_next(s->below[z->n]))) return zip_drop(&z->item), NULL;
    return z ? &z->item : NULL;
}

static void zip_close(gm__stream *stream) {
    zip_stream *s = (zip_stream *)stream;
    for (int i = 0; i < s->n; i++) gm__stream_close(s->below[i]);
    gm_free(s);
}

static gm__stream *zip_open(gm_dataset *d, gm__pass pass) {
    zip_stream *s = gm_alloc(sizeof *s + (size_t)d->n_from * sizeof *s->below);
    if (!s) return NULL;
    s->s = (gm__stream){ zip_next, zip_close };
    for (; s->n < d->n_from; s->n++)
        if (!(s->below[s->n] = gm__stream_open(d->from[s->n], pass))) return zip_close(&s->s), NULL;
    return &s->s;
}

static const gm__dataset_class zip_class = { .name = "zip", .count = zip_count, .item = zip_item_at, .open = zip_open };

gm_dataset *gm_dataset_zip(gm_dataset *const *datasets, int n) {
    if (!gm_ok()) return NULL;
    if (n < 1 || !datasets) return gm_fail(GM_ERROR_VALUE, "dataset_zip: of %d data sets", n), NULL;
    return gm__dataset_new(&zip_class, "dataset_zip", datasets, n, 0);
}
