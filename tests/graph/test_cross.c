/* Every case of every operation as a function: recorded, stepped, transformed, and transforms of transforms. Eager mode
 * is what everything is held against: bit for bit where the contract says so, else by differences in f64. Prints which
 * rules the operations have and how many checks ran of each kind; neither may be less than tests/graph/cross.txt. */
#include "tensor/tensor.h"
#include "graph/graph.h"
#include "ops/op_cases.h"
#include "ops/ops.h"

enum { ENTRIES = 3 };

static const gm_op *op_now;
static int case_now;
static const char *variant_now;

/* ---- counts ---- */

typedef struct { char name[48]; int64_t n; } cross_count;
static cross_count counts[96];
static int n_counts;

static int64_t *count_of(const char *name) {
    for (int i = 0; i < n_counts; i++)
        if (!strcmp(counts[i].name, name)) return &counts[i].n;
    snprintf(counts[n_counts].name, sizeof counts[0].name, "%s", name);
    return &counts[n_counts++].n;
}

/* A check of a kind; the error that it may leave is cleared. */
static bool cross_check(const char *kind, bool ok, const char *what) {
    ++*count_of(kind);
    CHECK(ok, "%s case %d (%s): %s: %s: %s", op_now->name, case_now, variant_now, kind, what,
          gm_ok() ? "" : gm_error_message());
    gm_error_clear();
    return ok;
}

/* ---- a case as functions of packs {"x": variables, "c": the other inputs} ---- */

typedef struct {
    const gm_op *op;
    const void *attrs;
    int n, n_out;
    bool present[CASE_MAX_IN], variable[CASE_MAX_IN];
    gm_tensor *w[GM_OP_MAX_OUT]; /* weights of the outputs that carry a gradient, else NULL */
    gm_pack *v;                  /* directions of the variables */
} subject;

static const char *number(int i) {
    static char text[CASE_MAX_IN][4];
    snprintf(text[i], sizeof text[i], "%d", i);
    return text[i];
}

static int subject_run(const subject *s, gm_pack *in, gm_tensor **out) {
    gm_tensor *list[CASE_MAX_IN];
    for (int i = 0; i < s->n; i++)
        list[i] = s->present[i] ? gm_get(gm_get_pack(in, s->variable[i] ? "x" : "c"), number(i)) : NULL;
    return gm_op_call(s->op, list, s->n, s->attrs, out, GM_OP_MAX_OUT);
}

static gm_pack *values_of(void *env, gm_pack *in) {
    const subject *s = env;
    gm_tensor *out[GM_OP_MAX_OUT];
    gm_pack *p = gm_pack_new();
    int n = subject_run(s, in, out);
    for (int j = 0; j < n; j++) gm_pack_set(p, number(j), out[j]);
    return n >= 0 && gm_ok() ? p : NULL;
}

/* The sum over all tensors of two packs of the same form of a * b; entries without a partner are left out. */
static gm_tensor *dot_packs(gm_pack *a, gm_tensor *const *b) {
    gm_tensor *total = NULL;
    for (int64_t i = 0; gm_ok() && i < gm_pack_count(a); i++) {
        if (!b[i]) continue;
        gm_tensor *t = gm_sum(gm_mul(gm_pack_at(a, i), b[i]));
        total = total ? gm_add(total, t) : t;
    }
    return total;
}

static gm_pack *only(gm_tensor *t) { return t ? GM_PACK({ "0", t, NULL }) : NULL; }

static gm_pack *loss_of(void *env, gm_pack *in) {
    const subject *s = env;
    gm_pack *p = values_of(env, in);
    return p ? only(dot_packs(p, s->w)) : NULL;
}

static void list_of(gm_pack *p, gm_tensor **list) {
    for (int64_t i = 0; i < gm_pack_count(p) && i < CASE_MAX_IN; i++) list[i] = gm_pack_at(p, i);
}

/* The slope of the loss along v; its gradient is a product with the second derivatives. */
static gm_pack *slope_of(void *env, gm_pack *in) {
    const subject *s = env;
    gm_tensor *v[CASE_MAX_IN] = { NULL };
    list_of(s->v, v);
    gm_pack *g = gm_call_pack(gm_grad(gm_function(loss_of, env)), in);
    return g ? only(dot_packs(g, v)) : NULL;
}

