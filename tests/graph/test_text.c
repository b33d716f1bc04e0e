/* Graphs as text: printed, read back to the same graph, refused where they lie; graphs for any batch. */
#include "tensors.h"
#include "base/object.h"
#include "graph/graph.h"
#include "../ops/op_cases.h"

#include <math.h>

static bool fails(gm_error code, const char *part) {
    bool yes = gm_error_code() == code && strstr(gm_error_message(), part);
    if (!yes) printf("got %s: %s; wanted %s\n", gm_error_name(gm_error_code()), gm_error_message(), part);
    gm_error_clear();
    return yes;
}

/* ---- there and back ---- */

static gm_graph *again(gm_graph *g) {
    const char *text = gm_graph_text(g);
    gm_graph *h = text ? gm_graph_parse(text, gm_graph_tensors(g)) : NULL;
    if (!h) printf("%s\n%s", gm_error_message(), text ? text : "");
    return h;
}

static void same(gm_graph *g) {
    gm_graph *h = again(g);
    CHECK(h && gm__graph_valid(g) && gm__graph_hash(g) == gm__graph_hash(h));
    if (!h) {
        gm_error_clear();
        return;
    }
    CHECK(gm_graph_n_nodes(h) == gm_graph_n_nodes(g) && h->n_draws == g->n_draws && h->batch == g->batch);
    char *first = gm_strdup(gm_graph_text(g));
    CHECK(!strcmp(first, gm_graph_text(h)), "%s\n%s", first, gm_graph_text(h));
    gm_free(first);
}

static gm_module *convnet(void) {
    return gm_sequential(gm_nn_conv2d(1, 4, .kernel = 3, .padding = 1), gm_nn_batch_norm2d(4), gm_nn_relu(),
                         gm_nn_max_pool2d(2), gm_nn_flatten(), gm_nn_dropout(0.25), gm_nn_linear(4 * 4 * 4, 5));
}

typedef struct { gm_module *net; gm_optimizer *optimizer; } training;

static gm_tensor *net_forward(void *env, gm_tensor *x) { return gm_forward(env, x); }

static gm_tensor *net_backward(void *env, gm_tensor *x, gm_tensor *y) {
    gm_tensor *loss = gm_cross_entropy(gm_forward(env, x), y);
    gm_backward(loss);
    return loss;
}

static void nets(void) {
    GM_SCOPE(s);
    gm_module *net = convnet();
    gm_pack *one = GM_PACK({ "x", gm_zeros(GM_SHAPE(3, 1, 8, 8), GM_F32), NULL });
    gm_graph *g = gm_trace_graph(gm_function(net_forward, net), one);
    gm_graph_name(g, gm_state_dict(net));
    same(g);
    const char *text = gm_graph_text(g);
    CHECK(strstr(text, "@0.weight f32[4, 1, 3, 3]\n") && strstr(text, "count=draw 0") && strstr(text, " in \"5\""));
    CHECK(strstr(text, "%0 f32[3, 1, 8, 8] = input \"x\"\n") && strstr(text, "output \"0\" = %"));
    same(gm__graph_raw(g));
    gm_pack *two = GM_PACK({ "x", gm_zeros(GM_SHAPE(3, 1, 8, 8), GM_F32), NULL },
                           { "y", gm_zeros(GM_SHAPE(3), GM_I64), NULL });
    g = gm_trace_graph(gm_function(net_backward, net), two);
    gm_graph_name(g, gm_state_dict(net));
    CHECK(strstr(gm_graph_text(g), "gradient @0.weight += %"));
    same(g);
    gm_pack *last = GM_PACK({ "x", gm_channels_last(gm_zeros(GM_SHAPE(3, 1, 8, 8), GM_F32)), NULL });
    same(gm_trace_graph(gm_function(net_forward, gm_sequential(gm_nn_conv2d(1, 4, .kernel = 3))), last));
    CHECK(gm_ok());
}

