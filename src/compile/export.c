/* export.c: programs as C99.
 *
 * The optimised graph is walked once: each node becomes loops or a call of a kernel over pointers that are known when
 * the text is written. Buffers are placed in one arena per type, so that no memory is ever seen as two types; nothing
 * is allocated when the program runs. */
#include "../math/fp.h"
#include "export.h"
#include "gemel/export.h"
#include "../base/args.h"
#include "plan.h"
#include "pass.h"
#include "writer.h"
#include "c99.inc"
#include "gemel/autograd.h"
#include "gemel/ops.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const gm__export_type gm__export_types[GM__EXPORT_TYPES] = {
    { GM_F32, "float", "f32", "f", 4 },     { GM_F64, "double", "f64", "d", 8 },
    { GM_I64, "int64_t", "i64", "l", 8 },   { GM_I32, "int32_t", "i32", "i", 4 },
    { GM_U8, "uint8_t", "u8", "b", 1 },     { GM_BOOL, "uint8_t", "bool", "b", 1 },
    { GM_BF16, "uint16_t", "bf16", "h", 2 }, { GM_F16, "uint16_t", "f16", "h", 2 },
};

int gm__export_type_of(gm_dtype dtype) {
    for (int i = 0; i < GM__EXPORT_TYPES; i++)
        if (gm__export_types[i].dtype == dtype) return i;
    return -1;
}

/* ---- what writers use ---- */

bool gm__export_refuse(const gm__export *x, const char *why) {
    const gm__node *n = &x->g->node[x->node];
    return gm_fail(GM_ERROR_UNSUPPORTED, "export_c: %s (node %d%s%s) has no C99 form%s%s", n->op->name, x->node,
                   n->where ? " in " : "", n->where ? n->where : "", *why ? ": " : "", why);
}

const char *gm__export_at(const gm__export *x, int32_t v, char out[GM__EXPORT_NAME]) {
    int32_t r = x->root[v];
    const gm__value *value = r < x->g->n_values ? &x->g->value[r] : NULL;
    int64_t offset = x->t[v]->offset;
    size_t at;
    if (!value) at = (size_t)snprintf(out, GM__EXPORT_NAME, "out%d", r - (int32_t)x->g->n_values);
    else if (value->kind == GM__VALUE_INPUT) at = (size_t)snprintf(out, GM__EXPORT_NAME, "in%d", value->from);
    else if (value->kind == GM__VALUE_CAPTURED)
        at = (size_t)snprintf(out, GM__EXPORT_NAME, x->written[r] ? "s%d" : "w%d", r);
    else at = (size_t)snprintf(out, GM__EXPORT_NAME, "v%d", r);
    if (offset) snprintf(out + at, GM__EXPORT_NAME - at, " + %" PRId64, offset);
    return out;
}

const void *gm__export_field(const gm__node *n, const char *name) {
    for (const gm_attr *a = n->op->attrs; a && a->name; a++)
        if (!strcmp(a->name, name)) return (const char *)n->attrs + a->offset;
    return NULL;
}

int64_t gm__export_i64(const gm__node *n, const char *name, int i) {
    const int64_t *v = gm__export_field(n, name);
    return v ? v[i] : 0;
}

double gm__export_f64(const gm__node *n, const char *name) {
    const double *v = gm__export_field(n, name);
    return v ? *v : 0;
}

const char *gm__export_kernel(gm__export *x, int32_t v, const int *texts) {
    gm_dtype dtype = x->t[v]->dtype;
    if (dtype != GM_F32 && dtype != GM_F64) return gm__export_refuse(x, gm_dtype_name(dtype)), NULL;
    for (; *texts >= 0; texts++) x->used[*texts][dtype == GM_F64] = true;
    return dtype == GM_F64 ? "f64" : "f32";
}

void gm__export_line(gm__export *x, const char *format, ...) {
    char line[1024];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (n >= (int)sizeof line) x->body.failed = true, gm_fail(GM_ERROR_INTERNAL, "export_c: a line of %d bytes", n);
    gm__builder_format(&x->body, "    %s\n", line);
}

/* ---- where values lie ---- */

static bool export_is_view(const gm__node *n) { return n->op->flags & GM_OP_VIEW; }

static bool export_is_own(const gm_graph *g, int32_t v) {
    return g->value[v].kind == GM__VALUE_NODE && !export_is_view(&g->node[g->value[v].from]);
}