static gm_pack *with_tangent(gm_pack *in, gm_pack *tangent) {
    gm_pack *p = gm_pack_new(), *t = gm_pack_new();
    gm_pack_set_pack(t, "x", tangent);
    gm_pack_set_pack(p, "in", in);
    gm_pack_set_pack(p, "tangent", t);
    return p;
}

/* The same slope forwards. */
static gm_pack *rise_of(void *env, gm_pack *in) {
    const subject *s = env;
    gm_pack *p = gm_call_pack(gm_jvp(gm_function(loss_of, env)), with_tangent(in, s->v));
    return p ? only(gm_get(p, "tangent")) : NULL;
}

/* ---- looking ---- */

static bool pack_same_bits(gm_pack *a, gm_pack *b) {
    if (!a || !b) return false;
    a = gm_pack_flatten(a), b = gm_pack_flatten(b);
    bool same = gm_pack_count(a) == gm_pack_count(b);
    for (int64_t i = 0; same && i < gm_pack_count(a); i++)
        same = !strcmp(gm_pack_name(a, i), gm_pack_name(b, i)) && case_same_bits(gm_pack_at(a, i), gm_pack_at(b, i));
    return same && gm_ok();
}

static double dot_doubles(gm_pack *a, gm_pack *b) {
    double total = 0;
    a = gm_pack_flatten(a), b = gm_pack_flatten(b);
    for (int64_t i = 0; gm_ok() && i < gm_pack_count(a); i++)
        total += gm_item(gm_sum(gm_mul(gm_pack_at(a, i), gm_pack_at(b, i))));
    return gm_ok() ? total : NAN;
}

/* What jvp gives as tangents: one tensor, or a pack of them. */
static gm_pack *tangents_of(gm_pack *p) {
    for (int64_t i = 0; i < gm_pack_count(p); i++)
        if (!strcmp(gm_pack_name(p, i), "tangent"))
            return gm_pack_at(p, i) ? only(gm_pack_at(p, i)) : gm_pack_child(p, i);
    return NULL;
}

static bool near_to(double got, double wanted, double tolerance) {
    return (isnan(got) && isnan(wanted) && gm_ok()) ||
           fabs(got - wanted) <= tolerance * (fabs(wanted) > 1 ? fabs(wanted) : 1);
}

static gm_pack *map_pack(gm_pack *p, gm_tensor *(*f)(gm_tensor *t, const void *env), const void *env) {
    gm_pack *q = gm_pack_new();
    for (int64_t i = 0; gm_ok() && i < gm_pack_count(p); i++) {
        if (gm_pack_at(p, i)) gm_pack_set(q, gm_pack_name(p, i), f(gm_pack_at(p, i), env));
        else gm_pack_set_pack(q, gm_pack_name(p, i), map_pack(gm_pack_child(p, i), f, env));
    }
    return gm_ok() ? q : NULL;
}

/* ---- recorded and stepped against eager ---- */

static bool is_view(const gm_graph *g) {
    for (int64_t i = 0; i < g->n_nodes; i++)
        if (!(g->node[i].op->flags & GM_OP_VIEW)) return false;
    return true;
}

/* True if no result depends on an input: then all of it was computed while it was compiled. */
static bool is_constant(const gm_graph *g) {
    bool *varies = gm_alloc((size_t)g->n_values + 1), any = false;
    for (int64_t v = 0; varies && v < g->n_values; v++) varies[v] = g->value[v].kind == GM__VALUE_INPUT;
    for (int64_t i = 0; varies && i < g->n_nodes; i++)
        for (int k = 0; k < g->node[i].n_in; k++)
            for (int j = 0; g->node[i].in[k] >= 0 && varies[g->node[i].in[k]] && j < g->node[i].n_out; j++)
                varies[g->node[i].out + j] = true;
    for (int64_t i = 0; varies && i < g->n_out; i++) any |= varies[g->out[i].value];
    gm_free(varies);
    return !any;
}

/* f compiled, twice, and stepped, on `in`, against what it gave in eager mode. */
static void recorded(const char *kind, gm_fn *f, gm_pack *in, gm_pack *eager) {
    GM_SCOPE(s);
    gm_fn *compiled = gm_jit(f);
    for (int i = 0; i < 2; i++) {
        gm_set_random_state(5, 7);
        if (!cross_check(kind, pack_same_bits(gm_call_pack(compiled, in), eager), "compiled is not eager")) return;
    }
    gm_graph *g = gm_trace_graph(f, in);
    gm_jit_stats t = gm_jit_statistics(compiled);
    bool ran = t.runs == 2 && t.traces == 1 && t.hits == 1 && t.programs == 1;
    cross_check(kind, ran && g && (t.last_kernels > 0 || is_view(g) || is_constant(g)), "no plan ran");
    gm_set_random_state(5, 7);
    cross_check(kind, g && pack_same_bits(gm_graph_run(g, in), eager), "stepped is not eager");
}

