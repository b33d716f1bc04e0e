/* Graphs of files that lie: every number in the attributes of every case of every operation becomes another one.
 * The operation refuses it or computes something; it may not crash, read what is not its own, or never end. */
#include "check.h"
#include "../ops/op_cases.h"
#include "gemel/gemel.h"
#include "graph/graph.h"

enum { HOSTILE_BYTES = 1 << 16 };

typedef struct { const gm_op *op; const void *attrs; const case_inputs *in; } call;

static gm_pack *call_op(void *env, gm_pack *in) {
    const call *c = env;
    gm_tensor *list[CASE_MAX_IN], *out[64];
    gm_pack *p = gm_pack_new();
    for (int i = 0, k = 0; i < c->in->n; i++) list[i] = c->in->in[i].t ? gm_pack_at(in, k++) : NULL;
    int n = gm_op_call(c->op, list, c->in->n, c->attrs, out, 64);
    for (int j = 0; j < n; j++) {
        char name[16];
        snprintf(name, sizeof name, "%d", j);
        gm_pack_set(p, name, out[j]);
    }
    return p;
}

static bool is_small(const gm_graph *g) {
    for (int64_t v = 0; v < g->n_values; v++)
        if (gm__value_bytes(&g->value[v].shape, g->value[v].dtype) > HOSTILE_BYTES) return false;
    return true;
}

typedef struct { int recorded, ran; } counts;

/* The number at `slot` of node `of` becomes n. */
static void change(gm_graph *g, gm_pack *in, int64_t of, int64_t slot, int64_t n, counts *c) {
    GM_SCOPE(s);
    g->batch = 1;
    g->numbers.n = 0;
    gm__affine_add(&g->numbers, (gm__affine){ (int32_t)of, (int32_t)slot, 0, n });
    gm_graph *h = gm__graph_at(g, 2);
    c->recorded += h != NULL;
    if (h) CHECK(gm__graph_valid(h), "%s", gm_error_message());
    if (h && is_small(h)) c->ran += gm_graph_run(h, in) != NULL;
    gm_error_clear();
}

/* Every number of an attribute becomes each of a list; decimals by their bits. */
static void change_attr(gm_graph *g, gm_pack *in, int64_t of, const gm_attr *a, counts *c) {
    static const int64_t whole[] = { INT32_MIN, -100, -2, -1, 0, 1, 2, 3, 5, 17, 63, 64, 1000, INT32_MAX, 1u << 31 };
    static const double reals[] = { -INFINITY, -1e300, -1, -1e-310, 0, 1e-310, 0.5, 1, 2, 1e19, 1e300, INFINITY, NAN };
    bool shape = a->kind == GM_ATTR_SHAPE, real = a->kind == GM_ATTR_F64 || a->kind == GM_ATTR_F64S;
    if (!shape && !real && a->kind != GM_ATTR_I64 && a->kind != GM_ATTR_I64S) return;
    const char *at = (const char *)g->node[of].attrs + a->offset;
    int n = shape ? ((const gm_shape *)at)->n : a->count < 4 ? a->count : 4;
    int64_t slot = (int64_t)a->offset + (shape ? (int64_t)offsetof(gm_shape, d) : 0), bits;
    for (int k = 0; k < n; k++) {
        for (size_t j = 0; !real && j < sizeof whole / sizeof *whole; j++) change(g, in, of, slot + 8 * k, whole[j], c);
        for (size_t j = 0; real && j < sizeof reals / sizeof *reals; j++) {
            memcpy(&bits, &reals[j], sizeof bits);
            change(g, in, of, slot + 8 * k, bits, c);
        }
    }
}

static void change_all(gm_graph *g, gm_pack *in, counts *c) {
    for (int64_t i = 0; i < g->n_nodes; i++)
        for (const gm_attr *a = g->node[i].op->attrs; g->node[i].attrs && a && a->name; a++)
            change_attr(g, in, i, a, c);
}

static void one_case(const gm_op *op, int k, counts *c) {
    GM_SCOPE(s);
    case_inputs inputs;
    gm_pack *in = gm_pack_new();
    call made = { op, op->cases[k].attrs, &inputs };
    if (!case_make(op, k, &inputs)) return;
    for (int i = 0; i < inputs.n; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        if (inputs.in[i].t) gm_pack_set(in, name, inputs.in[i].t);
    }
    gm_graph *g = gm_trace_graph(gm_function(call_op, &made), in);
    if (g) change_all(g, in, c);
    gm_error_clear();
}

static void operations(void) {
    counts c = { 0, 0 };
    const gm_op *op;
    for (int i = 0; (op = gm_op_at(i)); i++)
        for (int k = 0; op->cases && op->cases[k].in; k++) {
            if (getenv("GEMEL_TEST_VERBOSE")) fprintf(stderr, "%s %d\n", op->name, k);
            one_case(op, k, &c);
        }
    printf("%d recorded, %d ran\n", c.recorded, c.ran);
    CHECK(c.recorded > 1000 && c.ran > 1000);
}

int main(void) {
    RUN(operations);
    CHECK(gm_exit_status() == 0);
    return check_done();
}
