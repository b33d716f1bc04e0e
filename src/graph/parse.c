/* parse.c: a graph from its text.
 *
 * Each line's call is recorded again, as the trace recorded it: shapes, dtypes and layouts are those that the operation
 * gives for what it is applied to, and what the text says of them has to agree. The text may come from anybody's file:
 * a line can only use what stands before it, numbers are bounded, and messages name the line and what it makes. */
#include "../math/fp.h"
#include "control.h"
#include "text_form.h"
#include "trace.h"
#include "../base/args.h"
#include "../base/decimal.h"
#include "../base/grow.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* What is larger is no size, and sums and products of sizes must not overflow. */
enum { PARSE_MAX_DEPTH = 16, PARSE_MAX_VALUES = 1 << 20 };
#define PARSE_MAX_NUMBER ((int64_t)1 << 31)

typedef struct { int64_t label; int32_t value; } parse_label;

/* What the lines of one graph share with those of the graphs inside of it. */
typedef struct {
    const char *at;
    int64_t line, n_values;
    gm_pack *given, *tensors; /* by the caller; those of the text so far */
    const gm_graph_parse_args *args;
} parse_text;

typedef struct {
    parse_text *p;
    gm__trace trace;
    parse_label *label;
    int64_t n, capacity;
    gm__affines numbers, sizes; /* that depend on the batch: of the call being read; of its results, by their places */
    int depth;
} parse_state;

/* ---- letters and words ---- */

static bool parse_fail(const char *what, const parse_text *p) {
    int n = (int)strcspn(p->at, " \n");
    return gm_fail(GM_ERROR_FORMAT, *p->at ? "graph: %s before \"%.*s\"" : "graph: the text ends: %s", what,
                   n ? (n < 60 ? n : 60) : 1, p->at);
}

/* To the next thing on this line. */
static void parse_skip(parse_text *p) {
    p->at += strspn(p->at, " \t\r");
    if (*p->at == ';') p->at += strcspn(p->at, "\n");
}

static bool parse_is(parse_text *p, const char *what) {
    size_t n = strlen(what);
    parse_skip(p);
    if (strncmp(p->at, what, n) || (gm__graph_word(what[n - 1]) && gm__graph_word(p->at[n]))) return false;
    p->at += n;
    return true;
}

static bool parse_want(parse_text *p, const char *what) {
    char text[40];
    if (parse_is(p, what)) return true;
    snprintf(text, sizeof text, "%.20s is missing", *what == '\n' ? "the end of the line" : what);
    return parse_fail(text, p);
}

/* To the next line that says something. */
static void parse_lines(parse_text *p) {
    while (parse_skip(p), *p->at == '\n') p->at++, p->line++;
}

static bool parse_word(parse_text *p, char *word, size_t bytes) {
    parse_skip(p);
    size_t n = 0;
    while (gm__graph_word(p->at[n])) n++;
    if (!n || n >= bytes) return parse_fail(n ? "a word is too long" : "a word is missing", p);
    memcpy(word, p->at, n);
    word[n] = 0;
    p->at += n;
    return true;
}

static int parse_escape(const char *s, unsigned *code) {
    static const char letter[] = "bfnrt\"\\/", plain[] = "\b\f\n\r\t\"\\/";
    const char *found = s[1] ? strchr(letter, s[1]) : NULL;
    if (found) return *code = (unsigned char)plain[found - letter], 2;
    int n = 0;
    return s[1] == 'u' && sscanf(s + 2, "%4x%n", code, &n) == 1 && n == 4 && *code && *code < 128 ? 6 : 0;
}

/* A string in quotes, with JSON's escapes; freed by the caller. */
static char *parse_string(parse_text *p) {
    gm__builder b = { 0 };
    if (!parse_want(p, "\"")) return NULL;
    gm__builder_add(&b, "");
    while (*p->at && *p->at != '"' && *p->at != '\n') {
        unsigned code = (unsigned char)*p->at;
        int n = *p->at == '\\' ? parse_escape(p->at, &code) : 1;
        if (!n) return gm__builder_free(&b), parse_fail("a bad escape", p), NULL;
        gm__builder_fill(&b, (char)code, 1);
        p->at += n;
    }
    if (b.failed || !parse_want(p, "\"")) return gm__builder_free(&b), NULL;
    return b.text;
}