/* Every case of every operation, as a graph of one call. */
typedef struct { const gm_op *op; const void *attrs; const case_inputs *in; } call;

static gm_pack *call_op(void *env, gm_pack *in) {
    const call *c = env;
    gm_tensor *list[CASE_MAX_IN], *out[64];
    char name[16];
    gm_pack *p = gm_pack_new();
    for (int i = 0, k = 0; i < c->in->n; i++) list[i] = c->in->in[i].t ? gm_pack_at(in, k++) : NULL;
    int n = gm_op_call(c->op, list, c->in->n, c->attrs, out, 64);
    for (int j = 0; j < n; j++) {
        snprintf(name, sizeof name, "%d", j);
        gm_pack_set(p, name, out[j]);
    }
    return p;
}

static FILE *corpus; /* make_corpus.py asks for the texts */

static int one_case(const gm_op *op, int k) {
    GM_SCOPE(s);
    case_inputs c;
    char name[16];
    gm_pack *in = gm_pack_new();
    call made = { op, op->cases[k].attrs, &c };
    if (!case_make(op, k, &c)) return 0;
    for (int i = 0; i < c.n; i++) {
        snprintf(name, sizeof name, "%d", i);
        if (c.in[i].t) gm_pack_set(in, name, c.in[i].t);
    }
    gm_graph *g = gm_trace_graph(gm_function(call_op, &made), in);
    if (g && corpus) fprintf(corpus, "%s", gm_graph_text(g));
    if (g) return same(g), 1;
    CHECK(op->flags & GM_OP_DYNAMIC, "%s: %s", op->name, gm_error_message()); /* shapes that follow from values */
    gm_error_clear();
    return 0;
}

static void operations(void) {
    int n = 0;
    const gm_op *op;
    for (int i = 0; (op = gm_op_at(i)); i++)
        for (int k = 0; op->cases && op->cases[k].in; k++) n += one_case(op, k);
    printf("%d cases\n", n);
    CHECK(n > 300);
}

/* ---- every kind of attribute; versions ---- */

typedef struct {
    int64_t one;
    double real;
    int32_t small, reserved;
    int64_t list[4];
    double reals[3];
    gm_shape shape;
    char text[16];
    void *object;
} kinds;
static const gm_attr kinds_fields[] = { GM_ATTR(kinds, one, I64), GM_ATTR(kinds, real, F64), GM_ATTR(kinds, small, I32),
                                        GM_ATTRS(kinds, list, I64S, 4), GM_ATTRS(kinds, reals, F64S, 3),
                                        GM_ATTR(kinds, shape, SHAPE), GM_ATTRS(kinds, text, TEXT, 16),
                                        GM_ATTR(kinds, object, OBJECT), GM_ATTR_END };

static int32_t kinds_infer(const gm_op_args *a, gm_spec *out) {
    out[0].dtype = a->in[0]->dtype;
    out[0].shape = a->in[0]->shape;
    return 1;
}

static bool kinds_kernel(const gm_op_args *a, gm_tensor **out) { return (out[0] = a->in[0]) != NULL; }

/* Version 1 had no `real`, and meant 0.5. */
static void kinds_defaults(int32_t version, void *attrs) {
    if (version == 1) ((kinds *)attrs)->real = 0.5;
}

static const gm_op op_kinds = { .size = sizeof(gm_op),
                                .name = "kinds",
                                .version = 3,
                                .min_in = 1,
                                .max_in = 3,
                                .n_out = 1,
                                .attrs_bytes = sizeof(kinds),
                                .attrs = kinds_fields,
                                .infer = kinds_infer,
                                .kernel = kinds_kernel,
                                .defaults = kinds_defaults };
static const gm_op *const own_ops[] = { &op_kinds };
static const gm_graph_parse_args own = { sizeof own, own_ops, 1 };

static gm_tensor *call_kinds(void *env, gm_tensor *x) {
    return gm_op_call1(&op_kinds, (gm_tensor *[]){ x, NULL, x }, 3, env);
}

