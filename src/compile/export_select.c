/* export_select.c: nodes that move elements by index, running sums, and random numbers.
 *
 * Draw i of a run has the place gm_count + i of the stream that begins, with gm_seed, where the library's stood; a run
 * takes all of its places. */
#include "../math/fp.h"
#include "export.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define P PRId64

/* ---- by index ---- */

/* "base[i0 * 3 + i1 + at * 5]", where dimension `dim` is the index's; -1: none is. */
static void exselect_place(const gm__export *x, int32_t v, int rank, int64_t dim, char *out, size_t room) {
    char base[GM__EXPORT_NAME];
    size_t n = (size_t)snprintf(out, room, "(%s)[0", gm__export_at(x, v, base));
    for (int d = 0; d < rank && n < room; d++)
        if (d == dim) n += (size_t)snprintf(out + n, room - n, " + at * %" P, x->t[v]->stride[d]);
        else n += (size_t)snprintf(out + n, room - n, " + i%d * %" P, d, x->t[v]->stride[d]);
    if (n < room) snprintf(out + n, room - n, "]");
}

/* gather: x, index; scatter: x, src, index; scatter_sum: src, index. Each destination's sources ascend. */
static bool exselect_gather(gm__export *x, const gm__node *n) {
    static const int texts[] = { GM__C99_COMMON, -1 };
    bool gathers = !strcmp(n->op->name, "gather"), sums = !strcmp(n->op->name, "scatter_sum");
    int32_t index = n->in[gathers || sums ? 1 : 2], from = n->in[gathers || sums ? 0 : 1], to = n->out;
    const gm_tensor *s = x->t[index];
    int64_t dim = gm__export_i64(n, "dim", 0), size = x->t[gathers ? from : to]->shape.d[dim];
    char left[512], right[512], at[512];
    int rank = s->shape.n;
    if (!gm__export_kernel(x, to, texts)) return false;
    if (s->dtype != GM_I64 && s->dtype != GM_I32) return gm__export_refuse(x, "by an index of this type");
    if (sums) gm__export_fill(x, to, 0);
    else if (!gathers) gm__export_copy(x, to, n->in[0]);
    if (!gm_shape_count(s->shape)) return true;
    exselect_place(x, to, rank, gathers ? -1 : dim, left, sizeof left);
    exselect_place(x, from, rank, gathers ? dim : -1, right, sizeof right);
    exselect_place(x, index, rank, -1, at, sizeof at);
    for (int d = 0; d < rank; d++)
        gm__export_line(x, "for (int64_t i%d = 0; i%d < %" P "; i%d++)", d, d, s->shape.d[d], d);
    gm__export_line(x, "{");
    gm__export_line(x, "    const int64_t at = %s;", at);
    gm__export_line(x, "    if (at < 0 || at >= %" P ") gm_bad = 1;", size);
    gm__export_line(x, "    else %s %s %s;", left, sums ? "+=" : "=", right);
    gm__export_line(x, "}");
    return true;
}

/* ---- running sums ---- */

static bool exselect_scan(gm__export *x, const gm__node *n) {
    static const int texts[] = { GM__C99_COMMON, GM__C99_RANDOM, -1 };
    const gm_tensor *y = x->t[n->out];
    const char *op = n->op->name, *k = gm__export_kernel(x, n->out, texts);
    int64_t dim = gm__export_i64(n, "dim", 0), outer = 1, inner = 1;
    int what = !strcmp(op, "cumsum") ? 0 : !strcmp(op, "cumprod") ? 1 : 2;
    char a[GM__EXPORT_NAME] = "NULL", b[GM__EXPORT_NAME], to[GM__EXPORT_NAME];
    if (!k || !gm_shape_count(y->shape)) return k != NULL;
    for (int i = 0; i < n->n_in; i++)
        if (!gm_is_contiguous(x->t[n->in[i]]) || x->t[n->in[i]]->dtype != y->dtype)
            return gm__export_refuse(x, "of strided or other elements");
    for (int d = 0; d < y->shape.n; d++)
        if (d < dim) outer *= y->shape.d[d];
        else if (d > dim) inner *= y->shape.d[d];
    if (what == 2) gm__export_at(x, n->in[0], a);
    gm__export_line(x, "scan_%s(%d, %" P ", %" P ", %" P ", %s, %s, %s);", k, what, outer, y->shape.d[dim], inner, a,
                    gm__export_at(x, n->in[what == 2], b), gm__export_at(x, n->out, to));
    return true;
}

/* ---- random numbers ---- */

/* "key, count" */
static void exselect_draw(gm__export *x, const gm__node *n, char *out, size_t room) {
    int64_t key = gm__export_i64(n, "key", 0), count = gm__export_i64(n, "count", 0);
    if (count < GM__DRAW) {
        snprintf(out, room, "0x%" PRIx64 "u, %" P "u", (uint64_t)key, count);
        return;
    }
    x->draws = true;
    snprintf(out, room, "0x%" PRIx64 "u ^ gm_seed, gm_count + %" P "u", (uint64_t)key, count - GM__DRAW);
}

static bool exselect_random(gm__export *x, const gm__node *n) {
    static const int texts[] = { GM__C99_COMMON, GM__C99_RANDOM, -1 };
    const gm_tensor *y = x->t[n->out];
    const char *k = gm__export_kernel(x, n->out, texts);
    bool drops = !strcmp(n->op->name, "dropout");
    int64_t count = gm_shape_count(y->shape), per = 1;
    char draw[128], from[GM__EXPORT_NAME], to[GM__EXPORT_NAME];
    if (!k || !count) return k != NULL;
    exselect_draw(x, n, draw, sizeof draw);
    gm__export_at(x, n->out, to);
    if (!gm_is_contiguous(y) || (drops && !gm_is_contiguous(x->t[n->in[0]])))
        return gm__export_refuse(x, "of strided elements");
    if (!drops) {
        gm__export_line(x, "random_%s(%d, %s, %" P ", %a, %a, %s);", k, (int)gm__export_i64(n, "kind", 0), draw, count,
                        gm__export_f64(n, "scale"), gm__export_f64(n, "shift"), to);
        return true;
    }
    for (int d = 2; gm__export_i64(n, "channels", 0) && d < y->shape.n; d++) per *= y->shape.d[d];
    gm__export_line(x, "dropout_%s(%s, %" P ", %" P ", %a, %s, %s);", k, draw, count / per, per,
                    gm__export_f64(n, "p"), gm__export_at(x, n->in[0], from), to);
    return true;
}

/* ---- the table ---- */

static const struct { const char *name; bool (*write)(gm__export *x, const gm__node *n); } exselect_writers[] = {
    { "gather", exselect_gather }, { "scatter", exselect_gather }, { "scatter_sum", exselect_gather },
    { "cumsum", exselect_scan }, { "cumprod", exselect_scan }, { "linear_scan", exselect_scan },
    { "random", exselect_random }, { "dropout", exselect_random },
};

bool gm__export_selects(gm__export *x, const gm__node *n, bool *done) {
    *done = true;
    for (size_t i = 0; i < sizeof exselect_writers / sizeof *exselect_writers; i++)
        if (!strcmp(exselect_writers[i].name, n->op->name)) return exselect_writers[i].write(x, n);
    *done = false;
    return true;
}
#undef P
