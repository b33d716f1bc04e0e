/* 11_custom_op: an operation of one's own: one record with its shapes, kernel and derivative. It is called, recorded,
 * differentiated and batched like those of the library.
 *
 * leak: y[t] = decay y[t - 1] + x[t] along the last dimension, a leaky integrator. */
#include <gemel/gemel.h>

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* Options of an operation are a plain struct, and a table that says what is in it. */
typedef struct { double decay; } leak_attrs;
static const gm_attr leak_attr_table[] = { GM_ATTR(leak_attrs, decay, F64), GM_ATTR_END };

/* What comes out, from shapes and dtypes alone; the place to refuse wrong arguments. */
static int32_t leak_infer(const gm_op_args *a, gm_spec *out) {
    const leak_attrs *attrs = a->attrs;
    gm_shape shape = gm_shape_of(a->in[0]);
    gm_dtype dtype = gm_dtype_of(a->in[0]);
    if (shape.n < 1) return gm_fail(GM_ERROR_SHAPE, "leak: x has no dimension to run along"), -1;
    if (dtype != GM_F32 && dtype != GM_F64)
        return gm_fail(GM_ERROR_DTYPE, "leak: x is %s, f32 or f64 is needed", gm_dtype_name(dtype)), -1;
    if (!(fabs(attrs->decay) <= 1))
        return gm_fail(GM_ERROR_VALUE, "leak: decay %g is outside of [-1, 1]", attrs->decay), -1;
    out[0].shape = shape;
    out[0].dtype = dtype;
    return 1;
}

typedef struct { const void *x; void *y; int64_t n; double decay; bool f64; } leak_job;

static void leak_rows(void *env, int64_t begin, int64_t end) {
    const leak_job *j = env;
    for (int64_t i = begin * j->n; i < end * j->n; i++) {
        bool first = i % j->n == 0;
        if (j->f64) ((double *)j->y)[i] = (first ? 0 : j->decay * ((double *)j->y)[i - 1]) + ((const double *)j->x)[i];
        else ((float *)j->y)[i] = (first ? 0 : (float)j->decay * ((float *)j->y)[i - 1]) + ((const float *)j->x)[i];
    }
}

/* The values: the output has memory, the input is row-major because the record asks for it. */
static bool leak_kernel(const gm_op_args *a, gm_tensor **out) {
    gm_shape s = gm_shape_of(a->in[0]);
    int64_t n = s.d[s.n - 1], rows = n ? gm_shape_count(s) / n : 0;
    leak_job job = { gm_op_in(a, 0), gm_op_out(out, 0), n, ((const leak_attrs *)a->attrs)->decay,
                     gm_dtype_of(a->in[0]) == GM_F64 };
    gm_parallel_for(rows, 1 + 20000 / (n + 1), leak_rows, &job);
    return true;
}

static gm_tensor *backwards(gm_tensor *x) { return gm_flip(x, (int32_t[]){ gm_n_dims(x) - 1 }, 1); }

/* The derivative, in operations: the same integrator run backwards. So it has a derivative, too. */
static bool leak_grad(const gm_grad_args *a) {
    gm_tensor *g = backwards(a->gout[0]);
    a->gin[0] = backwards(gm_op_call1(a->op, &g, 1, a->attrs));
    return gm_ok();
}

/* A batch of x is an x with one more dimension in front, which the operation takes as it is. */
static bool leak_batch(const gm_batch_args *a) {
    a->out[0] = gm_op_call1(a->op, a->in, 1, a->attrs);
    return gm_ok();
}

static const gm_op leak_op = {
    .size = sizeof(gm_op), .name = "leak", .version = 1, .min_in = 1, .max_in = 1, .n_out = 1,
    .flags = GM_OP_CONTIGUOUS | GM_OP_LINEAR, .attrs_bytes = sizeof(leak_attrs), .attrs = leak_attr_table,
    .infer = leak_infer, .kernel = leak_kernel, .grad = leak_grad, .batch = leak_batch,
};

static gm_tensor *leak(gm_tensor *x, double decay) { return gm_op_call1(&leak_op, &x, 1, &(leak_attrs){ decay }); }

/* ---- what it is good for ---- */

static int n_wrong;

static void expect(bool holds, const char *what) {
    printf("%s  %s\n", holds ? "ok   " : "WRONG", what);
    n_wrong += !holds;
}

static double largest(gm_tensor *x) { return gm_item(gm_max(gm_abs(x))); }

static void check_derivative(void) {
    gm_tensor *x = gm_randn(GM_SHAPE(3, 7), GM_F64), *weight = gm_randn(GM_SHAPE(3, 7), GM_F64);
    gm_set_requires_grad(x, true);
    gm_backward(gm_sum(gm_mul(gm_square(leak(x, 0.8)), weight)));
    const double h = 1e-5, *g = gm_data(gm_gradient_of(x));
    double worst = 0;
    GM_NO_GRAD;
    for (int i = 0; g && i < 21; i++) {
        double side[2];
        for (int k = 0; k < 2; k++) {
            gm_tensor *moved = gm_copy(x);
            ((double *)gm_mutable_data(moved))[i] += k ? h : -h;
            side[k] = gm_item(gm_sum(gm_mul(gm_square(leak(moved, 0.8)), weight)));
        }
        worst = fmax(worst, fabs((side[1] - side[0]) / (2 * h) - g[i]));
    }
    printf("gradient against differences: off by %.1e at most\n", worst);
    expect(worst < 1e-7, "the derivative is right");
}

/* A charge leaked away while it was measured: find what flowed in, by gradient descent through the operation. */
static void deconvolve(void) {
    gm_tensor *inflow = gm_abs(gm_randn(GM_SHAPE(32), GM_F32)), *measured = leak(inflow, 0.5), *guess = NULL;
    gm_set(&guess, gm_zeros(GM_SHAPE(32), GM_F32));
    for (int i = 0; i < 200 && gm_ok(); i++) {
        GM_SCOPE(s);
        gm_set_requires_grad(guess, true);
        gm_tensor *loss = gm_sum(gm_square(gm_sub(leak(guess, 0.5), measured)));
        gm_tensor *g = gm_get(gm_gradients(loss, GM_PACK({ "guess", guess, NULL })), "guess");
        gm_set(&guess, gm_detach(gm_sub(guess, gm_mul_scalar(g, 0.2))));
    }
    printf("inflow found to %.1e\n", largest(gm_sub(guess, inflow)));
    expect(largest(gm_sub(guess, inflow)) < 1e-3, "training goes through it");
    gm_set(&guess, NULL);
}

int main(void) {
    gm_tensor *x = gm_from_data(GM_SHAPE(2, 4), GM_F32, (float[]){ 1, 0, 0, 0, 1, 1, 1, 1 });
    gm_print("leak(x, 0.5)", leak(x, 0.5));
    gm_tensor *decay = gm_full_like(x, 0.5);
    expect(largest(gm_sub(leak(x, 0.5), gm_linear_scan(decay, x, 1))) == 0, "the library's linear_scan says the same");
    expect(largest(gm_sub(leak(gm_transpose(x, 0, 1), 0.5), leak(gm_contiguous(gm_transpose(x, 0, 1)), 0.5))) == 0,
           "strided inputs are taken care of");
    check_derivative();
    deconvolve();
    leak(gm_ones(GM_SHAPE(3), GM_I32), 0.5);
    printf("%s: %s\n", gm_error_name(gm_error_code()), gm_error_message());
    expect(gm_error_code() == GM_ERROR_DTYPE, "and its errors are like all others");
    gm_error_clear();
    return gm_exit_status() || n_wrong;
}
