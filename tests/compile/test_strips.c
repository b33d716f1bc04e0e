/* Chains in strips of the batch: every operation that may be part of one, with every case, in strips of one entry and
 * of more, against the operation for the whole batch, bit for bit; chains with views inside, values that are used
 * whole, several results; threads; no memory. */
#include "compile/pass.h"
#include "compile/strip.h"
#include "graph/graph.h"
#include "ops/op_cases.h"

#include "base/context.h"

#include <stdlib.h>

static const gm__strip_limits forced = { 1, 0, 1 };

typedef struct { const gm_op *op; const void *attrs; int n; bool present[CASE_MAX_IN]; } subject;

static const char *number(int64_t i) {
    static char text[CASE_MAX_IN + GM_OP_MAX_OUT][8];
    snprintf(text[i], sizeof text[i], "%d", (int)i);
    return text[i];
}

/* The operation, and the negative of each float that it gives. */
static gm_pack *negated(void *env, gm_pack *in) {
    const subject *s = env;
    gm_tensor *list[CASE_MAX_IN], *out[GM_OP_MAX_OUT];
    int64_t at = 0;
    for (int i = 0; i < s->n; i++) list[i] = s->present[i] ? gm_pack_at(in, at++) : NULL;
    int n = gm_op_call(s->op, list, s->n, s->attrs, out, GM_OP_MAX_OUT);
    gm_pack *p = gm_pack_new();
    for (int j = 0; j < n; j++) gm_pack_set(p, number(j), gm_is_float(gm_dtype_of(out[j])) ? gm_neg(out[j]) : out[j]);
    return gm_ok() ? p : NULL;
}

/* The nodes of g that are chains; *nodes of what they hold. */
static int chains_of(const gm_graph *g, int64_t *nodes) {
    int n = 0;
    *nodes = 0;
    for (int64_t i = 0; g && i < g->n_nodes; i++) {
        n += g->node[i].op == &gm__op_strips;
        *nodes += gm__strips_nodes(&g->node[i]);
    }
    return n;
}

/* f planned with such limits, run; the number of chains, -1 after an error. */
static int run_in_strips(gm_fn *f, gm_pack *in, gm_tensor **out, gm__strip_limits l) {
    gm_graph *g = gm_trace_graph(f, in);
    int64_t nodes;
    gm_tensor *list[CASE_MAX_IN + 8];
    for (int64_t i = 0; i < gm_pack_count(in); i++) list[i] = gm_pack_at(in, i);
    gm__strips_limit(l);
    g = g ? gm__optimize(g) : NULL;
    g = g ? gm__strips(g, GM__STRIPS_RESULTS) : NULL;
    int chains = chains_of(g, &nodes);
    gm__plan *p = g ? gm__plan_plain(g) : NULL;
    gm__strips_limit((gm__strip_limits){ 0 });
    return p && gm__plan_run(p, list, out) && gm_ok() ? chains : -1;
}

/* ---- every operation ---- */

typedef struct { char name[48]; int64_t chains; } op_count;
static op_count counts[256];
static int n_counts;
static int64_t n_cases;

static void one_case(const gm_op *op, int k) {
    GM_SCOPE(scope);
    case_inputs c;
    if (!case_make(op, k, &c)) return;
    subject s = { op, op->cases[k].attrs, c.n, { 0 } };
    gm_pack *in = gm_pack_new();
    for (int i = 0; i < c.n; i++)
        if ((s.present[i] = c.in[i].t != NULL)) gm_pack_set(in, number(i), c.in[i].t);
    gm_fn *f = gm_functionp(negated, &s, NULL);
    gm_pack *whole = gm_call_pack(f, in);
    gm_tensor *part[GM_OP_MAX_OUT];
    if (!whole) {
        gm_error_clear();
        return;
    }
    int chains = run_in_strips(f, in, part, forced);
    CHECK(chains >= 0, "%s case %d: %s", op->name, k, gm_error_message());
    for (int64_t j = 0; chains >= 0 && j < gm_pack_count(whole); j++)
        CHECK(case_same_bits(gm_pack_at(whole, j), part[j]), "%s case %d: result %d differs in strips", op->name, k,
              (int)j);
    counts[n_counts].chains += chains;
    n_cases += chains;
    gm_error_clear();
}

static void every_case(const gm_op *op) {
    if (op->flags & (GM_OP_RANDOM | GM_OP_DYNAMIC | GM_OP_EFFECT)) return;
    snprintf(counts[n_counts].name, sizeof counts[0].name, "%s", op->name);
    for (int k = 0; op->cases && op->cases[k].in; k++) one_case(op, k);
    n_counts++;
}

static int64_t chains_by(const char *name) {
    for (int i = 0; i < n_counts; i++)
        if (!strcmp(counts[i].name, name)) return counts[i].chains;
    return -1;
}