static gm_tensor *export_tensor(const gm_shape *shape, gm_dtype dtype, const int64_t *stride) {
    gm_storage *s = gm__object_make(&gm__storage_type);
    gm_tensor *t = s ? gm__tensor_over(s, 0, shape, dtype) : NULL;
    gm_release(s);
    if (t && stride) memcpy(t->stride, stride, (size_t)shape->n * sizeof *stride);
    return t;
}

static bool export_view(gm__export *x, const gm__node *n) {
    gm_tensor *in[GM__WALK_MAX], *out[GM__WALK_MAX] = { NULL };
    for (int i = 0; i < n->n_in; i++) in[i] = n->in[i] < 0 ? NULL : x->t[n->in[i]];
    gm_op_args a = { n->op, n->n_in, n->n_out, in, n->attrs };
    if (!n->op->kernel(&a, out)) return false;
    for (int j = 0; j < n->n_out; j++) {
        x->t[n->out + j] = gm_retain(out[j]);
        x->root[n->out + j] = x->root[n->in[0]];
    }
    return true;
}

/* What reads constant v: weights of convolutions only, of linear layers only, or else. */
enum { EXPORT_UNREAD, EXPORT_CONV, EXPORT_LINEAR, EXPORT_ELSE };

static void export_readers(const gm_graph *g, char *reads) {
    for (int64_t i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->node[i].n_in; k++) {
            int32_t v = g->node[i].in[k];
            const char *op = g->node[i].op->name;
            if (v < 0) continue;
            char how = (char)(k == 1 && !strcmp(op, "conv")     ? EXPORT_CONV
                              : k == 1 && !strcmp(op, "linear") ? EXPORT_LINEAR
                                                                : EXPORT_ELSE);
            reads[v] = (char)(reads[v] == EXPORT_UNREAD || reads[v] == how ? how : EXPORT_ELSE);
        }
    for (int64_t i = 0; i < g->n_out; i++) reads[g->out[i].value] = EXPORT_ELSE;
}

/* Weights of convolutions with channels last, of linear layers transposed, in rows that suit tiles. */
static void export_move(gm__export *x, int32_t v, int how) {
    gm_tensor *t = x->t[v];
    int64_t *s = t->stride;
    const int64_t *d = t->shape.d;
    if (how == EXPORT_LINEAR) {
        s[0] = 1, s[1] = (d[0] + 15) & ~(int64_t)15;
    } else {
        int64_t step = d[1];
        s[1] = 1;
        for (int i = t->shape.n - 1; i >= 2; i--) s[i] = step, step *= d[i];
        s[0] = step % 1024 ? step : step + 16;
    }
    x->moved[v] = true;
}

static bool export_moves(gm__export *x) {
    const gm_graph *g = x->g;
    char *reads = gm_alloc((size_t)g->n_values + 1);
    if (reads) export_readers(g, reads);
    for (int32_t v = 0; reads && v < g->n_values; v++) {
        bool f = g->value[v].dtype == GM_F32 || g->value[v].dtype == GM_F64;
        if (g->value[v].kind != GM__VALUE_CAPTURED || x->written[v] || !f) continue;
        if (gm_shape_count(g->value[v].shape) && (reads[v] == EXPORT_CONV || reads[v] == EXPORT_LINEAR))
            export_move(x, v, reads[v]);
    }
    gm_free(reads);
    return reads != NULL;
}

static bool export_values(gm__export *x) {
    const gm_graph *g = x->g;
    for (int32_t v = 0; v < g->n_values; v++) {
        const gm__value *value = &g->value[v];
        x->root[v] = v;
        if (gm__export_type_of(value->dtype) < 0)
            return gm_fail(GM_ERROR_UNSUPPORTED, "export_c: %s has no C99 form: a value of %s",
                           value->kind == GM__VALUE_NODE ? g->node[value->from].op->name : "an input or a parameter",
                           gm_dtype_name(value->dtype));
        if (value->kind == GM__VALUE_NODE && !export_is_own(g, v)) continue;
        x->t[v] = gm_retain(export_tensor(&value->shape, value->dtype, value->stride));
        if (!x->t[v]) return false;
    }
    if (!export_moves(x)) return false;
    for (int64_t i = 0; i < g->n_nodes; i++)
        if (export_is_view(&g->node[i]) && !export_view(x, &g->node[i])) return false;
    for (int32_t i = 0; i < g->n_out; i++) {
        const gm__value *value = &g->value[g->out[i].value];
        x->root[g->n_values + i] = (int32_t)g->n_values + i;
        x->t[g->n_values + i] = gm_retain(export_tensor(&value->shape, value->dtype, NULL));
        if (!x->t[g->n_values + i]) return false;
    }
    return true;
}

