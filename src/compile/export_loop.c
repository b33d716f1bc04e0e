/* export_loop.c: elementwise operations, copies and fills as nests of loops with constant bounds.
 *
 * An elementwise operation is a function made of the expression of its record, in the domain that it computes in; what
 * lies in memory as another type is converted on the way, as the library's loops do. Integers wrap: the few expressions
 * that could overflow are written over unsigned numbers. */
#include "../math/fp.h"
#include "export.h"
#include "../ops/elementwise_ops.h"

#include <math.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { EXLOOP_OPERANDS = 4, EXLOOP_TEXT = 160 };

/* The walk over `shape`: the sizes, and each operand's strides; merged where all walk on. Operand 0 is written. */
typedef struct {
    int n, n_operands;
    int64_t size[GM_MAX_DIMS], stride[EXLOOP_OPERANDS][GM_MAX_DIMS];
    char base[EXLOOP_OPERANDS][GM__EXPORT_NAME];
} exloop_nest;

/* ---- numbers and conversions ---- */

void gm__export_number(gm__builder *b, double v, gm_dtype dtype) {
    bool f = dtype != GM_F64;
    if (!gm_is_float(dtype)) gm__builder_format(b, v == -0x1p63 ? "INT64_MIN" : "%" PRId64, (int64_t)v);
    else if (v != v) gm__builder_add(b, f ? "__builtin_nanf(\"\")" : "__builtin_nan(\"\")");
    else if (v - v != 0) gm__builder_format(b, "%s__builtin_inf%s()", v < 0 ? "-" : "", f ? "f" : "");
    else gm__builder_format(b, f ? "%af" : "%a", f ? (double)(float)v : v);
}

/* `e`, of one type as it lies in memory (or of a domain), as another. */
static void exloop_convert(const char *e, gm_dtype from, gm_dtype to, char *out) {
    char wide[EXLOOP_TEXT];
    const gm__export_type *t = &gm__export_types[gm__export_type_of(to)];
    if (from == to) snprintf(out, EXLOOP_TEXT, "%s", e);
    else if (from == GM_BF16 || from == GM_F16) {
        snprintf(wide, sizeof wide, "%s_to_f32(%s)", from == GM_BF16 ? "bf16" : "f16", e);
        exloop_convert(wide, GM_F32, to, out);
    } else if (to == GM_BF16 || to == GM_F16)
        snprintf(out, EXLOOP_TEXT, "f32_to_%s((float)(%s))", to == GM_BF16 ? "bf16" : "f16", e);
    else if (to == GM_BOOL) snprintf(out, EXLOOP_TEXT, "(uint8_t)((%s) != 0)", e);
    else if (gm_is_float(from) && !gm_is_float(to))
        snprintf(out, EXLOOP_TEXT, "%s_to_%s(%s)", from == GM_F64 ? "f64" : "f32", gm_dtype_name(to), e);
    else snprintf(out, EXLOOP_TEXT, "(%s)(%s)", t->c, e);
}

/* ---- nests ---- */

static void exloop_add(exloop_nest *l, const gm__export *x, int32_t v, const gm_shape *shape) {
    int k = l->n_operands++;
    const gm_tensor *t = x->t[v];
    gm__export_at(x, v, l->base[k]);
    for (int d = 0; d < shape->n; d++) {
        int own = d - (shape->n - t->shape.n);
        l->stride[k][d] = own < 0 || t->shape.d[own] == 1 ? 0 : t->stride[own];
    }
}

static bool exloop_walks_on(const exloop_nest *l, int d, int inner) {
    for (int k = 0; k < l->n_operands; k++)
        if (l->stride[k][d] != l->stride[k][inner] * l->size[inner]) return false;
    return true;
}

static void exloop_move(exloop_nest *l, int from, int to) {
    l->size[to] = l->size[from];
    for (int k = 0; k < l->n_operands; k++) l->stride[k][to] = l->stride[k][from];
}

static void exloop_swap(exloop_nest *l, int a, int b) {
    int spare = GM_MAX_DIMS - 1;
    exloop_move(l, a, spare);
    exloop_move(l, b, a);
    exloop_move(l, spare, b);
}