/* ---- numbers ---- */

static bool parse_whole(parse_text *p, int64_t *n) {
    uint64_t sum = 0;
    parse_skip(p);
    bool minus = *p->at == '-', digits = false;
    if (minus || *p->at == '+') p->at++;
    for (; *p->at >= '0' && *p->at <= '9'; p->at++, digits = true) {
        unsigned d = (unsigned)(*p->at - '0');
        if (sum > ((uint64_t)INT64_MAX + minus - d) / 10) return parse_fail("a number is too large", p);
        sum = sum * 10 + d;
    }
    *n = minus ? (int64_t)(0 - sum) : (int64_t)sum;
    return digits || parse_fail("a number is missing", p);
}

static bool parse_bounded(parse_text *p, int64_t *n) {
    return parse_whole(p, n) &&
           ((*n <= PARSE_MAX_NUMBER && *n >= -PARSE_MAX_NUMBER) || parse_fail("the number is too large", p));
}

/* A number, or one that depends on the batch: noted in `list`, for `of` and `slot`. */
static bool parse_number(parse_state *s, int64_t *n, gm__affines *list, int64_t of, int64_t slot) {
    parse_text *p = s->p;
    gm__affine f = { (int32_t)of, (int32_t)slot, 1, 0 };
    parse_skip(p);
    if (*p->at != 'B' && !parse_bounded(p, &f.a)) return false;
    *n = f.a;
    if (*p->at == '*') p->at++;
    else if (*p->at != 'B') return true;
    if (*p->at++ != 'B') return p->at--, parse_fail("B is missing", p);
    if ((*p->at == '+' || *p->at == '-') && !parse_bounded(p, &f.b)) return false;
    const gm_graph *g = s->trace.graph;
    if (!g->batch) return parse_fail("B without a line \"batch\"", p);
    if (__builtin_mul_overflow(f.a, g->batch, n) || __builtin_add_overflow(*n, f.b, n) ||
        *n > PARSE_MAX_NUMBER || *n < -PARSE_MAX_NUMBER)
        return parse_fail("the number is too large", p);
    return gm__affine_add(list, f);
}

static bool parse_real(parse_text *p, double *x) {
    size_t used;
    parse_skip(p);
    bool minus = *p->at == '-';
    if (!strncmp(p->at + minus, "inf", 3)) *x = minus ? -INFINITY : INFINITY, used = 3u + minus;
    else if (!strncmp(p->at, "nan", 3)) *x = NAN, used = 3;
    else *x = gm__decimal_f64(p->at, strnlen(p->at, 64), &used);
    p->at += used;
    return used || parse_fail("a number is missing", p);
}

/* ---- values ---- */

/* Sizes that depend on the batch are noted for place `v`. */
static bool parse_type(parse_state *s, int64_t v, gm_spec *t, bool *last) {
    char word[32];
    *t = (gm_spec){ 0 };
    if (!parse_word(s->p, word, sizeof word)) return false;
    t->dtype = gm_dtype_of_name(word);
    if (!t->dtype) return parse_fail("a dtype is missing", s->p);
    if (!parse_want(s->p, "[")) return false;
    while (!parse_is(s->p, "]")) {
        if (t->shape.n == GM_MAX_DIMS) return parse_fail("too many dimensions", s->p);
        if (t->shape.n && !parse_want(s->p, ",")) return false;
        int i = t->shape.n++;
        if (!parse_number(s, &t->shape.d[i], &s->sizes, v, i)) return false;
    }
    *last = parse_is(s->p, "channels_last");
    return gm__value_bytes(&t->shape, t->dtype) >= 0 || parse_fail("sizes that cannot be", s->p);
}