int64_t gm__export_extent(const gm__export *x, int32_t v) {
    const gm_tensor *t = x->t[v];
    int64_t n = 1;
    if (x->moved[v]) return t->stride[0] == 1 ? t->shape.d[1] * t->stride[1] : t->shape.d[0] * t->stride[0];
    for (int d = 0; d < t->shape.n; d++) n += (t->shape.d[d] ? t->shape.d[d] - 1 : 0) * t->stride[d];
    return n;
}

const void *gm__export_elements(const gm__export *x, int32_t v, void **owned) {
    const gm__value *value = &x->g->value[v];
    *owned = NULL;
    if (!x->moved[v]) return gm__data(value->captured);
    if (!(*owned = gm_alloc((size_t)(gm__export_extent(x, v) * gm__element_bytes(value->dtype))))) return NULL;
    gm__operand from = gm__operand_of(value->captured), to = from;
    to.data = *owned;
    memcpy(to.stride, x->t[v]->stride, sizeof to.stride);
    gm__copy(&value->shape, &from, &to);
    return *owned;
}

/* Captured tensors must be places of their own where the program writes, and lie forwards. */
static bool export_check_captured(const gm__export *x) {
    const gm_graph *g = x->g;
    for (int64_t v = 0; v < g->n_values; v++) {
        const gm__value *a = &g->value[v];
        if (a->kind != GM__VALUE_CAPTURED) continue;
        if (!gm__has_data(a->captured)) return false;
        for (int d = 0; d < a->shape.n; d++)
            if (a->stride[d] < 0)
                return gm_fail(GM_ERROR_UNSUPPORTED, "export_c: a captured tensor that lies backwards");
        for (int64_t u = 0; u < g->n_values; u++)
            if (u != v && g->value[u].kind == GM__VALUE_CAPTURED && (x->written[u] || x->written[v]) &&
                g->value[u].captured->storage == a->captured->storage)
                return gm_fail(GM_ERROR_UNSUPPORTED, "export_c: a state that is seen through two tensors");
    }
    return true;
}

/* ---- the arenas ---- */

enum { EXPORT_SLACK = 64 }; /* elements that a kernel may read behind the last buffer */

static void export_use(const gm__export *x, int64_t *last, int32_t v, int64_t step) {
    if (v >= 0 && last[x->root[v]] < step) last[x->root[v]] = step;
}

static void export_lives(const gm__export *x, int64_t *last) {
    const gm_graph *g = x->g;
    for (int64_t v = 0; v < g->n_values; v++) last[v] = g->value[v].kind == GM__VALUE_NODE ? g->value[v].from : 0;
    for (int64_t i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->node[i].n_in; k++) export_use(x, last, g->node[i].in[k], i);
    for (int64_t i = 0; i < g->n_out; i++) export_use(x, last, g->out[i].value, g->n_nodes);
}

/* Places the buffers of one type; their elements in all. */
static int64_t export_place(gm__export *x, int type, const int64_t *last, gm__buffer *b) {
    const gm_graph *g = x->g;
    int64_t n = 0, live = 0, bytes, size = gm__export_types[type].bytes;
    for (int pass = 0; pass < 2; pass++) {
        n = 0;
        for (int32_t v = 0; v < g->n_values; v++) {
            if (!export_is_own(g, v) || g->value[v].dtype != gm__export_types[type].dtype) continue;
            if (pass) x->place[v] = b[n].offset / size;
            else b[n] = (gm__buffer){ gm_shape_count(g->value[v].shape) * size, g->value[v].from, last[v], 0 };
            if (!pass && !b[n].bytes) b[n].bytes = 1;
            n++;
        }
        if (!pass && (bytes = gm__place_buffers(b, n, &live)) < 0) return -1;
    }
    return bytes / size;
}