static gm_graph *kinds_graph(kinds *k) {
    return gm_trace_graph(gm_function1(call_kinds, k, NULL),
                          GM_PACK({ "odd \"name\"\n", gm_zeros(GM_SHAPE(2), GM_F32), NULL }));
}

static const kinds *kinds_of(const gm_graph *g) { return g ? g->node[0].attrs : NULL; }

static void attributes(void) {
    GM_SCOPE(s);
    kinds k = {
        -7, 0.1 + 0.2, -3, 0, { 1, 0, 5, 0 }, { -0.0, 1e-310, INFINITY }, { 2, { 0 }, { 4, 0 } }, "a\"b\\\n\x01", NULL
    };
    gm_graph *g = kinds_graph(&k), *h = gm_graph_parse_with(gm_graph_text(g), NULL, &own);
    CHECK(strstr(gm_graph_text(g), "= kinds.v3(%0, -, %0, one=-7, real=0.30000000000000004, small=-3, list=[1, 0, 5]"));
    CHECK(h && !memcmp(kinds_of(h), &k, sizeof k), "%s\n%s", gm_error_message(), gm_graph_text(g));
    k.real = NAN;
    g = kinds_graph(&k), h = gm_graph_parse_with(gm_graph_text(g), NULL, &own);
    CHECK(h && isnan(kinds_of(h)->real));
    g = kinds_graph(&(kinds){ 0 });
    CHECK(strstr(gm_graph_text(g), "= kinds.v3(%0, -, %0)\n"));
    k = (kinds){ .object = g }; /* a graph within a graph, two deep */
    k = (kinds){ .object = kinds_graph(&k), .one = 3 };
    g = kinds_graph(&k), h = gm_graph_parse_with(gm_graph_text(g), NULL, &own);
    CHECK(h && gm__graph_hash(g) == gm__graph_hash(h), "%s\n%s", gm_error_message(), gm_graph_text(g));
    k.object = gm_zeros(GM_SCALAR, GM_F32);
    g = kinds_graph(&k);
    CHECK(strstr(gm_graph_text(g), "object=?") && !gm_graph_parse_with(gm_graph_text(g), NULL, &own));
    CHECK(fails(GM_ERROR_FORMAT, "no text"));
}

#define HEAD "gemel graph 1\n%0 f32[2, 3] = input \"x\"\n"

static gm_graph *read(const char *text) {
    gm_pack *tensors =
        GM_PACK({ "w", gm_ones(GM_SHAPE(3, 4), GM_F32), NULL }, { "odd w", gm_ones(GM_SHAPE(3), GM_F32), NULL });
    return gm_graph_parse_with(text, tensors, &own);
}

static void versions(void) {
    GM_SCOPE(s);
    const kinds *k = kinds_of(read(HEAD "%1 f32[2, 3] = kinds(%0)\noutput \"y\" = %1\nend"));
    CHECK(k && k->real == 0.5);
    k = kinds_of(read(HEAD "%1 f32[2, 3] = kinds.v2(%0)\noutput \"y\" = %1\nend\n"));
    CHECK(k && k->real == 0);
    CHECK(!read(HEAD "%1 f32[2, 3] = kinds.v4(%0)\nend\n") && fails(GM_ERROR_UNSUPPORTED, "kinds has version 4"));
    CHECK(!read("gemel graph 2\nend\n") && fails(GM_ERROR_UNSUPPORTED, "version 2"));
    CHECK(!read(HEAD "%1 f32[2, 3] = kinds(%0, later=1)\nend\n") && fails(GM_ERROR_FORMAT, "no attribute \"later\""));
}

/* ---- what is refused ---- */

typedef struct { const char *text; gm_error code; const char *part; } refusal;