/* In the order of the memory that is written, sizes of 1 left out, dimensions that are walked alike as one. */
static void exloop_settle(exloop_nest *l, const gm_shape *shape) {
    int n = 0;
    for (int d = 0; d < shape->n; d++) l->size[d] = shape->d[d];
    for (int d = 0; d < shape->n; d++)
        if (shape->d[d] != 1) exloop_move(l, d, n++);
    for (int i = 1; i < n && n < GM_MAX_DIMS; i++)
        for (int j = i; j > 0 && l->stride[0][j - 1] < l->stride[0][j]; j--) exloop_swap(l, j - 1, j);
    l->n = 0;
    for (int d = 0; d < n; d++) {
        if (l->n && exloop_walks_on(l, l->n - 1, d)) {
            int64_t size = l->size[l->n - 1] * l->size[d];
            exloop_move(l, d, l->n - 1);
            l->size[l->n - 1] = size;
        } else exloop_move(l, d, l->n++);
    }
}

static void exloop_index(const exloop_nest *l, int k, char *out) {
    size_t at = (size_t)snprintf(out, EXLOOP_TEXT, strchr(l->base[k], ' ') ? "(%s)[" : "%s[", l->base[k]);
    bool any = false;
    for (int d = 0; d < l->n; d++) {
        int64_t s = l->stride[k][d];
        if (!s) continue;
        at +=
            (size_t)snprintf(out + at, EXLOOP_TEXT - at, s == 1 ? "%si%d" : "%si%d * %" PRId64, any ? " + " : "", d, s);
        any = true;
    }
    snprintf(out + at, EXLOOP_TEXT - at, any ? "]" : "0]");
}

static void exloop_open(gm__export *x, const exloop_nest *l) {
    for (int d = 0; d < l->n; d++) {
        gm__builder_fill(&x->body, ' ', 4 * (d + 1));
        gm__builder_format(&x->body, "for (int64_t i%d = 0; i%d < %" PRId64 "; i%d++)\n", d, d, l->size[d], d);
    }
    gm__builder_fill(&x->body, ' ', 4 * (l->n + 1));
}

/* ---- copies ---- */

/* from (broadcast to `shape`, `skip` elements behind its first) into `to`, likewise; from -1: a number. */
static void exloop_copy(gm__export *x, const gm_shape *shape, int32_t to, int64_t to_skip, const int64_t *to_stride,
                      int32_t from, int64_t from_skip, double number) {
    exloop_nest l = { 0 };
    char left[EXLOOP_TEXT], right[EXLOOP_TEXT], converted[EXLOOP_TEXT];
    gm_dtype dtype = x->t[to]->dtype;
    if (!gm_shape_count(*shape)) return;
    for (int k = 0; k < (from < 0 ? 1 : 2); k++) {
        int32_t v = k ? from : to;
        int64_t skip = k ? from_skip : to_skip;
        exloop_add(&l, x, v, shape);
        size_t at = strlen(l.base[k]);
        if (skip) snprintf(l.base[k] + at, GM__EXPORT_NAME - at, " + %" PRId64, skip);
    }
    if (to_stride) memcpy(l.stride[0], to_stride, (size_t)shape->n * sizeof *to_stride);
    exloop_settle(&l, shape);
    exloop_index(&l, 0, left);
    if (from >= 0) {
        exloop_index(&l, 1, right);
        exloop_convert(right, x->t[from]->dtype, dtype, converted);
    }
    exloop_open(x, &l);
    gm__builder_format(&x->body, "%s = ", left);
    if (from >= 0) gm__builder_add(&x->body, converted);
    else gm__export_number(&x->body, number, dtype);
    gm__builder_add(&x->body, ";\n");
}

static void exloop_plain(gm__export *x, const gm_shape *shape, int32_t to, int32_t from) {
    exloop_copy(x, shape, to, 0, NULL, from, 0, 0);
}

void gm__export_copy(gm__export *x, int32_t to, int32_t from) { exloop_plain(x, &x->t[to]->shape, to, from); }

void gm__export_fill(gm__export *x, int32_t to, double number) {
    exloop_copy(x, &x->t[to]->shape, to, 0, NULL, -1, 0, number);
}

static bool exloop_cast(gm__export *x, const gm__node *n) {
    exloop_plain(x, &x->t[n->out]->shape, n->out, n->in[0]);
    return true;
}

static bool exloop_assign(gm__export *x, const gm__node *n) {
    if (x->root[n->in[0]] == x->root[n->in[1]]) return gm__export_refuse(x, "a value that is assigned to itself");
    exloop_plain(x, &x->t[n->in[0]]->shape, n->in[0], n->in[1]);
    return true;
}

