/* Every case of every operation: f32 against f64, strided inputs, gradients and second order by differences, tangents,
 * and batches against the loop. Prints how many checks of each kind ran; an operation without cases fails. */
#include "tensor/tensor.h"
#include "op_cases.h"
#include "ops/ops.h"

enum { KIND_VALUE, KIND_STRIDED, KIND_GRAD, KIND_SECOND, KIND_JVP, KIND_BATCH, KIND_N };
static const char *const kind_name[] = { "values", "strided", "gradients", "second order", "tangents", "batches" };
static int kind_count[KIND_N];

#define CASE_CHECK(kind, condition, ...)                                                                               \
    do {                                                                                                               \
        kind_count[kind]++;                                                                                            \
        CHECK(condition, __VA_ARGS__);                                                                                 \
        gm_error_clear();                                                                                              \
    } while (0)

static const gm_op *op_now;
static int case_now;
#define WHERE "%s case %d: ", op_now->name, case_now

/* ---- running ---- */

static int run(gm_tensor *const *in, int n, gm_tensor **out) {
    return gm_op_call(op_now, in, n, op_now->cases[case_now].attrs, out, GM_OP_MAX_OUT);
}

static void as_f64(const case_inputs *c, gm_tensor **in) {
    for (int i = 0; i < c->n; i++)
        in[i] = c->in[i].t && gm_dtype_of(c->in[i].t) == GM_F32 ? gm_cast(c->in[i].t, GM_F64) : c->in[i].t;
}

/* ---- values ---- */

static void values(const case_inputs *c) {
    gm_tensor *in[CASE_MAX_IN], *wide[CASE_MAX_IN], *out[GM_OP_MAX_OUT], *exact[GM_OP_MAX_OUT];
    const gm_case *k = &op_now->cases[case_now];
    for (int i = 0; i < c->n; i++) in[i] = c->in[i].t;
    int n = run(in, c->n, out);
    CASE_CHECK(KIND_VALUE, n > 0, WHERE);
    if (n <= 0 || k->flags & (GM_CASE_NO_F64 | GM_CASE_RANDOM)) return;
    as_f64(c, wide);
    int m = run(wide, c->n, exact);
    CASE_CHECK(KIND_VALUE, m == n, WHERE);
    for (int j = 0; j < n && m == n; j++) {
        double worst;
        bool ok = case_close(out[j], exact[j], (k->ulp ? k->ulp : 16) * 0x1p-23, &worst);
        CASE_CHECK(KIND_VALUE, ok, "%s case %d: output %d: f32 is %g from f64", op_now->name, case_now, j, worst);
    }
}

static void strided(const case_inputs *c) {
    gm_tensor *in[CASE_MAX_IN], *gaps[CASE_MAX_IN], *out[GM_OP_MAX_OUT], *other[GM_OP_MAX_OUT];
    for (int i = 0; i < c->n; i++) {
        in[i] = c->in[i].t;
        gaps[i] = in[i] ? case_spread(in[i]) : NULL;
    }
    if (!c->n) return;
    int n = run(in, c->n, out), m = run(gaps, c->n, other);
    CASE_CHECK(KIND_STRIDED, n == m && n > 0, WHERE);
    for (int j = 0; j < n && n == m; j++)
        CASE_CHECK(KIND_STRIDED, case_same_bits(out[j], other[j]), "%s case %d: output %d depends on strides",
                   op_now->name, case_now, j);
}

/* ---- derivatives: L = sum over float outputs of (weights * output) ---- */

static bool carries(int j) { return !op_now->diff_out || (op_now->diff_out >> j & 1); }

static gm_tensor *weighted(gm_tensor *const *out, int n) {
    gm_tensor *total = NULL;
    for (int j = 0; j < n; j++) {
        if (gm_dtype_of(out[j]) != GM_F64 || !carries(j)) continue;
        gm_tensor *t = gm_sum(gm_mul(out[j], case_weights(out[j], j)));
        total = total ? gm_add(total, t) : t;
    }
    return total;
}