static bool export_arenas(gm__export *x) {
    size_t n = (size_t)x->g->n_values + 1;
    int64_t *last = gm_alloc(n * sizeof *last);
    gm__buffer *b = gm_alloc(n * sizeof *b);
    if (last && b) export_lives(x, last);
    for (int i = 0; last && b && i < GM__EXPORT_TYPES; i++) {
        x->arena[i] = export_place(x, i, last, b);
        if (x->arena[i]) x->arena[i] += EXPORT_SLACK;
    }
    gm_free(last);
    gm_free(b);
    return gm_ok();
}

/* ---- nodes ---- */

static void export_comment(gm__export *x, const gm__node *n) {
    char name[GM__EMITTED_NAME];
    gm__builder_format(&x->body, "\n    /* %d: %s", x->node, gm__emitted_name(n->op->name, name));
    for (int j = 0; j < n->n_out; j++)
        gm__builder_format(&x->body, " %s", gm__shape_str(&x->t[n->out + j]->shape));
    if (n->where) gm__builder_format(&x->body, " in %s", gm__emitted_name(n->where, name));
    gm__builder_add(&x->body, " */\n");
}

static void export_declare(gm__export *x, const gm__node *n) {
    for (int j = 0; j < n->n_out; j++) {
        int32_t v = n->out + j;
        const gm__export_type *t = &gm__export_types[gm__export_type_of(x->t[v]->dtype)];
        gm__builder_format(&x->body, "    %s *const v%d = arena_%s + %" PRId64 ";\n", t->c, v, t->suffix, x->place[v]);
    }
}

static bool export_node(gm__export *x, const gm__node *n) {
    bool done = false;
    export_comment(x, n);
    export_declare(x, n);
    if (!gm__export_loops(x, n, &done)) return false;
    if (!done && !gm__export_calls(x, n, &done)) return false;
    if (!done && !gm__export_layers(x, n, &done)) return false;
    if (!done && !gm__export_selects(x, n, &done)) return false;
    return done || gm__export_refuse(x, "");
}

static bool export_nodes(gm__export *x) {
    const gm_graph *g = x->g;
    for (int32_t i = 0; i < g->n_nodes; i++) {
        x->node = i;
        if (!export_is_view(&g->node[i]) && !export_node(x, &g->node[i])) return false;
    }
    gm__builder_add(&x->body, "\n    /* results */\n");
    for (int32_t i = 0; i < g->n_out; i++) gm__export_copy(x, (int32_t)g->n_values + i, g->out[i].value);
    return !x->body.failed && !x->once.failed && !x->ops.failed;
}

/* ---- the whole ---- */

/* The library's own run of the recorded input. States, and the random stream, are as they were afterwards. */
static bool export_hash_run(gm__export *x, gm_graph *raw, gm__export_plan *p) {
    const gm_graph *g = x->g;
    GM_SCOPE(s);
    GM_NO_GRAD;
    gm_tensor **kept = gm_alloc((size_t)(g->n_values + 1) * sizeof *kept);
    bool ok = kept != NULL;
    for (int64_t v = 0; ok && v < g->n_values; v++)
        if (g->value[v].kind == GM__VALUE_CAPTURED && x->written[v])
            ok = (kept[v] = gm_copy(g->value[v].captured)) != NULL;
    gm_random_state(&p->seed, &p->count);
    gm_pack *out = ok ? gm__graph_evaluate(raw, p->in) : NULL;
    gm_set_random_state(p->seed, p->count);
    p->hash = 0xcbf29ce484222325u;
    for (int64_t i = 0; out && i < g->n_out; i++) {
        gm_tensor *t = gm_contiguous(gm_pack_at(out, i));
        if (t) p->hash = gm__export_hash(p->hash, t->dtype, gm_data(t), gm_shape_count(t->shape));
    }
    for (int32_t v = 0; kept && v < g->n_values; v++) {
        if (!kept[v]) continue;
        gm_tensor *now = gm_ok() ? gm_contiguous(g->value[v].captured) : NULL;
        if (now) p->hash = gm__export_hash(p->hash, now->dtype, gm_data(now), gm_shape_count(now->shape));
        gm__operand from = gm__operand_of(kept[v]), to = gm__operand_of(g->value[v].captured);
        g->value[v].captured->storage->version++;
        gm__copy(&kept[v]->shape, &from, &to);
    }
    gm_free(kept);
    return gm_ok();
}

