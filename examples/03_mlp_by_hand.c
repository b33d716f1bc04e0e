/* 03_mlp_by_hand: a network of two layers without modules, optimizers or loaders: tensors, gm_backward, gm_assign.
 *
 * Two spirals, one class each, that no straight line separates.      ./03_mlp_by_hand [STEPS] */
#include <gemel/gemel.h>

#include <stdio.h>
#include <stdlib.h>

enum { POINTS = 200, HIDDEN = 64 };

/* x [2 POINTS, 2], y [2 POINTS, 1]: 0 on the first arm, 1 on the second. */
static gm_tensor *spirals(gm_tensor **y) {
    gm_tensor *t = gm_linspace(0.5, 3, POINTS, GM_F32), *angle = gm_mul_scalar(t, 3.14159265);
    gm_tensor *arm = gm_stack((gm_tensor *[]){ gm_mul(t, gm_cos(angle)), gm_mul(t, gm_sin(angle)) }, 2, 1);
    gm_tensor *both = gm_concat((gm_tensor *[]){ arm, gm_neg(arm) }, 2, 0);
    *y =
        gm_concat((gm_tensor *[]){ gm_zeros(GM_SHAPE(POINTS, 1), GM_F32), gm_ones(GM_SHAPE(POINTS, 1), GM_F32) }, 2, 0);
    return gm_add(both, gm_mul_scalar(gm_randn(GM_SHAPE(2 * POINTS, 2), GM_F32), 0.05));
}

static gm_tensor *weight(int64_t out, int64_t in) {
    gm_tensor *w = gm_empty(GM_SHAPE(out, in), GM_F32);
    gm_init_xavier_uniform(w, 1.6);
    gm_set_requires_grad(w, true);
    return w;
}

static gm_tensor *bias(int64_t out) {
    gm_tensor *b = gm_zeros(GM_SHAPE(out), GM_F32);
    gm_set_requires_grad(b, true);
    return b;
}

enum { W1, B1, W2, B2, W3, B3, N_PARAMETERS };

/* x [B, 2] -> logits [B, 1]. */
static gm_tensor *net(gm_tensor *const *p, gm_tensor *x) {
    gm_tensor *h = gm_tanh(gm_linear(x, p[W1], p[B1]));
    h = gm_tanh(gm_linear(h, p[W2], p[B2]));
    return gm_linear(h, p[W3], p[B3]);
}

/* Minus the log likelihood: softplus(z) - y z. */
static gm_tensor *loss_of(gm_tensor *z, gm_tensor *y) { return gm_mean(gm_sub(gm_softplus(z), gm_mul(y, z))); }

static double accuracy(gm_tensor *const *p, gm_tensor *x, gm_tensor *y) {
    GM_SCOPE(s);
    GM_NO_GRAD;
    return gm_item(gm_mean(gm_cast(gm_eq(gm_gt_scalar(net(p, x), 0), gm_gt_scalar(y, 0.5)), GM_F32)));
}

/* Gradient descent with momentum: v = 0.9 v + g, p = p - rate v. */
static void descend(gm_tensor *const *p, gm_tensor *const *v, double rate) {
    GM_NO_GRAD;
    for (int i = 0; i < N_PARAMETERS; i++) {
        gm_assign(v[i], gm_add(gm_mul_scalar(v[i], 0.9), gm_gradient_of(p[i])));
        gm_assign(p[i], gm_sub(p[i], gm_mul_scalar(v[i], rate)));
        gm_clear_gradient(p[i]);
    }
}

/* What the network answers over the plane, and the points. */
static void draw(gm_tensor *const *p) {
    GM_SCOPE(s);
    GM_NO_GRAD;
    for (int row = 0; row < 17; row++) {
        gm_tensor *x = gm_linspace(-3.2, 3.2, 49, GM_F32), *y = gm_full(GM_SHAPE(49), 3.2 - 0.4 * row, GM_F32);
        const float *z = gm_data(net(p, gm_stack((gm_tensor *[]){ x, y }, 2, 1)));
        for (int i = 0; z && i < 49; i++) putchar(z[i] > 0 ? '#' : '.');
        putchar('\n');
    }
}

int main(int argc, char **argv) {
    int steps = argc > 1 ? atoi(argv[1]) : 600;
    gm_tensor *y, *x = spirals(&y), *v[N_PARAMETERS];
    gm_tensor *p[] = {
        weight(HIDDEN, 2), bias(HIDDEN), weight(HIDDEN, HIDDEN), bias(HIDDEN), weight(1, HIDDEN), bias(1)
    };
    for (int i = 0; i < N_PARAMETERS; i++) v[i] = gm_zeros_like(p[i]);

    for (int step = 0; step < steps && gm_ok(); step++) {
        GM_SCOPE(s); /* what a step makes goes with it */
        gm_tensor *loss = loss_of(net(p, x), y);
        gm_backward(loss);
        descend(p, v, 0.05);
        if (step % 100 == 0) printf("step %4d  loss %.4f\n", step, gm_item(loss));
    }
    draw(p);
    double right = accuracy(p, x, y);
    printf("%.1f %% of the points on their side\n", 100 * right);
    return gm_exit_status() || !(right > 0.97);
}