static double loss(gm_tensor *const *in, int n_in) {
    GM_SCOPE(s);
    GM_NO_GRAD;
    gm_tensor *out[GM_OP_MAX_OUT];
    int n = run(in, n_in, out);
    gm_tensor *l = n > 0 ? weighted(out, n) : NULL;
    return l ? gm_item(l) : NAN;
}

/* dL/dx . v of input i, to first order exact; with grad if `second` is set: the gradient of (dL/dx . v) instead of L.
 */
static bool make_variables(const case_inputs *c, gm_tensor **in, gm_pack **xs) {
    as_f64(c, in);
    *xs = gm_pack_new();
    bool any = false;
    for (int i = 0; i < c->n; i++) {
        if (!c->in[i].want_grad) continue;
        in[i] = gm_copy(in[i]);
        char name[8];
        snprintf(name, sizeof name, "%d", i);
        any |= gm_set_requires_grad(in[i], true) && gm_pack_set(*xs, name, in[i]);
    }
    return any;
}

/* in[i] moved by h along v */
static gm_tensor *moved(gm_tensor *x, gm_tensor *v, double h) { return gm_detach(gm_add(x, gm_mul_scalar(v, h))); }

static double dot(gm_tensor *a, gm_tensor *b) { return gm_item(gm_sum(gm_mul(a, b))); }

static void gradients(const case_inputs *c) {
    gm_tensor *in[CASE_MAX_IN], *out[GM_OP_MAX_OUT];
    gm_pack *xs;
    if (!make_variables(c, in, &xs)) return;
    int n = run(in, c->n, out);
    gm_tensor *l = n > 0 ? weighted(out, n) : NULL;
    if (!l || !gm_requires_grad(l)) return;
    gm_pack *g = gm_gradients(l, xs);
    CASE_CHECK(KIND_GRAD, g != NULL, "%s case %d: %s", op_now->name, case_now, gm_error_message());
    for (int64_t k = 0; g && k < gm_pack_count(xs); k++) {
        int i = atoi(gm_pack_name(xs, k));
        for (int direction = 0; direction < 3; direction++) {
            gm_tensor *x = in[i], *v = case_weights(x, 100 + direction);
            const double h = 1e-5;
            in[i] = moved(x, v, h);
            double up = loss(in, c->n);
            in[i] = moved(x, v, -h);
            double down = loss(in, c->n), numeric = (up - down) / (2 * h), exact = dot(gm_pack_at(g, k), v);
            in[i] = x;
            double scale = fabs(numeric) > 1 ? fabs(numeric) : 1;
            CASE_CHECK(KIND_GRAD, fabs(numeric - exact) <= 1e-6 * scale,
                       "%s case %d: input %d: gradient %.10g, differences %.10g", op_now->name, case_now, i, exact,
                       numeric);
        }
    }
}

/* s(x) = sum over inputs of (dL/dx_i . v_i), differentiated once more, against differences of s. */
static gm_tensor *slope(gm_tensor *const *in, const case_inputs *c, gm_pack *xs) {
    gm_tensor *out[GM_OP_MAX_OUT], *total = NULL;
    int n = run(in, c->n, out);
    gm_tensor *l = n > 0 ? weighted(out, n) : NULL;
    gm_pack *g = l && gm_requires_grad(l) ? gm_gradients(l, xs, .create_graph = 1) : NULL;
    for (int64_t k = 0; g && k < gm_pack_count(g); k++) {
        gm_tensor *t = gm_sum(gm_mul(gm_pack_at(g, k), case_weights(gm_pack_at(g, k), 200 + (int)k)));
        total = total ? gm_add(total, t) : t;
    }
    return total;
}