static bool exloop_concat(gm__export *x, const gm__node *n) {
    int64_t dim = gm__export_i64(n, "dim", 0), at = 0;
    const gm_tensor *y = x->t[n->out];
    for (int i = 0; i < n->n_in; i++) {
        const gm_shape *s = &x->t[n->in[i]]->shape;
        exloop_copy(x, s, n->out, at * y->stride[dim], y->stride, n->in[i], 0, 0);
        at += s->d[dim];
    }
    return true;
}

static bool exloop_unslice(gm__export *x, const gm__node *n) {
    int64_t dim = gm__export_i64(n, "dim", 0), stride[GM_MAX_DIMS];
    const gm_tensor *y = x->t[n->out];
    memcpy(stride, y->stride, sizeof stride);
    stride[dim] *= gm__export_i64(n, "step", 0);
    exloop_copy(x, &y->shape, n->out, 0, NULL, -1, 0, 0);
    exloop_copy(x, &x->t[n->in[0]]->shape, n->out, gm__export_i64(n, "start", 0) * y->stride[dim], stride, n->in[0], 0,
              0);
    return true;
}

static bool exloop_pad(gm__export *x, const gm__node *n) {
    const gm_shape *low = gm__export_field(n, "low"), *high = gm__export_field(n, "high");
    const gm_tensor *from = x->t[n->in[0]], *y = x->t[n->out];
    gm_shape inside = from->shape;
    int64_t skip = 0, to = 0;
    exloop_copy(x, &y->shape, n->out, 0, NULL, -1, 0, gm__export_f64(n, "value"));
    for (int d = 0; d < inside.n; d++) {
        inside.d[d] += (low->d[d] < 0 ? low->d[d] : 0) + (high->d[d] < 0 ? high->d[d] : 0);
        if (inside.d[d] <= 0) return true;
        if (low->d[d] < 0) skip -= low->d[d] * from->stride[d];
        else to += low->d[d] * y->stride[d];
    }
    exloop_copy(x, &inside, n->out, to, y->stride, n->in[0], skip, 0);
    return true;
}

/* start + index * step in f64, converted once. */
static bool exloop_fill(gm__export *x, const gm__node *n) {
    double start = gm__export_f64(n, "start"), step = gm__export_f64(n, "step");
    const gm_tensor *y = x->t[n->out];
    char name[GM__EXPORT_NAME], e[EXLOOP_TEXT], out[EXLOOP_TEXT];
    int64_t count = gm_shape_count(y->shape);
    if (!count) return true;
    if (step == 0 && (gm_is_float(y->dtype) ? y->dtype == GM_F32 || y->dtype == GM_F64 : fabs(start) < 0x1p62))
        return exloop_copy(x, &y->shape, n->out, 0, NULL, -1, 0, start), true;
    snprintf(e, sizeof e, "%a + (double)i * %a", start, step);
    exloop_convert(e, GM_F64, y->dtype, out);
    gm__export_line(x, "for (int64_t i = 0; i < %" PRId64 "; i++) (%s)[i] = %s;", count,
                    gm__export_at(x, n->out, name), out);
    return true;
}

/* ---- elementwise ---- */

/* The domain, by the rules of elementwise.c. */
static gm_dtype exloop_domain(const gm__export *x, const gm__node *n) {
    const gm__ew *e = n->op->extra;
    gm_tensor *in[3];
    int skip = e->gives == GM__EW_COND;
    if (e->gives != GM__EW_BOOL) return gm__domain(x->t[n->out]->dtype);
    for (int i = skip; i < n->n_in; i++) in[i - skip] = x->t[n->in[i]];
    gm_dtype d = gm__promote_tensors(in, n->n_in - skip);
    if (e->takes == 'F' && !gm_is_float(d)) d = GM_F32;
    for (int i = 0; i < e->n_par && !gm_is_float(d); i++) {
        double p = ((const gm__ew_attrs *)n->attrs)->p[i];
        if (p != floor(p)) d = GM_F32;
    }
    return d == GM_BOOL && e->n_par ? GM_I64 : gm__domain(d);
}