static gm_pack *eagerly(gm_fn *f, gm_pack *in) {
    gm_set_random_state(5, 7);
    return gm_call_pack(f, in);
}

static void against_eager(const char *kind, gm_fn *f, gm_pack *in) {
    char name[48];
    snprintf(name, sizeof name, "%s, recorded", kind);
    gm_pack *eager = eagerly(f, in);
    if (cross_check(kind, eager != NULL, "does not run")) recorded(name, f, in, eager);
}

/* ---- variants of the inputs ---- */

typedef gm_tensor *(*variant_fn)(gm_tensor *t, const void *env);

static gm_tensor *as_is(gm_tensor *t, const void *env) { return (void)env, t; }
static gm_tensor *cast_f32(gm_tensor *t, const void *to) {
    return gm_dtype_of(t) == GM_F32 ? gm_cast(t, *(const gm_dtype *)to) : t;
}
static gm_tensor *with_gaps(gm_tensor *t, const void *env) { return (void)env, case_spread(t); }
static gm_tensor *channels_last(gm_tensor *t, const void *env) {
    (void)env;
    return gm_n_dims(t) >= 3 && gm_n_dims(t) <= 5 ? gm_channels_last(t) : t;
}

/* The case's inputs as a variant of them; false where there is none to look at. */
static bool subject_make(subject *s, const case_inputs *c, gm_pack **in, variant_fn f, const void *env) {
    gm_tensor *out[GM_OP_MAX_OUT];
    gm_pack *x = gm_pack_new(), *other = gm_pack_new(), *v = gm_pack_new();
    *s = (subject){ op_now, op_now->cases[case_now].attrs, c->n, 0, { 0 }, { 0 }, { 0 }, v };
    for (int i = 0; i < c->n; i++) {
        s->present[i] = c->in[i].t != NULL;
        s->variable[i] = c->in[i].want_grad;
        if (!s->present[i]) continue;
        gm_tensor *t = f(c->in[i].t, env);
        gm_pack_set(s->variable[i] ? x : other, number(i), t);
        if (s->variable[i]) gm_pack_set(v, number(i), gm_cast(case_weights(t, 100 + i), gm_dtype_of(t)));
    }
    *in = gm_pack_new();
    gm_pack_set_pack(*in, "x", x), gm_pack_set_pack(*in, "c", other);
    s->n_out = gm_ok() ? subject_run(s, *in, out) : -1;
    for (int j = 0; j < s->n_out; j++)
        if (gm_is_float(gm_dtype_of(out[j])) && (!op_now->diff_out || op_now->diff_out >> j & 1))
            s->w[j] = gm_cast(case_weights(out[j], j), gm_dtype_of(out[j]));
    return s->n_out >= 0;
}

static bool has_gradient(const subject *s) {
    bool any = false;
    for (int j = 0; j < s->n_out; j++) any |= s->w[j] != NULL;
    return any && gm_pack_count(s->v) && !(op_now->flags & GM_OP_NO_GRAD);
}

/* Values and gradients of one variant, eager against recorded. */
static void one_variant(const case_inputs *c, const char *name, variant_fn f, const void *env) {
    GM_SCOPE(scope);
    subject s;
    gm_pack *in;
    variant_now = name;
    gm_set_random_state(5, 7);
    if (!subject_make(&s, c, &in, f, env)) {
        cross_check("values", !strcmp(name, "f16") || !strcmp(name, "bf16"), "does not run");
        return;
    }
    against_eager("values", gm_function(values_of, &s), in);
    if (has_gradient(&s)) against_eager("grad", gm_grad(gm_function(loss_of, &s)), in);
}

static void variants(const case_inputs *c) {
    const gm_dtype half = GM_F16, brain = GM_BF16;
    one_variant(c, "as it is", as_is, NULL);
    one_variant(c, "strided", with_gaps, NULL);
    one_variant(c, "channels last", channels_last, NULL);
    if (!(op_now->flags & GM_OP_COMPUTE_F32)) return;
    one_variant(c, "f16", cast_f32, &half);
    one_variant(c, "bf16", cast_f32, &brain);
}