static const refusal refusals[] = {
    { "", GM_ERROR_FORMAT, "no graph's text" },
    { "gemel graph 1\n", GM_ERROR_FORMAT, "ends before" },
    { HEAD, GM_ERROR_FORMAT, "ends before" },
    { HEAD "%1 f32[2, 3] = relu(%0", GM_ERROR_FORMAT, "line 3, %1" },
    { HEAD "%1 f32[2, 3] = relu(%2)\nend\n", GM_ERROR_FORMAT, "%2 is used before" },
    { HEAD "%1 f32[2, 3] = relu(%1)\nend\n", GM_ERROR_FORMAT, "line 3, %1" },
    { HEAD "%0 f32[2, 3] = relu(%0)\nend\n", GM_ERROR_FORMAT, "not in order" },
    { HEAD "%1 f32[2, 3] = relu(%0, %0)\nend\n", GM_ERROR_FORMAT, "relu of 2 inputs" },
    { HEAD "%1 f32[2, 3] = relu()\nend\n", GM_ERROR_FORMAT, "relu of 0 inputs" },
    { HEAD "%1 f32[2, 3] = relu(-)\nend\n", GM_ERROR_FORMAT, "an input is absent" },
    { HEAD "%1 f32[2, 4] = relu(%0)\nend\n", GM_ERROR_FORMAT, "the text says f32[2, 4], it is f32[2, 3]" },
    { HEAD "%1 f64[2, 3] = relu(%0)\nend\n", GM_ERROR_FORMAT, "the text says f64" },
    { HEAD "%1 f32[2, 3], %2 f32[2] = relu(%0)\nend\n", GM_ERROR_FORMAT, "1 results, the text names 2" },
    { HEAD "relu(%0)\nend\n", GM_ERROR_FORMAT, "1 results, the text names 0" },
    { HEAD "%1 f32[2, 3] = frob(%0)\nend\n", GM_ERROR_UNSUPPORTED, "no operation \"frob\"" },
    { HEAD "%1 f32[2, 3] = matmul(%0, %0)\nend\n", GM_ERROR_SHAPE, "line 3, %1" },
    { HEAD "%1 f32[2, 3] = add(%0, @w)\nend\n", GM_ERROR_FORMAT, "what @w is" },
    { HEAD "%1 f32[2, 3] = relu(%0)\n%2 f32[1] = input \"z\"\nend\n", GM_ERROR_FORMAT, "input comes after" },
    { HEAD "@v f32[3, 4]\nend\n", GM_ERROR_INDEX, "@v is missing" },
    { HEAD "@w f32[3, 5]\nend\n", GM_ERROR_SHAPE, "@w is f32[3, 4]" },
    { HEAD "@w f64[3, 4]\nend\n", GM_ERROR_SHAPE, "@w is f32[3, 4]" },
    { HEAD "output \"y\" = %7\nend\n", GM_ERROR_FORMAT, "%7 is used" },
    { HEAD "output y = %0\nend\n", GM_ERROR_FORMAT, "\" is missing" },
    { "gemel graph 1\n%0 f32[99999999999999999999] = input \"x\"\nend\n", GM_ERROR_FORMAT, "too large" },
    { "gemel graph 1\n%0 f32[99999999999] = input \"x\"\nend\n", GM_ERROR_FORMAT, "too large" },
    { "gemel graph 1\n%0 f32[2000000000, 2000000000, 2000000000] = input \"x\"\nend\n", GM_ERROR_FORMAT, "cannot be" },
    { "gemel graph 1\n%0 f32[0, 2000000000, 2000000000, 2000000000] = input \"x\"\nend\n", GM_ERROR_FORMAT,
      "cannot be" },
    { "gemel graph 1\n%0 f32[-3] = input \"x\"\nend\n", GM_ERROR_FORMAT, "cannot be" },
    { "gemel graph 1\n%0 f33[3] = input \"x\"\nend\n", GM_ERROR_FORMAT, "dtype" },
    { "gemel graph 1\n%0 f32[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1] = input \"x\"\nend\n", GM_ERROR_FORMAT, "too many" },
    { "gemel graph 1\n%0 f32[B] = input \"x\"\nend\n", GM_ERROR_FORMAT, "without a line" },
    { "gemel graph 1\n%1 f32[2000000000, 2000000000, 2000000000] = fill(shape=[2000000000, 2000000000, 2000000000], "
      "dtype=f32)\nend\n",
      GM_ERROR_FORMAT, "cannot be" },
    { HEAD "%1 f32[3] = kinds(%0, list=[1, 2, 3, 4, 5])\nend\n", GM_ERROR_FORMAT, "list is too long" },
    { HEAD "%1 f32[3] = kinds(%0, one=1, one=1)\nend\n", GM_ERROR_FORMAT, "twice" },
    { HEAD "%1 f32[3] = kinds(%0, small=9999999999)\nend\n", GM_ERROR_FORMAT, "too large" },
    { HEAD "%1 f32[3] = kinds(%0, text=\"0123456789abcdef\")\nend\n", GM_ERROR_FORMAT, "too long" },
    { HEAD "%1 f32[3] = kinds(%0, text=\"\\x\")\nend\n", GM_ERROR_FORMAT, "escape" },
    { HEAD "%1 f32[3] = kinds(%0, object={\n", GM_ERROR_FORMAT, "ends before" },
    { HEAD "%1 f32[2, 3] = dropout(%0, count=draw 0, p=0.5)\nend\n", GM_ERROR_FORMAT, "no such draw" },
    { HEAD "%1 f32[2, 3] = dropout(%0, p=1.5)\nend\n", GM_ERROR_VALUE, "dropout: p is 1.5" },
};