/* What stands at %LABEL: the last label before it or at it, counted from the end. */
static int32_t parse_find(const parse_state *s, int64_t label) {
    int64_t low = 0, high = s->n;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (s->label[middle].label < label) low = middle + 1;
        else high = middle;
    }
    return low < s->n && s->label[low].label == label ? s->label[low].value : -1;
}

static bool parse_new_label(parse_state *s, int64_t label) {
    if (s->n && s->label[s->n - 1].label >= label) return parse_fail("values are not in order", s->p);
    if (++s->p->n_values > PARSE_MAX_VALUES)
        return gm_fail(GM_ERROR_UNSUPPORTED, "graph: over %d values", PARSE_MAX_VALUES);
    if (!gm__grow(&s->label, s->n, &s->capacity, sizeof *s->label)) return false;
    s->label[s->n++] = (parse_label){ label, -1 };
    return true;
}

static char *parse_tensor_name(parse_text *p) {
    char word[512];
    if (*p->at == '"') return parse_string(p);
    return parse_word(p, word, sizeof word) ? gm_strdup(word) : NULL;
}

/* The value of a tensor that an earlier line describes. */
static bool parse_captured(parse_state *s, int32_t *v) {
    char *name = parse_tensor_name(s->p);
    if (!name) return false;
    gm_tensor *t = gm_pack_has(s->p->tensors, name) ? gm_get(s->p->tensors, name) : NULL;
    *v = t ? gm__trace_value(&s->trace, t) : -1;
    if (!t) gm_fail(GM_ERROR_FORMAT, "graph: no line before says what @%.200s is", name);
    gm__value *value = *v < 0 ? NULL : &s->trace.graph->value[*v];
    if (!value || value->name) return gm_free(name), value != NULL;
    value->name = name;
    return true;
}

static bool parse_value(parse_state *s, int32_t *v) {
    int64_t label;
    if (parse_is(s->p, "@")) return parse_captured(s, v);
    if (!parse_want(s->p, "%") || !parse_whole(s->p, &label)) return false;
    *v = parse_find(s, label);
    return *v >= 0 || gm_fail(GM_ERROR_FORMAT, "graph: %%%lld is used before anything makes it", (long long)label);
}

/* ---- attributes ---- */

static bool parse_graph(parse_state *s);

/* A graph in braces. */
static bool parse_inner(parse_state *s, void **object) {
    parse_state inner = { .p = s->p, .depth = s->depth + 1 };
    if (!parse_is(s->p, "{")) return parse_fail("an object that is no graph has no text", s->p);
    if (inner.depth > PARSE_MAX_DEPTH) return parse_fail("graphs are nested too deeply", s->p);
    int64_t before = gm_where_push("graph inside");
    bool ok = parse_graph(&inner) && parse_want(s->p, "}");
    gm_where_pop(before);
    *object = inner.trace.graph; /* owned by the scope, too */
    gm__trace_free(&inner.trace);
    return ok;
}

/* Of random operations and labels all numbers are good. */
static bool parse_is_free(const gm_op *op, const gm_attr *a) {
    return (op->flags & GM_OP_RANDOM && (!strcmp(a->name, "key") || !strcmp(a->name, "count"))) ||
           !strcmp(a->name, "ignore");
}

static bool parse_i64(parse_state *s, const gm_op *op, const gm_attr *a, int64_t *n, int64_t slot) {
    char word[32];
    if (gm__attr_is_draw(op, a) && parse_is(s->p, "draw")) {
        if (!parse_whole(s->p, n)) return false;
        if (*n < 0 || *n >= s->trace.graph->n_draws) return parse_fail("no such draw", s->p);
        *n += GM__DRAW;
        return true;
    }
    parse_skip(s->p);
    if (!strcmp(a->name, "dtype") && *s->p->at > '9')
        return parse_word(s->p, word, sizeof word) &&
               ((*n = gm_dtype_of_name(word)) || parse_fail("a dtype is missing", s->p));
    if (parse_is_free(op, a)) return parse_whole(s->p, n);
    return parse_number(s, n, &s->numbers, 0, slot);
}