/* ---- derivatives in f64 ---- */

typedef struct { gm_pack *in; const subject *s; } exact_case;

static bool exact_make(exact_case *e, subject *s, const case_inputs *c) {
    const gm_dtype wide = GM_F64;
    gm_set_random_state(5, 7);
    e->s = s;
    variant_now = "f64";
    return subject_make(s, c, &e->in, cast_f32, &wide) && has_gradient(s);
}

/* in with the variables moved by h along v */
static gm_pack *moved(const exact_case *e, double h) {
    gm_pack *in = gm_pack_new(), *x = gm_pack_new(), *from = gm_get_pack(e->in, "x");
    for (int64_t i = 0; i < gm_pack_count(from); i++)
        gm_pack_set(x, gm_pack_name(from, i),
                    gm_add(gm_pack_at(from, i), gm_mul_scalar(gm_pack_at(e->s->v, i), h)));
    gm_pack_set_pack(in, "x", x), gm_pack_set_pack(in, "c", gm_get_pack(e->in, "c"));
    return in;
}

static double number_of(gm_fn *f, gm_pack *in) {
    gm_pack *p = eagerly(f, in);
    return p ? gm_item(gm_pack_at(p, 0)) : NAN;
}

static double difference(const exact_case *e, gm_fn *f) {
    GM_SCOPE(s);
    const double h = 1e-5;
    return (number_of(f, moved(e, h)) - number_of(f, moved(e, -h))) / (2 * h);
}

static void derivatives(const case_inputs *c) {
    subject s;
    exact_case e;
    if (!exact_make(&e, &s, c)) return;
    gm_fn *loss = gm_function(loss_of, &s);
    gm_pack *g = eagerly(gm_grad(loss), e.in);
    double slope = g ? dot_doubles(g, s.v) : NAN;
    if (!cross_check("grad", near_to(slope, difference(&e, loss), 2e-6), "differences are other")) return;
    double rise = number_of(gm_function(rise_of, &s), e.in);
    cross_check("jvp", near_to(rise, slope, 1e-9), "is not the gradient's");
    gm_pack *values = gm_call_pack(gm_jvp(gm_function(values_of, &s)), with_tangent(e.in, s.v));
    gm_pack *value = values ? gm_pack_flatten(values) : NULL;
    cross_check("jvp", value && gm_pack_count(value) == 2 * s.n_out, "of the values does not run");
}

/* Tangents of what has no gradient are zero. */
static void no_derivatives(const case_inputs *c) {
    subject s;
    exact_case e;
    if (!(op_now->flags & GM_OP_NO_GRAD) || exact_make(&e, &s, c) || !gm_ok() || !gm_pack_count(s.v)) return;
    gm_pack *p = gm_call_pack(gm_jvp(gm_function(values_of, &s)), with_tangent(e.in, s.v)), *t = tangents_of(p);
    double largest = 0;
    for (int64_t i = 0; t && i < gm_pack_count(t); i++)
        largest += gm_item(gm_sum(gm_abs(gm_cast(gm_pack_at(t, i), GM_F64))));
    cross_check("jvp, zero", t && gm_ok() && largest == 0, "is not zero");
}

static void second_derivatives(const case_inputs *c) {
    subject s;
    exact_case e;
    if (op_now->cases[case_now].flags & GM_CASE_NO_SECOND || !exact_make(&e, &s, c)) return;
    gm_fn *loss = gm_function(loss_of, &s), *slope = gm_function(slope_of, &s), *rise = gm_function(rise_of, &s);
    gm_pack *h = eagerly(gm_grad(slope), e.in), *g = eagerly(gm_grad(rise), e.in);
    double bend = h ? dot_doubles(h, s.v) : NAN;
    if (!cross_check("grad of grad", near_to(bend, difference(&e, slope), 4e-6), "differences are other")) return;
    cross_check("grad of jvp", g && near_to(dot_doubles(g, s.v), bend, 1e-8), "is not grad of grad");
    gm_pack *along = eagerly(gm_jvp(gm_grad(loss)), with_tangent(e.in, s.v));
    double got = along ? dot_doubles(tangents_of(along), s.v) : NAN;
    cross_check("jvp of grad", near_to(got, bend, 1e-8), "is not grad of grad");
    against_eager("grad of grad", gm_grad(slope), e.in);
    against_eager("grad of jvp", gm_grad(rise), e.in);
    against_eager("jvp of grad", gm_jvp(gm_grad(loss)), with_tangent(e.in, s.v));
}