/* Expressions over unsigned numbers, which wrap. */
static const char *exloop_wrapping(const char *op) {
    static const char *const table[][2] = {
        { "add", "(U)a + (U)b" }, { "sub", "(U)a - (U)b" }, { "mul", "(U)a * (U)b" }, { "neg", "0 - (U)a" },
        { "square", "(U)a * (U)a" }, { "add_scalar", "(U)a + (U)p0" }, { "rsub_scalar", "(U)p0 - (U)a" },
        { "mul_scalar", "(U)a * (U)p0" },
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (!strcmp(table[i][0], op)) return table[i][1];
    return NULL;
}

/* The function of node n, once per operation and domain. */
static void exloop_define(gm__export *x, const gm__node *n, gm_dtype domain) {
    const gm__ew *e = n->op->extra;
    const gm__export_type *t = &gm__export_types[gm__export_type_of(domain)];
    const char *wraps = gm_is_float(domain) ? NULL : exloop_wrapping(n->op->name);
    for (int32_t i = 0; i < x->node; i++)
        if (x->op_used[i] && x->g->node[i].op == n->op && exloop_domain(x, &x->g->node[i]) == domain) return;
    gm__builder_format(&x->ops, "#undef T\n#undef U\n#undef M\n#define T %s\n#define U u%s\n#define M(f) f##_%s\n",
                       t->c, t->c, t->suffix);
    gm__builder_format(&x->ops, "GM_INLINE T ew_%s_%s(T a", n->op->name, t->suffix);
    for (int i = 1; i < e->n_in; i++) gm__builder_format(&x->ops, ", T %c", 'a' + i);
    for (int i = 0; i < e->n_par; i++) gm__builder_format(&x->ops, ", T p%d", i);
    gm__builder_format(&x->ops, ") { return (T)(%s); }\n", wraps ? wraps : e->expression);
}

static bool exloop_elementwise(gm__export *x, const gm__node *n) {
    const gm__ew *e = n->op->extra;
    const gm_tensor *y = x->t[n->out];
    gm_dtype domain = exloop_domain(x, n);
    exloop_nest l = { 0 };
    gm__builder call = { 0 };
    char left[EXLOOP_TEXT], word[EXLOOP_TEXT], *value;
    if (gm__export_type_of(domain) < 0) return gm__export_refuse(x, "of this type");
    if (!gm_shape_count(y->shape)) return true;
    exloop_define(x, n, domain);
    x->op_used[x->node] = true;
    exloop_add(&l, x, n->out, &y->shape);
    for (int i = 0; i < n->n_in; i++) exloop_add(&l, x, n->in[i], &y->shape);
    exloop_settle(&l, &y->shape);
    gm__builder_format(&call, "ew_%s_%s(", n->op->name, gm__export_types[gm__export_type_of(domain)].suffix);
    for (int i = 0; i < n->n_in; i++) {
        exloop_index(&l, i + 1, left);
        exloop_convert(left, x->t[n->in[i]]->dtype, domain, word);
        gm__builder_format(&call, i ? ", %s" : "%s", word);
    }
    for (int i = 0; i < e->n_par; i++) {
        gm__builder_add(&call, ", ");
        gm__export_number(&call, ((const gm__ew_attrs *)n->attrs)->p[i], domain);
    }
    gm__builder_add(&call, ")");
    exloop_index(&l, 0, left);
    exloop_open(x, &l);
    value = call.text;
    char converted[EXLOOP_TEXT];
    exloop_convert("#", domain, y->dtype, converted);
    char *hole = strchr(converted, '#');
    if (hole && value)
        gm__builder_format(&x->body, "%s = %.*s%s%s;\n", left, (int)(hole - converted), converted, value, hole + 1);
    gm__builder_free(&call);
    return true;
}

/* ---- the table ---- */

static const struct { const char *name; bool (*write)(gm__export *x, const gm__node *n); } exloop_writers[] = {
    { "cast", exloop_cast }, { "layout", exloop_cast }, { "assign", exloop_assign }, { "concat", exloop_concat },
    { "unslice", exloop_unslice }, { "pad", exloop_pad }, { "fill", exloop_fill },
};

bool gm__export_loops(gm__export *x, const gm__node *n, bool *done) {
    *done = true;
    if (n->op->flags & GM_OP_ELEMENTWISE && n->op->extra) return exloop_elementwise(x, n);
    for (size_t i = 0; i < sizeof exloop_writers / sizeof *exloop_writers; i++)
        if (!strcmp(exloop_writers[i].name, n->op->name)) return exloop_writers[i].write(x, n);
    *done = false;
    return true;
}