static bool parse_text_attr(parse_text *p, const gm_attr *a, char *at) {
    char *text = parse_string(p);
    bool fits = text && strlen(text) < (size_t)a->count;
    if (fits) strcpy(at, text);
    gm_free(text);
    return fits || parse_fail("the text is too long", p);
}

static bool parse_item(parse_state *s, const gm_op *op, const gm_attr *a, char *at, int64_t slot) {
    int64_t n = 0;
    if (a->kind == GM_ATTR_F64 || a->kind == GM_ATTR_F64S) return parse_real(s->p, (double *)at);
    if (a->kind == GM_ATTR_TEXT) return parse_text_attr(s->p, a, at);
    if (a->kind == GM_ATTR_OBJECT) return parse_inner(s, (void **)at);
    if (a->kind != GM_ATTR_I32) return parse_i64(s, op, a, (int64_t *)at, slot);
    if (!parse_bounded(s->p, &n) || (int32_t)n != n) return parse_fail("the number is too large", s->p);
    *(int32_t *)at = (int32_t)n;
    return true;
}

static bool parse_list(parse_state *s, const gm_op *op, const gm_attr *a, char *at) {
    bool shape = a->kind == GM_ATTR_SHAPE;
    int n = 0, most = shape ? GM_MAX_DIMS : a->count;
    int64_t slot = (int64_t)(a->offset + (shape ? offsetof(gm_shape, d) : 0));
    if (!parse_want(s->p, "[")) return false;
    for (; !parse_is(s->p, "]"); n++) {
        if (n == most) return parse_fail("the list is too long", s->p);
        if (n && !parse_want(s->p, ",")) return false;
        if (!parse_item(s, op, a, at + slot + 8 * n, slot + 8 * n)) return false;
    }
    if (shape) ((gm_shape *)(at + a->offset))->n = n;
    return true;
}

static bool parse_attr(parse_state *s, const gm_op *op, char *attrs, uint64_t *seen) {
    char name[64];
    if (!parse_word(s->p, name, sizeof name) || !parse_want(s->p, "=")) return false;
    const gm_attr *a = op->attrs;
    while (a && a->name && strcmp(a->name, name)) a++;
    if (!a || !a->name) return gm_fail(GM_ERROR_FORMAT, "graph: %s has no attribute \"%s\"", op->name, name);
    uint64_t bit = (uint64_t)1 << ((a - op->attrs) & 63);
    if (*seen & bit) return parse_fail("an attribute is there twice", s->p);
    *seen |= bit;
    if (!gm__attr_is_list(a)) return parse_item(s, op, a, attrs + a->offset, (int64_t)a->offset);
    size_t begin = a->kind == GM_ATTR_SHAPE ? offsetof(gm_shape, d) : 0;
    memset(attrs + a->offset + begin, 0, a->kind == GM_ATTR_SHAPE ? sizeof(gm_shape) - begin : gm__attr_bytes(a));
    return parse_list(s, op, a, attrs);
}

/* ---- calls ---- */

/* Inputs, then attributes, up to the closing bracket. */
static bool parse_arguments(parse_state *s, gm__node *n, int32_t *in, char *attrs) {
    bool values = true;
    uint64_t seen = 0;
    for (int i = 0; !parse_is(s->p, ")"); i++) {
        if (i && !parse_want(s->p, ",")) return false;
        parse_skip(s->p);
        values = values && (*s->p->at == '%' || *s->p->at == '@' || *s->p->at == '-');
        if (!values && !parse_attr(s, n->op, attrs, &seen)) return false;
        if (!values) continue;
        if (n->n_in == GM__WALK_MAX) return parse_fail("too many inputs", s->p);
        in[n->n_in] = -1;
        if (!parse_is(s->p, "-") && !parse_value(s, &in[n->n_in])) return false;
        n->n_in++;
    }
    for (int i = 0; i < n->n_in; i++)
        if (in[i] < 0 && (i < n->op->min_in || n->op->max_in < 0)) return parse_fail("an input is absent", s->p);
    return (n->n_in >= n->op->min_in && (n->op->max_in < 0 || n->n_in <= n->op->max_in)) ||
           gm_fail(GM_ERROR_FORMAT, "graph: %s of %d inputs, %d to %d are taken", n->op->name, n->n_in, n->op->min_in,
                   n->op->max_in);
}