static void refused(void) {
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        GM_SCOPE(s);
        CHECK(!read(refusals[i].text), "%s", refusals[i].text);
        CHECK(fails(refusals[i].code, refusals[i].part), "%s", refusals[i].text);
    }
}

/* Cut off anywhere, it is refused. */
static void truncated(void) {
    GM_SCOPE(s);
    const char text[] = HEAD "@w f32[3, 4] ; a comment\n@\"odd w\" f32[3]\n%5 f32[2, 4] = matmul(%0, @w) in \"a.b\"\n"
                        "%7 f32[2, 3] = mul(%0, @\"odd w\") no_grad\noutput \"y\" = %5\noutput \"z\" = %7\nend";
    CHECK(read(text) != NULL, "%s", gm_error_message());
    char part[sizeof text];
    for (size_t n = 0; n < sizeof text - 1; n++) {
        GM_SCOPE(inner);
        snprintf(part, n + 1, "%s", text);
        CHECK(!read(part) && !gm_ok(), "%zu", n);
        gm_error_clear();
    }
}

#ifndef __SANITIZE_ADDRESS__ /* it looks for the end of a text at each look into it */
static void millions(void) {
    GM_SCOPE(s);
    char *text = gm_alloc((size_t)48 << 20);
    size_t n = (size_t)sprintf(text, "gemel graph 1\n%%0 f32[1] = input \"x\"\n");
    for (int i = 1; i < 1 << 20; i++) n += (size_t)sprintf(text + n, "%%%d f32[1] = relu(%%%d)\n", i, i - 1);
    sprintf(text + n, "%%%d f32[1] = relu(%%0)\nend\n", 1 << 20);
    CHECK(!read(text) && fails(GM_ERROR_UNSUPPORTED, "over 1048576 values"));
    gm_free(text);
}
#else
static void millions(void) { printf("SKIPPED: a million nodes\n"); }
#endif

/* ---- validity ---- */

static gm_graph *small(void) {
    return read(HEAD "@w f32[3, 4]\n%2 f32[2, 4] = matmul(%0, @w)\n%3 f32[2, 4] = relu(%2)\noutput \"y\" = %3\nend\n");
}

#define BROKEN(change, part)                                                                                           \
    do {                                                                                                               \
        GM_SCOPE(inner);                                                                                               \
        gm_graph *g = small();                                                                                         \
        CHECK(g && gm__graph_valid(g));                                                                                \
        change;                                                                                                        \
        CHECK(!gm__graph_valid(g));                                                                                    \
        CHECK(fails(GM_ERROR_INTERNAL, part));                                                                         \
    } while (0)