/* ---- batches ---- */

/* The same set of values in every entry, so that every case stays in its range. */
static gm_tensor *three_of(gm_tensor *t) {
    gm_tensor *rows[ENTRIES] = { t, t, t };
    int32_t last[1] = { -1 };
    if (gm_n_dims(t)) rows[1] = gm_flip(t, last, 1);
    if (gm_is_float(gm_dtype_of(t))) rows[2] = gm_mul_scalar(t, 0.75);
    return gm_stack(rows, ENTRIES, 0);
}

typedef struct { gm_pack *in, *tangent; int32_t axes[2 * CASE_MAX_IN]; int n; unsigned mapped; } batch_case;

static gm_pack *batched_inputs(batch_case *b, gm_pack *p) {
    gm_pack *q = gm_pack_new();
    for (int64_t i = 0; gm_ok() && i < gm_pack_count(p); i++) {
        gm_tensor *t = gm_pack_at(p, i);
        bool mapped = b->mapped >> atoi(gm_pack_name(p, i)) & 1;
        b->axes[b->n++] = mapped ? 0 : GM_NOT_MAPPED;
        gm_pack_set(q, gm_pack_name(p, i), mapped ? three_of(t) : t);
    }
    return q;
}

static void batch_make(batch_case *b, gm_pack *in, unsigned mapped) {
    b->n = 0, b->mapped = mapped;
    b->in = gm_pack_new();
    gm_pack_set_pack(b->in, "x", batched_inputs(b, gm_get_pack(in, "x")));
    gm_pack_set_pack(b->in, "c", batched_inputs(b, gm_get_pack(in, "c")));
}

typedef struct { const batch_case *b; int n; int64_t entry; } entry_case;

static gm_tensor *entry_of(gm_tensor *t, const void *env) {
    entry_case *e = (entry_case *)env;
    return e->b->axes[e->n++] == GM_NOT_MAPPED ? t : gm_select(t, 0, e->entry);
}

static gm_pack *batch_entry(const batch_case *b, gm_pack *in, int64_t entry) {
    return map_pack(in, entry_of, &(entry_case){ b, 0, entry });
}

/* f of every entry, stacked; flat. */
static gm_pack *in_a_loop(gm_fn *f, const batch_case *b, gm_pack *in) {
    gm_pack *each[ENTRIES], *out = gm_pack_new();
    for (int i = 0; i < ENTRIES; i++) {
        each[i] = eagerly(f, batch_entry(b, in, i));
        each[i] = each[i] ? gm_pack_flatten(each[i]) : NULL;
        if (!each[i]) return NULL;
    }
    for (int64_t k = 0; k < gm_pack_count(each[0]); k++) {
        gm_tensor *rows[ENTRIES];
        for (int i = 0; i < ENTRIES; i++) rows[i] = gm_pack_at(each[i], k);
        gm_pack_set(out, gm_pack_name(each[0], k), gm_stack(rows, ENTRIES, 0));
    }
    return gm_ok() ? out : NULL;
}

static gm_fn *mapped(gm_fn *f, const batch_case *b) {
    return gm_vmap(f, .in_axes = b->axes, .n_axes = b->n);
}

static void batch_bits(const char *kind, gm_fn *f, const batch_case *b, gm_pack *in) {
    gm_fn *m = mapped(f, b);
    gm_pack *loop = in_a_loop(f, b, in);
    bool refused = !loop; /* a case whose rows are none */
    gm_error_clear();
    gm_pack *all = eagerly(m, in);
    if (refused) {
        gm_error_clear();
        return;
    }
    if (!cross_check(kind, all != NULL, "does not run")) return;
    if (!(op_now->flags & GM_OP_RANDOM))
        cross_check(kind, pack_same_bits(gm_pack_flatten(all), loop), "is not the loop");
    char name[48];
    snprintf(name, sizeof name, "%s, recorded", kind);
    recorded(name, m, in, all);
}

/* Tangents of the batch: the same shapes, other values. */
static gm_tensor *tangent_of(gm_tensor *t, const void *env) {
    (void)env;
    return gm_cast(case_weights(t, 500), gm_dtype_of(t));
}