static const gm_op *parse_find_op(const parse_text *p, const char *name) {
    for (int64_t i = 0; i < p->args->n_ops; i++)
        if (!strcmp(p->args->ops[i]->name, name)) return p->args->ops[i];
    const gm_op *op = gm_op_find(name);
    return op ? op : gm__control_find(name);
}

/* NAME, or NAME.vVERSION of another version than the first. */
static const gm_op *parse_op(parse_text *p, int32_t *version) {
    char name[128], *dot;
    if (!parse_word(p, name, sizeof name)) return NULL;
    int64_t v = 1;
    if ((dot = strstr(name, ".v"))) {
        parse_text rest = { .at = dot + 2 };
        *dot = 0;
        if (!parse_bounded(&rest, &v) || *rest.at || v < 1) return parse_fail("a bad version", p), NULL;
    }
    const gm_op *op = parse_find_op(p, name);
    if (!op) return gm_fail(GM_ERROR_UNSUPPORTED, "graph: there is no operation \"%s\"", name), NULL;
    if (v > op->version)
        return gm_fail(GM_ERROR_UNSUPPORTED, "graph: %s has version %lld, this library knows it up to version %d", name,
                       (long long)v, op->version),
               NULL;
    *version = (int32_t)v;
    return op;
}

static bool parse_same_type(const parse_state *s, const gm_spec *said, int32_t v) {
    const gm__value *got = &s->trace.graph->value[v];
    char a[200], b[200];
    if (said->dtype == got->dtype && gm_shape_equal(said->shape, got->shape)) return true;
    return gm_fail(GM_ERROR_FORMAT, "graph: the text says %s%s, it is %s%s", gm_dtype_name(said->dtype),
                   gm_shape_text(said->shape, a, sizeof a), gm_dtype_name(got->dtype),
                   gm_shape_text(got->shape, b, sizeof b));
}

/* The numbers belong to the node recorded last: before it there may be the copy that a view needs. */
static bool parse_keep_noted(parse_state *s, int64_t first_label) {
    gm_graph *g = s->trace.graph;
    for (int64_t i = 0; i < s->numbers.n; i++) {
        s->numbers.at[i].of = (int32_t)(g->n_nodes - 1);
        if (!gm__affine_add(&g->numbers, s->numbers.at[i])) return false;
    }
    for (int64_t i = 0; i < s->sizes.n; i++) {
        s->sizes.at[i].of = s->label[first_label + s->sizes.at[i].of].value;
        if (!gm__affine_add(&g->sizes, s->sizes.at[i])) return false;
    }
    return true;
}

static bool parse_record(parse_state *s, gm__node *n, const int32_t *in, const char *attrs, const gm_spec *said,
                         int n_said) {
    int32_t out[GM__WALK_MAX];
    int got = gm__trace_put(&s->trace, n, in, n->op->attrs_bytes ? attrs : NULL, out);
    if (got < 0) return false;
    if (got != n_said)
        return gm_fail(GM_ERROR_FORMAT, "graph: %s has %d results, the text names %d", n->op->name, got, n_said);
    for (int j = 0; j < got; j++) {
        s->label[s->n - got + j].value = out[j];
        if (!parse_same_type(s, &said[j], out[j])) return false;
    }
    return true;
}