static void validity(void) {
    BROKEN(g->node[0].in[0] = 3, "made later");
    BROKEN(g->node[1].in[0] = 3, "node 1, relu");
    BROKEN(g->node[1].in[0] = 99, "an input is no value");
    BROKEN(g->node[1].in[0] = -1, "an input is no value");
    BROKEN(g->node[1].n_in = 0, "a wrong number of inputs");
    BROKEN(g->node[1].n_out = 2, "outputs are no values");
    BROKEN(g->node[1].out = 2, "a value is not what its node makes");
    BROKEN(g->value[3].shape.d[0] = 5, "infer");
    BROKEN(g->value[3].dtype = GM_F64, "infer");
    BROKEN(g->value[3].shape.d[0] = INT64_MAX, "no tensor");
    BROKEN(g->value[3].from = 7, "no such node");
    BROKEN(g->value[0].from = 7, "no such input");
    BROKEN(g->out[0].value = 9, "an output is no value");
}

/* ---- for any batch ---- */

static gm_tensor *halves(void *env, gm_tensor *x) {
    (void)env;
    int64_t n = gm_size(x, 0);
    gm_tensor *pairs = gm_reshape(x, GM_SHAPE(2 * n, gm_size(x, 1) / 2));
    gm_tensor *more = gm_concat((gm_tensor *[]){ pairs, gm_ones(GM_SHAPE(1, gm_size(x, 1) / 2), GM_F32) }, 2, 0);
    return gm_mul(more, gm_full(GM_SHAPE(2 * n + 1, 1), 3, GM_F32));
}

static gm_tensor *squared(void *env, gm_tensor *x) {
    (void)env;
    return gm_reshape(gm_matmul(x, gm_transpose(x, 0, 1)), GM_SHAPE(gm_size(x, 0) * gm_size(x, 0)));
}

static gm_tensor *scaled(void *env, gm_tensor *x) {
    (void)env;
    return gm_full(GM_SHAPE(1), 1.0 / (double)gm_size(x, 0), GM_F32);
}

static gm_tensor *branches(void *env, gm_tensor *x) {
    (void)env;
    return gm_size(x, 0) > 2 ? gm_relu(x) : gm_sigmoid(x);
}

static void any_batch_of(gm_fn *f, gm_shape shape) {
    gm_pack *in = GM_PACK({ "x", gm_zeros(shape, GM_F32), NULL });
    gm_graph *g = gm_trace_any_batch(f, in);
    CHECK(g && g->batch == 2, "%s", g ? gm_graph_text(g) : gm_error_message());
    same(g);
    gm_graph_port p;
    CHECK(gm_graph_input(g, 0, &p) && p.shape.d[0] == -1 && p.shape.d[1] == shape.d[1] && !strcmp(p.name, "x"));
    CHECK(!gm_graph_input(g, 1, &p) && gm_ok() && gm_graph_output(g, 0, &p) && p.shape.d[0] == -1);
    gm_graph *read_back = again(g);
    gm_fn *compiled = gm_jit(gm_graph_function(read_back));
    for (int64_t n = 1; n < 8; n += 3) {
        shape.d[0] = n;
        gm_tensor *x = gm_randn(shape, GM_F32), *y = gm_call(f, x);
        gm_graph *now = gm__graph_at(read_back, n), *traced = gm_trace_graph(f, GM_PACK({ "x", x, NULL }));
        CHECK(now && traced && gm__graph_hash(now) == gm__graph_hash(traced), "batch %lld", (long long)n);
        CHECK(same_bits(y, gm_pack_at(gm_graph_run(read_back, GM_PACK({ "x", x, NULL })), 0)));
        CHECK(same_bits(y, gm_call(compiled, x)));
    }
    CHECK(gm_ok(), "%s", gm_error_message());
}