static double slope_at(const case_inputs *c, int i, gm_tensor *v, double h) {
    GM_SCOPE(s);
    gm_tensor *in[CASE_MAX_IN];
    gm_pack *xs;
    make_variables(c, in, &xs);
    in[i] = gm_detach(moved(in[i], v, h));
    gm_set_requires_grad(in[i], true);
    char name[8];
    snprintf(name, sizeof name, "%d", i);
    gm_pack_set(xs, name, in[i]);
    gm_tensor *t = slope(in, c, xs);
    return t ? gm_item(t) : NAN;
}

static void second_order(const case_inputs *c) {
    gm_tensor *in[CASE_MAX_IN];
    gm_pack *xs;
    if (op_now->cases[case_now].flags & GM_CASE_NO_SECOND || !make_variables(c, in, &xs)) return;
    gm_tensor *s = slope(in, c, xs);
    if (!gm_ok()) CASE_CHECK(KIND_SECOND, false, "%s case %d: %s", op_now->name, case_now, gm_error_message());
    if (!s) return;
    gm_pack *g = gm_requires_grad(s) ? gm_gradients(s, xs) : NULL;
    if (!gm_ok()) CASE_CHECK(KIND_SECOND, false, "%s case %d: %s", op_now->name, case_now, gm_error_message());
    for (int64_t k = 0; k < gm_pack_count(xs); k++) {
        int i = atoi(gm_pack_name(xs, k));
        gm_tensor *v = case_weights(in[i], 300);
        const double h = 1e-5;
        double numeric = (slope_at(c, i, v, h) - slope_at(c, i, v, -h)) / (2 * h);
        double exact = g ? dot(gm_pack_at(g, k), v) : 0, scale = fabs(numeric) > 1 ? fabs(numeric) : 1;
        CASE_CHECK(KIND_SECOND, fabs(numeric - exact) <= 2e-6 * scale,
                   "%s case %d: input %d: second order %.10g, differences %.10g", op_now->name, case_now, i, exact,
                   numeric);
    }
}

/* <w, J t> computed by the tangent rule equals <J^T w, t> computed by the gradient rule. */
static void tangents(const case_inputs *c) {
    gm_tensor *in[CASE_MAX_IN], *out[GM_OP_MAX_OUT] = { NULL }, *tin[CASE_MAX_IN] = { NULL },
                                *tout[GM_OP_MAX_OUT] = { NULL };
    gm_pack *xs;
    if (!make_variables(c, in, &xs)) return;
    int n = run(in, c->n, out);
    gm_tensor *l = n > 0 ? weighted(out, n) : NULL;
    if (!l || !gm_requires_grad(l)) return;
    gm_pack *g = gm_gradients(l, xs);
    double expected = 0, got = 0;
    for (int64_t k = 0; g && k < gm_pack_count(xs); k++) {
        int i = atoi(gm_pack_name(xs, k));
        tin[i] = case_weights(in[i], 400 + i);
        expected += dot(gm_pack_at(g, k), tin[i]);
        in[i] = gm_detach(in[i]);
    }
    for (int j = 0; j < n; j++) out[j] = gm_detach(out[j]);
    gm_jvp_args a = { op_now, c->n, n, in, out, tin, tout, op_now->cases[case_now].attrs };
    CASE_CHECK(KIND_JVP, gm__op_jvp(&a), "%s case %d: %s", op_now->name, case_now, gm_error_message());
    for (int j = 0; j < n; j++)
        if (tout[j] && gm_dtype_of(out[j]) == GM_F64 && carries(j)) got += dot(tout[j], case_weights(out[j], j));
    double scale = fabs(expected) > 1 ? fabs(expected) : 1;
    CASE_CHECK(KIND_JVP, fabs(expected - got) <= 1e-9 * scale, "%s case %d: tangent %.12g, gradient says %.12g",
               op_now->name, case_now, got, expected);
}

/* ---- batches ---- */

