/* 02_gradients: derivatives of what C code computes: of a loss, of any value by any input, of derivatives.
 *
 * Operations on a tensor that requires a gradient are recorded; gm_backward walks the record backwards. */
#include <gemel/gemel.h>

#include <math.h>
#include <stdio.h>

static int n_wrong;

static void expect(bool holds, const char *what) {
    printf("%s  %s\n", holds ? "ok   " : "WRONG", what);
    n_wrong += !holds;
}

static gm_tensor *variable(double value) {
    gm_tensor *x = gm_scalar(value, GM_F64);
    gm_set_requires_grad(x, true);
    return x;
}

/* Gradients follow the branches and loops that ran. */
static gm_tensor *horner(gm_tensor *x, int degree) { /* 1 + x + x^2 + ... */
    gm_tensor *y = gm_ones(GM_SCALAR, GM_F64);
    for (int i = 0; i < degree; i++) y = gm_add_scalar(gm_mul(y, x), 1);
    return y;
}

static void first_order(void) {
    gm_tensor *x = variable(0.5);
    gm_backward(horner(x, 3)); /* derivative 1 + 2x + 3x^2 */
    expect(gm_item(gm_gradient_of(x)) == 2.75, "the derivative of 1 + x + x^2 + x^3 at 0.5 is 2.75");
    gm_backward(horner(x, 1));
    expect(gm_item(gm_gradient_of(x)) == 3.75, "a second backward adds to the gradient");
    gm_clear_gradient(x);

    const double h = 1e-6;
    gm_tensor *y = gm_mul(gm_sin(x), gm_exp(x));
    gm_backward(y);
    double slope = (sin(0.5 + h) * exp(0.5 + h) - sin(0.5 - h) * exp(0.5 - h)) / (2 * h);
    printf("d sin(x) exp(x) / dx = %.9f, by differences %.9f\n", gm_item(gm_gradient_of(x)), slope);
    expect(fabs(gm_item(gm_gradient_of(x)) - slope) < 1e-8, "the two agree");
}

/* With respect to several inputs, not leaves only, and without touching stored gradients. */
static void chosen_inputs(void) {
    gm_tensor *x = variable(2), *z = gm_square(x), *y = gm_mul(x, z); /* y = x^3 through z */
    gm_pack *g = gm_gradients(y, GM_PACK({ "x", x, NULL }, { "z", z, NULL }));
    expect(gm_item(gm_get(g, "x")) == 12 && gm_item(gm_get(g, "z")) == 2, "dy/dx = 3 x^2 in all, dy/dz = x");
    expect(gm_gradient_of(x) == NULL, "and x has no stored gradient");
}

/* A recorded backward pass can itself be differentiated: Newton's method on f(x) = x^4 - 3 x^3 + 2. */
static void newton(void) {
    gm_tensor *x = NULL;
    gm_set(&x, variable(6));
    for (int i = 0; i < 12; i++) {
        GM_SCOPE(step);
        gm_tensor *f = gm_add_scalar(gm_sub(gm_pow_scalar(x, 4), gm_mul_scalar(gm_pow_scalar(x, 3), 3)), 2);
        gm_tensor *slope = gm_get(gm_gradients(f, GM_PACK({ "x", x, NULL }), .create_graph = true), "x");
        gm_tensor *curve = gm_get(gm_gradients(slope, GM_PACK({ "x", x, NULL })), "x");
        gm_set(&x, variable(gm_item(x) - gm_item(slope) / gm_item(curve)));
    }
    printf("x^4 - 3 x^3 + 2 is least at x = %.12f\n", gm_item(x));
    expect(fabs(gm_item(x) - 2.25) < 1e-12, "Newton's method finds 9/4 by first and second derivatives");
    gm_set(&x, NULL);
}

static gm_tensor *halve(void *env, gm_tensor *x, gm_tensor *gradient) {
    (void)x;
    ++*(int *)env;
    return gm_mul_scalar(gradient, 0.5);
}

static void control(void) {
    gm_tensor *x = variable(3);
    gm_backward(gm_mul(x, gm_detach(x)));
    expect(gm_item(gm_gradient_of(x)) == 3, "a detached value counts as a constant");
    {
        GM_NO_GRAD;
        expect(!gm_requires_grad(gm_square(x)), "under GM_NO_GRAD nothing is recorded");
    }
    gm_clear_gradient(x);
    int calls = 0;
    gm_on_gradient(x, halve, &calls, NULL);
    gm_backward(gm_square(x));
    expect(calls == 1 && gm_item(gm_gradient_of(x)) == 3, "a hook sees the finished gradient and may change it");

    gm_tensor *y = gm_exp(x); /* the derivative needs y, so y must not change */
    gm_assign(y, gm_zeros(GM_SCALAR, GM_F64));
    gm_backward(gm_sum(y));
    printf("%s: %s\n", gm_error_name(gm_error_code()), gm_error_message());
    expect(gm_error_code() == GM_ERROR_GRADIENT, "a saved value that was changed is noticed");
    gm_error_clear();
}

int main(void) {
    first_order();
    chosen_inputs();
    newton();
    control();
    return gm_exit_status() || n_wrong;
}