static void batch_with(const subject *s, gm_pack *in, unsigned bits) {
    GM_SCOPE(scope);
    batch_case b;
    batch_make(&b, in, bits);
    batch_bits("vmap", gm_function(values_of, (void *)s), &b, b.in);
    if (!has_gradient(s)) return;
    gm_fn *loss = gm_function(loss_of, (void *)s);
    batch_bits("vmap of grad", gm_grad(loss), &b, b.in);
    gm_pack *both = with_tangent(b.in, map_pack(gm_get_pack(b.in, "x"), tangent_of, NULL));
    batch_case t = b; /* the tangents' axes are those of the variables, which come first */
    for (int64_t i = 0; i < gm_pack_count(s->v); i++) t.axes[t.n++] = b.axes[i];
    batch_bits("vmap of jvp", gm_jvp(gm_function(values_of, (void *)s)), &t, both);
    if (op_now->cases[case_now].flags & GM_CASE_NO_SECOND) return;
    batch_bits("vmap of grad of grad", gm_grad(gm_function(slope_of, (void *)s)), &b, b.in);
}

static unsigned inputs_of(const subject *s) {
    unsigned bits = 0;
    for (int i = 0; i < s->n; i++) bits |= (unsigned)s->present[i] << i;
    return bits;
}

static void batches(const case_inputs *c) {
    subject s;
    gm_pack *in;
    variant_now = "batch";
    if (!subject_make(&s, c, &in, as_is, NULL)) return;
    unsigned all = inputs_of(&s);
    for (int i = 0; i < s.n; i++)
        if (all >> i & 1 && all != 1u << i) batch_with(&s, in, 1u << i);
    if (all) batch_with(&s, in, all);
}

/* ---- derivatives through batches ---- */

static gm_pack *total_of(void *env, gm_pack *in) {
    gm_pack *p = gm_call_pack(env, in);
    return p ? only(gm_sum(gm_pack_at(p, 0))) : NULL;
}

/* The gradient of the sum over a batch is that of each entry, or their sum. */
static gm_pack *gradients_summed(const batch_case *b, gm_pack *each) {
    gm_pack *out = gm_pack_new();
    for (int64_t i = 0; i < gm_pack_count(each); i++) {
        gm_tensor *t = gm_pack_at(each, i);
        gm_pack_set(out, gm_pack_name(each, i), b->axes[i] == GM_NOT_MAPPED ? gm_sum_dim(t, 0, false) : t);
    }
    return out;
}

static bool packs_near(gm_pack *a, gm_pack *b) {
    bool ok = a && b && gm_pack_count(a) == gm_pack_count(b);
    for (int64_t i = 0; ok && i < gm_pack_count(a); i++) {
        double worst;
        ok = case_close(gm_pack_at(a, i), gm_pack_at(b, i), 1e-9, &worst);
    }
    return ok;
}

static void through_batch_with(const subject *s, gm_pack *in, unsigned bits) {
    GM_SCOPE(scope);
    batch_case b;
    batch_make(&b, in, bits);
    gm_fn *loss = gm_function(loss_of, (void *)s), *all = gm_function(total_of, mapped(loss, &b));
    gm_pack *each = in_a_loop(gm_grad(loss), &b, b.in), *wanted = each ? gradients_summed(&b, each) : NULL;
    if (!wanted) {
        gm_error_clear();
        return;
    }
    gm_pack *g = eagerly(gm_grad(all), b.in);
    if (!cross_check("grad of vmap", packs_near(g, wanted), "is not the loop's")) return;
    recorded("grad of vmap, recorded", gm_grad(all), b.in, g);
    gm_pack *tangent = map_pack(gm_get_pack(b.in, "x"), tangent_of, NULL), *both = with_tangent(b.in, tangent);
    gm_pack *rise = eagerly(gm_jvp(all), both);
    double got = rise ? gm_item(gm_get(rise, "tangent")) : NAN;
    cross_check("jvp of vmap", near_to(got, dot_doubles(g, tangent), 1e-9), "is not the gradient's");
    against_eager("jvp of vmap", gm_jvp(all), both);
}

static void through_batches(const case_inputs *c) {
    subject s;
    exact_case e;
    if (op_now->flags & GM_OP_RANDOM || !exact_make(&e, &s, c)) return;
    unsigned all = inputs_of(&s);
    for (int i = 0; i < s.n; i++)
        if (all >> i & 1 && all != 1u << i) through_batch_with(&s, e.in, 1u << i);
    through_batch_with(&s, e.in, all);
}