static void batch_with(const case_inputs *c, unsigned mapped_bits) {
    GM_SCOPE(scope);
    gm_tensor *in[CASE_MAX_IN], *out[GM_OP_MAX_OUT] = { NULL }, *loop[GM_OP_MAX_OUT] = { NULL }, *one[GM_OP_MAX_OUT];
    bool mapped[CASE_MAX_IN];
    enum { SIZE = 3 };
    for (int i = 0; i < c->n; i++) {
        mapped[i] = c->in[i].t && (mapped_bits >> i & 1);
        in[i] = c->in[i].t;
        if (!mapped[i]) continue;
        gm_tensor *t = c->in[i].t, *rows[SIZE] = { t, NULL, NULL };
        int32_t last[1] = { -1 };
        rows[1] =
            gm_n_dims(t) ? gm_flip(t, last, 1) : t; /* the same set of values, so that every case stays in its range */
        rows[2] = gm_is_float(gm_dtype_of(t)) ? gm_mul_scalar(t, 0.75) : t;
        in[i] = gm_stack(rows, SIZE, 0);
    }
    int n = run((gm_tensor *[CASE_MAX_IN]){ c->in[0].t, c->in[1].t, c->in[2].t, c->in[3].t, c->in[4].t, c->in[5].t },
                c->n, one);
    if (n <= 0 || c->n > 6) return;
    gm_batch_args a = { op_now, c->n, n, in, mapped, SIZE, out, op_now->cases[case_now].attrs };
    gm_batch_args b = { op_now, c->n, n, in, mapped, SIZE, loop, op_now->cases[case_now].attrs };
    bool ok = gm__op_batch(&a);
    CASE_CHECK(KIND_BATCH, ok, "%s case %d: mapped %x: %s", op_now->name, case_now, mapped_bits, gm_error_message());
    if (!ok || !gm__batch_loop(&b)) {
        gm_error_clear();
        return;
    }
    for (int j = 0; j < n; j++)
        CASE_CHECK(KIND_BATCH, case_same_bits(out[j], loop[j]), "%s case %d: mapped %x: output %d is not the loop's",
                   op_now->name, case_now, mapped_bits, j);
}

static void batches(const case_inputs *c) {
    if (!c->n || op_now->flags & (GM_OP_RANDOM | GM_OP_DYNAMIC)) return;
    for (int i = 0; i < c->n; i++) batch_with(c, 1u << i);
    if (c->n > 1) batch_with(c, (1u << c->n) - 1);
}

/* ---- all of them ---- */

static bool one_part(void (*part)(const case_inputs *c)) {
    GM_SCOPE(s);
    case_inputs c = { 0 };
    if (!case_make(op_now, case_now, &c)) return false;
    part(&c);
    gm_error_clear();
    return true;
}

/* Every storage lies between guard zones, which are looked at when the part's scope has closed. */
static void one_case(void) {
    static const struct { const char *name; void (*run)(const case_inputs *c); } parts[] = {
        { "values", values },   { "strided", strided }, { "gradients", gradients }, { "second order", second_order },
        { "tangents", tangents }, { "batches", batches },
    };
    for (size_t p = 0; p < sizeof parts / sizeof *parts; p++) {
        int64_t broken = gm__broken_storages();
        if (!one_part(parts[p].run)) return;
        CHECK(gm__broken_storages() == broken, "%s case %d, %s: wrote beside a tensor", op_now->name, case_now,
              parts[p].name);
    }
}

int main(int argc, char **argv) {
    int cases = 0;
    gm__guard_storages(true);
    for (int i = 0; gm_op_at(i); i++) {
        op_now = gm_op_at(i);
        if (argc > 1 && strcmp(argv[1], op_now->name)) continue;
        CHECK(!op_now->n_out || (op_now->cases && op_now->cases[0].in), "%s has no cases", op_now->name);
        for (case_now = 0; op_now->cases && op_now->cases[case_now].in; case_now++, cases++) one_case();
    }
    printf("%s: %d cases:", gm_isa(), cases);
    for (int k = 0; k < KIND_N; k++) printf(" %d %s%s", kind_count[k], kind_name[k], k + 1 < KIND_N ? "," : "\n");
    CHECK(gm_exit_status() == 0);
    return check_done();
}