static bool parse_call(parse_state *s, const gm_spec *said, int n_said) {
    _Alignas(16) char attrs[GM__ATTRS_MAX];
    int32_t in[GM__WALK_MAX], version = 1;
    gm__node n = { .op = parse_op(s->p, &version) };
    if (!n.op || !gm__attr_defaults(n.op, version, attrs) || !parse_want(s->p, "(")) return false;
    if (!parse_arguments(s, &n, in, attrs)) return false;
    if (parse_is(s->p, "in") && !(n.where = parse_string(s->p))) return false;
    n.no_grad = parse_is(s->p, "no_grad");
    bool ok = parse_record(s, &n, in, attrs, said, n_said);
    gm_free(n.where);
    return ok;
}

/* ---- lines ---- */

static bool parse_input(parse_state *s, const gm_spec *said, bool last) {
    if (s->trace.graph->n_nodes) return parse_fail("an input comes after a node", s->p);
    gm_tensor *like = gm__tensor_over(NULL, 0, &said->shape, said->dtype);
    char *name = parse_string(s->p);
    if (like && last && said->shape.n >= 3) gm__strides_channels_last(like);
    gm_tensor *x = like && name ? gm__trace_input(&s->trace, like, name) : NULL;
    gm_free(name);
    if (x) s->label[s->n - 1].value = gm__trace_own_value(&s->trace, x);
    return x != NULL;
}

/* %5 f32[6], %6 i64[6] = what makes them */
static bool parse_made(parse_state *s) {
    gm_spec said[GM__WALK_MAX];
    int64_t label, n = 0;
    bool last = false;
    do {
        if (n == GM__WALK_MAX) return parse_fail("too many results", s->p);
        if (!parse_want(s->p, "%") || !parse_whole(s->p, &label) || !parse_new_label(s, label)) return false;
        if (!parse_type(s, n, &said[n], &last)) return false;
        n++;
    } while (parse_is(s->p, ","));
    if (!parse_want(s->p, "=")) return false;
    bool input = n == 1 && parse_is(s->p, "input");
    if (!(input ? parse_input(s, said, last) : parse_call(s, said, (int)n))) return false;
    return parse_keep_noted(s, s->n - n);
}

/* @name f32[6, 4]: a tensor that the caller has. */
static bool parse_tensor(parse_state *s) {
    gm_spec said;
    bool last, ok = false;
    s->p->at++;
    char *name = parse_tensor_name(s->p);
    gm_tensor *t = name && s->p->given && gm_pack_has(s->p->given, name) ? gm_get(s->p->given, name) : NULL;
    if (!name || !parse_type(s, 0, &said, &last)) ok = false;
    else if (s->sizes.n) parse_fail("the batch in the sizes of a tensor", s->p);
    else if (!t) gm_fail(GM_ERROR_INDEX, "graph: the tensor @%.200s is missing", name);
    else if (t->dtype != said.dtype || !gm_shape_equal(t->shape, said.shape))
        gm_fail(GM_ERROR_SHAPE, "graph: the tensor @%.200s is %s%s, the text says otherwise", name,
                gm_dtype_name(t->dtype), gm__tensor_shape_str(t));
    else ok = gm_pack_set(s->p->tensors, name, t);
    gm_free(name);
    return ok;
}

static bool parse_output(parse_state *s) {
    int32_t v;
    char *name = parse_string(s->p);
    bool ok = name && parse_want(s->p, "=") && parse_value(s, &v) && gm__graph_add_output(s->trace.graph, v, name);
    gm_free(name);
    return ok;
}

static bool parse_gradient(parse_state *s) {
    int32_t of, value;
    if (!parse_want(s->p, "@") || !parse_captured(s, &of) || !parse_want(s->p, "+=") || !parse_value(s, &value))
        return false;
    return gm__graph_add_left(s->trace.graph, of, value);
}

static bool parse_head(parse_state *s, int64_t *into) {
    return parse_bounded(s->p, into) && ((*into > 0 && *into < 1 << 24) || parse_fail("not a count", s->p));
}