static bool export_make(gm__export *x, gm_graph *raw, gm__export_plan *p) {
    const gm_graph *g = x->g;
    if (g->n_left)
        return gm_fail(GM_ERROR_UNSUPPORTED, "export_c: gradients that are left for later; take a step in f");
    for (int64_t i = 0; i < g->n_in; i++)
        if (!gm_is_contiguous(p->in[i]))
            return gm_fail(GM_ERROR_VALUE, "export_c: input %lld is strided", (long long)i);
    gm__graph_written(g, x->written);
    for (int64_t v = 0; v < g->n_values; v++)
        if (x->written[v] && g->value[v].kind == GM__VALUE_INPUT)
            return gm_fail(GM_ERROR_UNSUPPORTED, "export_c: an input that is written");
    if (!export_values(x) || !export_check_captured(x) || !export_arenas(x) || !export_nodes(x)) return false;
    return export_hash_run(x, raw, p) && gm__export_write(x, p);
}

static bool export_begin(gm__export *x, const gm_graph *g) {
    size_t n = (size_t)(g->n_values + g->n_out) + 1;
    *x = (gm__export){ .g = g };
    x->t = gm_alloc(n * sizeof *x->t);
    x->root = gm_alloc(n * sizeof *x->root);
    x->place = gm_alloc(n * sizeof *x->place);
    x->written = gm_alloc(n);
    x->moved = gm_alloc(n);
    x->op_used = gm_alloc((size_t)g->n_nodes + 1);
    return x->t && x->root && x->place && x->written && x->moved && x->op_used;
}

static void export_end(gm__export *x) {
    for (int64_t v = 0; x->t && v < x->g->n_values + x->g->n_out; v++) gm_release(x->t[v]);
    gm_free(x->t);
    gm_free(x->root);
    gm_free(x->place);
    gm_free(x->written);
    gm_free(x->moved);
    gm_free(x->op_used);
    gm__builder_free(&x->body);
    gm__builder_free(&x->once);
    gm__builder_free(&x->ops);
}

/* A name as an identifier; "model" where nothing is left of it. */
static void export_name(const char *name, gm__export_plan *p) {
    char clean[GM__EMITTED_NAME];
    size_t n = 0;
    gm__emitted_name(name && *name ? name : "model", clean);
    if (*clean >= '0' && *clean <= '9') p->name[n++] = 'm';
    for (const char *c = clean; *c && n < sizeof p->name - 1; c++) p->name[n++] = *c == '.' ? '_' : *c;
    for (size_t i = 0; i < n; i++)
        p->upper[i] = (char)(p->name[i] >= 'a' && p->name[i] <= 'z' ? p->name[i] - 32 : p->name[i]);
}

/* What is written as the operations that define it. */
static bool export_lowers(const gm_op *op) {
    static const char *const names[] = { "attention", "attention_grad", "var", "recurrent" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(op->name, names[i])) return true;
    return false;
}

static bool export_run(gm_fn *f, gm_pack *in, gm__export_plan *p, int weights) {
    gm_graph *raw = gm_trace_graph(f, in), *g = gm__optimize(raw);
    g = g ? gm__graph_lowered(g, export_lowers) : NULL;
    g = g ? gm__pass_common(g) : NULL;
    g = g ? gm__pass_dead(g) : NULL;
    gm_pack *flat = gm_pack_flatten(in);
    gm__export x;
    if (!g || !flat) return false;
    p->in = gm_alloc((size_t)(g->n_in + 1) * sizeof *p->in);
    for (int64_t i = 0; p->in && i < g->n_in; i++) p->in[i] = gm_pack_at(flat, i);
    p->weights = weights;
    bool ok = p->in && export_begin(&x, g) && export_make(&x, raw, p);
    if (p->in) export_end(&x);
    gm_free(p->in);
    return ok && gm_ok();
}

bool gm_export_c_with(gm_fn *f, gm_pack *in, const char *dir, const gm_export_c_args *args) {
    gm_export_c_args a = { 0 };
    gm__export_plan p = { .dir = dir };
    if (!gm_ok() || !gm__args_take("export_c", &a, sizeof a, args)) return false;
    if (!dir || !*dir) return gm_fail(GM_ERROR_VALUE, "export_c: no directory");
    if (a.weights < 0 || a.weights > GM_EXPORT_FILE)
        return gm_fail(GM_ERROR_VALUE, "export_c: weights %d", (int)a.weights);
    p.main = a.main != 0;
    export_name(a.name, &p);
    GM_SCOPE(s);
    return export_run(f, in, &p, a.weights);
}