/* Whatever is listed has a case that ran in strips. */
static void listed_operations(void) {
    static const char *const listed[] = {
        "softmax", "log_softmax", "softmax_grad", "log_softmax_grad", "softmax_nll", "layer_norm", "rms_norm",
        "group_norm", "conv", "conv_data_grad", "linear", "matmul", "max_pool", "max_pool_grad", "avg_pool",
        "avg_pool_grad", "attention", "attention_grad", "sum", "mean", "prod", "max", "min", "var", "unslice",
        "resize", "resize_grad", "cumsum", "cumprod", "batch_norm", "cast", "mul", "where",
    };
    for (int i = 0; gm_op_at(i); i++) every_case(gm_op_at(i));
    for (size_t i = 0; i < sizeof listed / sizeof *listed; i++)
        CHECK(chains_by(listed[i]) > 0, "%s: %lld cases ran in strips", listed[i], (long long)chains_by(listed[i]));
    printf("strips: %lld cases of %d operations\n", (long long)n_cases, n_counts);
    CHECK(n_cases >= 150, "only %lld cases ran in strips", (long long)n_cases);
}

/* ---- chains ---- */

/* Views inside and outside, a value used by others, several results. */
static gm_pack *with_views(void *env, gm_pack *in) {
    gm_tensor *x = gm_pack_at(in, 0), *w = gm_pack_at(in, 1);
    (void)env;
    gm_tensor *a = gm_relu(gm_conv2d(x, w, .padding = 1)); /* [6, 4, 5, 5] */
    gm_tensor *b = gm_softmax(gm_reshape(a, GM_SHAPE(6, 4, 25)), -1);
    gm_tensor *c = gm_mul(gm_transpose(b, 1, 2), gm_transpose(b, 1, 2));
    gm_tensor *p = gm_exp(gm_pad(a, GM_SHAPE(0, 0, 1, 2), GM_SHAPE(0, 1, 0, 1)));
    return GM_PACK({ "a", gm_reshape(a, GM_SHAPE(6, 100)), NULL }, { "c", gm_tanh(c), NULL }, { "p", p, NULL },
                   { "sum", gm_sum(gm_neg(b)), NULL });
}

/* y is used whole by a part of what would else be one chain: it must be there before. */
static gm_pack *used_whole(void *env, gm_pack *in) {
    gm_tensor *x = gm_pack_at(in, 0), *y = gm_tanh(x); /* [8, 8] */
    (void)env;
    return GM_PACK({ "0", gm_relu(gm_matmul(gm_neg(y), y)), NULL },
                   { "1", gm_add(gm_matmul(gm_exp(y), gm_transpose(y, 0, 1)), y), NULL },
                   { "2", gm_add(y, gm_sum_dim(y, 0, true)), NULL });
}

static gm_pack *layers(void *env, gm_pack *in) {
    gm_tensor *x = gm_pack_at(in, 0), *w = gm_pack_at(in, 1);
    (void)env;
    for (int i = 0; i < 20; i++) x = gm_layer_norm(gm_gelu(gm_linear(x, w, NULL)), 1);
    return GM_PACK({ "0", x, NULL });
}

static void one_chain(const char *name, gm_fnp f, gm_pack *in, int least) {
    gm_fn *fn = gm_functionp(f, NULL, NULL);
    gm_pack *whole = gm_call_pack(fn, in);
    for (int entries = 1; entries <= 4; entries++) {
        GM_SCOPE(scope);
        gm_tensor *part[8];
        int chains = run_in_strips(fn, in, part, (gm__strip_limits){ 1, 0, entries });
        CHECK(chains >= least, "%s: %d chains of strips of %d: %s", name, chains, entries, gm_error_message());
        for (int64_t j = 0; chains >= 0 && j < gm_pack_count(whole); j++)
            CHECK(case_same_bits(gm_pack_at(whole, j), part[j]), "%s: result %d differs in strips of %d", name, (int)j,
                  entries);
    }
}

/* Batch norm in training: its sums are apart, what is done with them is in chains, forwards and back. */
static gm_pack *batch_norms(void *env, gm_pack *in) {
    gm_tensor *x = gm_pack_at(in, 0), *w = gm_pack_at(in, 1), *b = gm_pack_at(in, 2), *mean = NULL;
    (void)env;
    gm_tensor *y = gm_relu(gm_batch_norm(gm_tanh(x), .weight = w, .bias = b, .batch_mean = &mean));
    return GM_PACK({ "y", y, NULL }, { "z", gm_neg(gm_batch_norm(gm_mul(y, y))), NULL }, { "mean", mean, NULL });
}

static gm_pack *batch_loss(void *env, gm_pack *in) {
    gm_pack *p = batch_norms(env, in);
    gm_tensor *loss = gm_add(gm_sum(gm_square(gm_pack_at(p, 0))), gm_sum(gm_exp(gm_pack_at(p, 1))));
    return GM_PACK({ "loss", loss, NULL });
}

