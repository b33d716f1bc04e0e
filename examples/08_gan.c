/* 08_gan: a generative adversarial network: two nets, two optimizers, losses that pull against each other.
 *
 * The generator turns noise into points of the plane; the critic tells them from points of a ring. (Goodfellow et al.
 * 2014, the non-saturating loss.)                                   ./08_gan [STEPS] */
#include <gemel/gemel.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { NOISE = 4, BATCH = 128 };

/* Points of a ring of radius 2: [n, 2]. */
static gm_tensor *ring(int64_t n) {
    gm_tensor *angle = gm_rand_between(GM_SHAPE(n), GM_F32, 0, 6.28318531);
    gm_tensor *radius = gm_add_scalar(gm_mul_scalar(gm_randn(GM_SHAPE(n), GM_F32), 0.1), 2);
    return gm_stack((gm_tensor *[]){ gm_mul(radius, gm_cos(angle)), gm_mul(radius, gm_sin(angle)) }, 2, 1);
}

static gm_module *net(int64_t in, int64_t out) {
    return gm_sequential(gm_nn_linear(in, 48), gm_nn_leaky_relu(0.2), gm_nn_linear(48, 48), gm_nn_leaky_relu(0.2),
                         gm_nn_linear(48, out));
}

static gm_tensor *noise(int64_t n) { return gm_randn(GM_SHAPE(n, NOISE), GM_F32); }

/* The critic's logits should be high for true points and low for made ones. */
static gm_tensor *critic_loss(gm_tensor *on_true, gm_tensor *on_made) {
    return gm_add(gm_mean(gm_softplus(gm_neg(on_true))), gm_mean(gm_softplus(on_made)));
}

static gm_tensor *generator_loss(gm_tensor *on_made) { return gm_mean(gm_softplus(gm_neg(on_made))); }

typedef struct { gm_module *generator, *critic; gm_optimizer *of_generator, *of_critic; } game;

static double play_critic(const game *g) {
    GM_SCOPE(s);
    gm_tensor *made = gm_detach(gm_forward(g->generator, noise(BATCH))); /* the generator holds still */
    gm_tensor *loss = critic_loss(gm_forward(g->critic, ring(BATCH)), gm_forward(g->critic, made));
    gm_backward(loss);
    gm_step(g->of_critic);
    return gm_item(loss);
}

static double play_generator(const game *g) {
    GM_SCOPE(s);
    gm_tensor *loss = generator_loss(gm_forward(g->critic, gm_forward(g->generator, noise(BATCH))));
    gm_backward(loss);
    gm_step(g->of_generator);
    gm_zero_grad(g->of_critic); /* the gradient passed through the critic, and is not meant for it */
    return gm_item(loss);
}

static void draw(gm_tensor *points) {
    const float *p = gm_data(points);
    char screen[15][42] = { 0 };
    for (int64_t i = 0, n = gm_size(points, 0); p && i < n; i++) {
        int column = (int)lrintf((p[2 * i] + 3) * 40 / 6), row = (int)lrintf((3 - p[2 * i + 1]) * 14 / 6);
        if (row >= 0 && row < 15 && column >= 0 && column < 41) screen[row][column] = 'o';
    }
    for (int row = 0; row < 15; row++, putchar('\n'))
        for (int column = 0; column < 41; column++) putchar(screen[row][column] ? screen[row][column] : '.');
}

/* The part of the points within 0.5 of the ring, and of the 8 sectors the emptiest one's share. */
static double near_ring(gm_tensor *points, double *emptiest) {
    const float *p = gm_data(points);
    int64_t n = gm_size(points, 0), near = 0, sector[8] = { 0 };
    for (int64_t i = 0; p && i < n; i++) {
        double x = p[2 * i], y = p[2 * i + 1];
        near += fabs(hypot(x, y) - 2) < 0.5;
        sector[(int)((atan2(y, x) / 6.2831854 + 0.5) * 8) & 7]++;
    }
    *emptiest = 1;
    for (int i = 0; i < 8; i++) *emptiest = fmin(*emptiest, (double)sector[i] / (double)n);
    return (double)near / (double)n;
}

int main(int argc, char **argv) {
    int steps = argc > 1 ? atoi(argv[1]) : 2000;
    gm_module *generator = net(NOISE, 2), *critic = net(2, 1);
    game g = { generator, critic, gm_adam(generator, 1e-3, .beta1 = GM_REAL(0.5)),
               gm_adam(critic, 1e-3, .beta1 = GM_REAL(0.5)) };
    for (int step = 0; step < steps && gm_ok(); step++) {
        double c = play_critic(&g), m = play_generator(&g);
        if (step % 500 == 0) printf("step %4d  critic %.3f  generator %.3f\n", step, c, m);
    }
    gm_tensor *points = gm_predict(generator, noise(1000));
    draw(points);
    double emptiest, near = near_ring(points, &emptiest);
    printf("%.2f of the points are near the ring; the emptiest of its eighths has %.3f\n", near, emptiest);
    return gm_exit_status() || !(near > 0.8 && emptiest > 0.03);
}
