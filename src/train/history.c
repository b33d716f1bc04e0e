/* history.c: the numbers of every epoch, by name: columns of f64, NaN where an epoch has none. */
#include "../math/fp.h"
#include "run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { HISTORY_COLUMNS = 256, HISTORY_EPOCHS = 1 << 24 };
typedef struct { char *name; double *v; int64_t n, capacity; } history_column;
struct gm_history { gm_object o; history_column *columns; int64_t n; };

static void history_clear(gm_history *h) {
    for (int64_t i = 0; i < h->n; i++) {
        gm_free(h->columns[i].name);
        gm_free(h->columns[i].v);
    }
    h->n = 0;
}

static void history_destroy(void *object) {
    gm_history *h = object;
    history_clear(h);
    gm_free(h->columns);
}

static const gm_type history_type = { "history", sizeof(gm_history), history_destroy };

static bool history_check(const gm_history *h, const char *op) {
    return gm_ok() && gm_check_object(h, &history_type, op, 1);
}

gm_history *gm_history_new(void) {
    gm_history *h = gm_object_new(&history_type);
    if (h) h->columns = gm_alloc(HISTORY_COLUMNS * sizeof *h->columns);
    return h && h->columns ? h : NULL;
}

static history_column *history_find(const gm_history *h, const char *name) {
    for (int64_t i = 0; name && i < h->n; i++)
        if (!strcmp(h->columns[i].name, name)) return &h->columns[i];
    return NULL;
}

int64_t gm_history_epochs(const gm_history *h) {
    int64_t epochs = 0;
    if (!history_check(h, "history_epochs")) return -1;
    for (int64_t i = 0; i < h->n; i++)
        if (h->columns[i].n > epochs) epochs = h->columns[i].n;
    return epochs;
}

const char *gm_history_name(const gm_history *h, int index) {
    return history_check(h, "history_name") && index >= 0 && index < h->n ? h->columns[index].name : NULL;
}

double gm_history_at(const gm_history *h, const char *name, int64_t epoch) {
    const history_column *c = history_check(h, "history_at") ? history_find(h, name) : NULL;
    return c && epoch >= 0 && epoch < c->n ? c->v[epoch] : NAN;
}

static history_column *history_add(gm_history *h, const char *name) {
    if (h->n == HISTORY_COLUMNS)
        return gm_fail(GM_ERROR_VALUE, "history_put: over %d names", HISTORY_COLUMNS), NULL;
    char *copy = gm_strdup(name);
    if (!copy) return NULL;
    h->columns[h->n] = (history_column){ .name = copy };
    return &h->columns[h->n++];
}

bool gm_history_put(gm_history *h, const char *name, int64_t epoch, double value) {
    if (!history_check(h, "history_put")) return false;
    if (!name || !*name || strlen(name) > 200 || epoch < 0 || epoch >= HISTORY_EPOCHS)
        return gm_fail(GM_ERROR_VALUE, "history_put: \"%.200s\" of epoch %lld", name ? name : "NULL", (long long)epoch);
    history_column *c = history_find(h, name);
    if (!c) c = history_add(h, name);
    if (!c) return false;
    if (epoch >= c->capacity) {
        int64_t capacity = 2 * (epoch + 4);
        double *v = gm_realloc(c->v, (size_t)capacity * sizeof *v);
        if (!v) return false;
        c->v = v, c->capacity = capacity;
    }
    for (; c->n <= epoch; c->n++) c->v[c->n] = NAN;
    c->v[epoch] = value;
    return true;
}

int64_t gm_history_best(const gm_history *h, const char *name, bool maximize, double margin) {
    const history_column *c = history_check(h, "history_best") ? history_find(h, name) : NULL;
    int64_t best = -1;
    for (int64_t i = 0; c && i < c->n; i++) {
        double v = c->v[i], least = best < 0 ? NAN : maximize ? c->v[best] + margin : c->v[best] - margin;
        if (!isnan(v) && (best < 0 || (maximize ? v > least : v < least))) best = i;
    }
    return best;
}

/* ---- in checkpoints: "history.NAME" [epochs] ---- */

bool gm__history_save(const gm_history *h, gm_pack *p) {
    for (int64_t i = 0; i < h->n; i++) {
        char path[256];
        snprintf(path, sizeof path, "history.%s", h->columns[i].name);
        gm_pack_set(p, path, gm_from_data(GM_SHAPE(h->columns[i].n), GM_F64, h->columns[i].v));
    }
    return gm_ok();
}

static bool history_read_column(gm_history *h, const char *name, gm_tensor *t) {
    if (!t || gm_dtype_of(t) != GM_F64 || gm_n_dims(t) != 1)
        return gm_fail(GM_ERROR_FORMAT, "fit: no checkpoint: \"history.%.200s\" is not f64 [epochs]", name);
    const double *v = gm_data(t);
    for (int64_t k = v ? gm_count(t) : 0; gm_ok() && k > 0; k--) gm_history_put(h, name, k - 1, v[k - 1]);
    return gm_ok();
}

gm_history *gm__history_read(gm_pack *p) {
    gm_history *h = gm_history_new();
    for (int64_t i = 0; gm_ok() && i < gm_pack_count(p); i++) {
        const char *name = gm_pack_name(p, i);
        if (!strncmp(name, "history.", 8)) history_read_column(h, name + 8, gm_pack_at(p, i));
    }
    return gm_ok() ? h : NULL;
}

void gm__history_swap(gm_history *a, gm_history *b) {
    history_column *columns = a->columns;
    int64_t n = a->n;
    a->columns = b->columns, a->n = b->n;
    b->columns = columns, b->n = n;
}