static bool parse_line(parse_state *s) {
    if (*s->p->at == '%') return parse_made(s);
    if (*s->p->at == '@') return parse_tensor(s);
    if (parse_is(s->p, "output")) return parse_output(s);
    if (parse_is(s->p, "gradient")) return parse_gradient(s);
    if (parse_is(s->p, "batch")) return parse_head(s, &s->trace.graph->batch);
    if (parse_is(s->p, "draws")) return parse_head(s, &s->trace.graph->n_draws);
    return parse_call(s, NULL, 0) && parse_keep_noted(s, 0);
}

static bool parse_named_line(parse_state *s) {
    char name[80];
    snprintf(name, sizeof name, "line %lld, %.*s", (long long)s->p->line, (int)strcspn(s->p->at, " (=\n") % 60,
             s->p->at);
    int64_t before = gm_where_push(name);
    GM_SCOPE(scope);
    s->numbers.n = s->sizes.n = 0;
    bool ok = parse_line(s) && (*s->p->at == '}' || parse_want(s->p, "\n"));
    if (ok) s->p->line++;
    gm_where_pop(before);
    return ok;
}

static bool parse_graph(parse_state *s) {
    bool ok = gm__trace_begin(&s->trace);
    const char *end = s->depth ? "}" : "end";
    for (;;) {
        parse_lines(s->p);
        if (!ok || (s->depth ? *s->p->at == '}' : parse_is(s->p, end))) break;
        ok = *s->p->at ? parse_named_line(s) : gm_fail(GM_ERROR_FORMAT, "graph: the text ends before \"%s\"", end);
    }
    gm__trace_end(&s->trace);
    gm_free(s->label);
    gm_free(s->numbers.at);
    gm_free(s->sizes.at);
    return gm_ok() && ok;
}

/* ---- the whole ---- */

static bool parse_begin(parse_text *p) {
    int64_t version;
    parse_lines(p);
    if (!parse_is(p, "gemel") || !parse_is(p, "graph") || !parse_whole(p, &version))
        return gm_fail(GM_ERROR_FORMAT, "graph: this is no graph's text");
    if (version > GM__GRAPH_VERSION || version < 1)
        return gm_fail(GM_ERROR_UNSUPPORTED, "graph: the text has version %lld, this library knows up to %d",
                       (long long)version, GM__GRAPH_VERSION);
    return parse_want(p, "\n");
}

/* Comments behind the head are the graph's note. */
static char *parse_note(parse_text *p) {
    const char *begin = p->at;
    for (; *p->at == ';'; p->line++) {
        p->at += strcspn(p->at, "\n");
        if (*p->at) p->at++;
    }
    char *note = p->at > begin ? gm_alloc((size_t)(p->at - begin) + 1) : NULL;
    return note ? memcpy(note, begin, (size_t)(p->at - begin)) : NULL;
}

gm_graph *gm_graph_parse_with(const char *text, gm_pack *tensors, const gm_graph_parse_args *args) {
    gm_graph_parse_args a = { 0 };
    if (!gm_ok() || !gm__args_take("graph_parse", &a, sizeof a, args)) return NULL;
    if (!text) return gm_fail(GM_ERROR_VALUE, "graph_parse: the text is NULL"), NULL;
    gm_scope scope = gm_scope_open();
    parse_text p = { text, 2, 0, tensors ? gm_pack_flatten(tensors) : NULL, gm_pack_new(), &a };
    parse_state s = { .p = &p };
    char *note = gm_ok() && parse_begin(&p) ? parse_note(&p) : NULL;
    bool ok = gm_ok() && parse_graph(&s) && gm__graph_valid(s.trace.graph);
    gm_graph *g = gm_return(&scope, ok ? s.trace.graph : NULL);
    if (g) g->note = note;
    else gm_free(note);
    gm__trace_free(&s.trace);
    return g;
}

gm_graph *gm_graph_parse(const char *text, gm_pack *tensors) { return gm_graph_parse_with(text, tensors, NULL); }