static gm_pack *batch_gradient(void *env, gm_pack *in) {
    return gm_call_pack(gm_grad(gm_functionp(batch_loss, env, NULL)), in);
}

static void batch_norm(void) {
    for (int last = 0; last < 2; last++)
        for (int wide = 0; wide < 2; wide++) {
            GM_SCOPE(scope);
            gm_dtype t = wide ? GM_F64 : GM_F32;
            gm_tensor *x = gm_cast(gm_randn(GM_SHAPE(6, 3, 5, 4), GM_F32), t);
            if (last) x = gm_channels_last(x);
            gm_pack *in = GM_PACK({ "x", x, NULL }, { "w", gm_cast(gm_randn(GM_SHAPE(3), GM_F32), t), NULL },
                                  { "b", gm_cast(gm_randn(GM_SHAPE(3), GM_F32), t), NULL });
            one_chain("batch norm", batch_norms, in, 2);
            one_chain("batch norm's gradient", batch_gradient, in, 3);
        }
}

static void chains(void) {
    GM_SCOPE(scope);
    gm_seed(3);
    gm_tensor *x = gm_randn(GM_SHAPE(6, 3, 5, 5), GM_F32), *w = gm_randn(GM_SHAPE(4, 3, 3, 3), GM_F32);
    gm_tensor *square = gm_randn(GM_SHAPE(8, 8), GM_F32);
    int before = gm_n_threads();
    one_chain("views", with_views, GM_PACK({ "x", x, NULL }, { "w", w, NULL }), 1);
    one_chain("channels last", with_views, GM_PACK({ "x", gm_channels_last(x), NULL }, { "w", w, NULL }), 1);
    one_chain("used whole", used_whole, GM_PACK({ "x", square, NULL }), 0);
    one_chain("layers", layers, GM_PACK({ "x", square, NULL }, { "w", square, NULL }), 1);
    for (int threads = 1; threads <= 8; threads += 2) {
        gm_set_threads(threads);
        one_chain("threads", with_views, GM_PACK({ "x", x, NULL }, { "w", w, NULL }), 1);
    }
    gm_set_threads(before);
}

/* ---- by itself, at sizes where it pays; emitted loops inside ---- */

static gm_tensor *normalised(void *env, gm_tensor *x) {
    (void)env;
    return gm_gelu(gm_layer_norm(gm_add(x, gm_sigmoid(x)), 1));
}

static void where_it_pays(void) {
    GM_SCOPE(scope);
    gm_seed(4);
    gm_tensor *x = gm_randn(GM_SHAPE(4096, 256), GM_F32);
    gm_fn *f = gm_jit(gm_function(normalised, NULL));
    gm_tensor *eager = normalised(NULL, x), *first = gm_call(f, x);
    gm_jit_stats stats = gm_jit_statistics(f);
    CHECK(stats.last_kernels == 1, "one chain, not %lld kernels", (long long)stats.last_kernels);
    CHECK(stats.last_arena_bytes < 1 << 20, "nothing but strips in memory, not %lld bytes",
          (long long)stats.last_arena_bytes);
    CHECK(case_same_bits(eager, first), "the first call");
    gm_call(f, x);
    gm_jit_wait(f);
    CHECK(case_same_bits(eager, gm_call(f, x)), "with emitted loops");
    gm_tensor *small = gm_call(f, gm_slice(x, 0, 0, 16, 1));
    CHECK(gm_jit_statistics(f).last_kernels > 1, "small values need no strips");
    CHECK(case_same_bits(small, gm_slice(eager, 0, 0, 16, 1)), "a small call");
}

/* Without memory at each place in turn: a MEMORY error or a result, and nothing is lost. */
static void scarce(void) {
    GM_SCOPE(scope);
    gm_tensor *x = gm_randn(GM_SHAPE(6, 3, 5, 5), GM_F32), *w = gm_randn(GM_SHAPE(4, 3, 3, 3), GM_F32);
    gm_pack *in = GM_PACK({ "x", x, NULL }, { "w", w, NULL });
    gm_fn *f = gm_functionp(with_views, NULL, NULL);
    bool reached = true;
    int64_t failed = 0;
    for (int64_t n = 1; reached && n < 20000; n += n < 40 ? 1 : 7) {
        GM_SCOPE(inner);
        gm_tensor *out[8];
        gm__fail_allocation(n, false);
        int made = run_in_strips(f, in, out, forced);
        reached = gm__allocation_count() >= n;
        gm__fail_allocation(0, false);
        failed += made < 0;
        CHECK(made >= 0 || gm_error_code() == GM_ERROR_MEMORY, "allocation %lld: %s", (long long)n, gm_error_message());
        gm_error_clear();
    }
    CHECK(!reached && failed > 10, "%lld allocations failed", (long long)failed);
}

int main(void) {
    scarce();
    listed_operations();
    chains();
    batch_norm();
    where_it_pays();
    return check_done();
}