static void any_batch(void) {
    GM_SCOPE(s);
    gm_module *net = convnet();
    gm_set_training(net, false);
    any_batch_of(gm_function(net_forward, net), GM_SHAPE(4, 1, 8, 8));
    any_batch_of(gm_function(halves, NULL), GM_SHAPE(4, 6));
    gm_graph *g =
        gm_trace_any_batch(gm_function(halves, NULL), GM_PACK({ "x", gm_zeros(GM_SHAPE(9, 6), GM_F32), NULL }));
    CHECK(strstr(gm_graph_text(g), "f32[2*B+1, 3] = concat(") && strstr(gm_graph_text(g), "shape=[2*B, 3]"));
    gm_graph_run(g, GM_PACK({ "x", gm_zeros(GM_SHAPE(3, 7), GM_F32), NULL }));
    CHECK(fails(GM_ERROR_SHAPE, "input \"x\" is f32[3, 7], f32[B, 6] is wanted"));
    gm_graph_run(g, GM_PACK({ "x", gm_zeros(GM_SHAPE(3, 6), GM_F64), NULL }));
    CHECK(fails(GM_ERROR_SHAPE, "f32[B, 6] is wanted"));
}

static void one_batch(void) {
    GM_SCOPE(s);
    gm_pack *in = GM_PACK({ "x", gm_zeros(GM_SHAPE(4, 6), GM_F32), NULL });
    gm_graph *g = gm_trace_any_batch(gm_function(squared, NULL), in);
    CHECK(g && !g->batch && strstr(gm_graph_text(g), "4, is 9 for a batch of 3"), "%s", gm_error_message());
    same(gm__graph_at(g, 7));
    g = gm_trace_any_batch(gm_function(scaled, NULL), in);
    CHECK(g && !g->batch && strstr(gm_graph_text(g), "; for this batch only: start of node 0"), "%s", gm_graph_text(g));
    g = gm_trace_any_batch(gm_function(branches, NULL), in);
    CHECK(g && !g->batch && strstr(gm_graph_text(g), "; for this batch only: node 0"));
    gm_graph_run(g, GM_PACK({ "x", gm_zeros(GM_SHAPE(3, 6), GM_F32), NULL }));
    CHECK(fails(GM_ERROR_SHAPE, "f32[2, 6] is wanted"));
}

/* ---- without memory ---- */

static bool all_of_it(gm_fn *f) {
    GM_SCOPE(s);
    gm_pack *in = GM_PACK({ "x", gm_zeros(GM_SHAPE(4, 6), GM_F32), NULL });
    gm_graph *g = gm_trace_any_batch(f, in);
    const char *text = gm_graph_text(g);
    gm_graph *h = text ? gm_graph_parse(text, gm_graph_tensors(g)) : NULL;
    gm_pack *out = h ? gm_graph_run(h, in) : NULL;
    return out && gm_graph_dot(h) && gm_ok();
}

static void scarce(void) {
    GM_SCOPE(s);
    gm_fn *f = gm_function(halves, NULL);
    bool done = all_of_it(f);
    int64_t n = 1;
    for (; n < 5000; n++) {
        gm__fail_allocation(n, false);
        done = all_of_it(f);
        bool failed = gm__allocation_count() >= n;
        gm__fail_allocation(0, false);
        if (!failed) break;
        CHECK(!done && gm_error_code() == GM_ERROR_MEMORY, "%lld: %s", (long long)n, gm_error_message());
        gm_error_clear();
    }
    printf("%lld allocations\n", (long long)n - 1);
    CHECK(done && n > 100);
}

int main(int argc, char **argv) {
    if (argc > 1) corpus = fopen(argv[1], "w");
    RUN(nets);
    RUN(operations);
    RUN(attributes);
    RUN(versions);
    RUN(refused);
    RUN(truncated);
    RUN(millions);
    RUN(validity);
    RUN(any_batch);
    RUN(one_batch);
    RUN(scarce);
    if (corpus) fclose(corpus);
    CHECK(gm_exit_status() == 0);
    return check_done();
}