/* ---- shapes that follow from values: only gm_jit has values; the others say so ---- */

static void dynamic(const case_inputs *c) {
    subject s;
    gm_pack *in;
    variant_now = "dynamic";
    if (!subject_make(&s, c, &in, as_is, NULL)) return;
    gm_fn *f = gm_function(values_of, &s);
    gm_fn *jitted = gm_jit(f);
    gm_pack *want = gm_call_pack(f, in), *got = gm_call_pack(jitted, in);
    bool same = want && got && gm_jit_statistics(jitted).runs == 1 && pack_same_bits(got, want);
    cross_check("shape from values", same, "jitted");
    bool refused = !gm_trace_graph(f, in) && gm_error_code() == GM_ERROR_STATE &&
                   strstr(gm_error_message(), op_now->name);
    cross_check("refused", refused, "recorded");
    refused = !gm_call_pack(gm_vmap(f), in) && gm_error_code() == GM_ERROR_STATE;
    cross_check("refused", refused, "mapped");
}

/* ---- all of them ---- */

static void one_part(const char *name, void (*part)(const case_inputs *c)) {
    int64_t broken = gm__broken_storages();
    {
        GM_SCOPE(s);
        case_inputs c = { 0 };
        if (case_make(op_now, case_now, &c)) part(&c);
        gm_error_clear();
    }
    CHECK(gm__broken_storages() == broken, "%s case %d, %s: wrote beside a tensor", op_now->name, case_now, name);
}

static void one_case(void) {
    if (op_now->flags & GM_OP_DYNAMIC) {
        one_part("dynamic", dynamic);
        return;
    }
    one_part("variants", variants);
    one_part("derivatives", derivatives);
    one_part("no derivatives", no_derivatives);
    one_part("second derivatives", second_derivatives);
    one_part("batches", batches);
    one_part("through batches", through_batches);
}

static void count_rules(void) {
    char name[48];
    snprintf(name, sizeof name, "rule grad %s", gm_op_grad_kind(op_now));
    ++*count_of(name);
    snprintf(name, sizeof name, "rule jvp %s", gm_op_jvp_kind(op_now));
    ++*count_of(name);
    snprintf(name, sizeof name, "rule vmap %s", gm_op_batch_kind(op_now));
    ++*count_of(name);
}

/* What may not become less. Rules that are derived may become fewer: somebody wrote one. */
static bool counts_as_good(const char *name) {
    return !strstr(name, " loop") && !strstr(name, " none") && !strstr(name, "through grad");
}

static void write_floor(const char *path) {
    FILE *f = fopen(path, "w");
    for (int i = 0; f && i < n_counts; i++)
        if (counts_as_good(counts[i].name)) fprintf(f, "%lld %s\n", (long long)counts[i].n, counts[i].name);
    CHECK(f && !fclose(f), "%s", path);
}

static void compare_floor(const char *path) {
    FILE *f = fopen(path, "r");
    char name[48];
    long long n;
    int lines = 0;
    for (; f && fscanf(f, "%lld %47[^\n]", &n, name) == 2; lines++)
        CHECK(*count_of(name) >= n, "%s: %lld, there were %lld", name, (long long)*count_of(name), n);
    CHECK(lines, "%s is missing", path);
    if (f) fclose(f);
}

/* test_cross [OP]; test_cross --write writes the counts down. */
int main(int argc, char **argv) {
    setenv("GM_COMPILE", "0", 1); /* plans of the library's kernels: test_fuse has the emitted loops */
    const char *floor = "tests/graph/cross.txt";
    bool write = argc > 1 && !strcmp(argv[1], "--write");
    gm__guard_storages(true);
    for (int i = 0; gm_op_at(i); i++) {
        op_now = gm_op_at(i);
        if (argc > 1 && !write && strcmp(argv[1], op_now->name)) continue;
        count_rules();
        for (case_now = 0; op_now->cases && op_now->cases[case_now].in; case_now++) one_case();
    }
    for (int i = 0; i < n_counts; i++) printf("%-32s %lld\n", counts[i].name, (long long)counts[i].n);
    if (write) write_floor(floor);
    else if (argc == 1) compare_floor(floor);
    CHECK(gm_exit_status() == 0);
    return check_done();
}
