/* 07_vae: a variational auto-encoder: a training step of one's own, a loss of two parts, random numbers in the net.
 *
 * Pictures of one blob at any place are squeezed through two numbers; from two numbers new pictures come out.
 * (Kingma, Welling 2013.)                                           ./07_vae [EPOCHS] */
#include <gemel/gemel.h>

#include <stdio.h>
#include <stdlib.h>

enum { SIDE = 12, PIXELS = SIDE * SIDE, HIDDEN = 96, LATENT = 2, PICTURES = 2000 };

/* Blobs with their middles anywhere: [n, PIXELS], 0 to 1. */
static gm_tensor *blobs(int64_t n) {
    gm_tensor *at = gm_rand_between(GM_SHAPE(n, 2), GM_F32, 2, SIDE - 3), *line = gm_arange(0, SIDE, 1, GM_F32);
    gm_tensor *dy = gm_square(gm_sub(line, gm_narrow(at, 1, 0, 1))),
              *dx = gm_square(gm_sub(line, gm_narrow(at, 1, 1, 1)));
    gm_tensor *far = gm_add(gm_unsqueeze(dy, 2), gm_unsqueeze(dx, 1));
    return gm_reshape(gm_exp(gm_mul_scalar(far, -0.25)), GM_SHAPE(n, PIXELS));
}

typedef struct { gm_module *encoder, *decoder; } vae;

static gm_pack *vae_apply(gm_module *m,
                          gm_pack *in) { /* x [B, PIXELS] -> logits [B, PIXELS], mean and log_var [B, LATENT] */
    vae *self = gm_state(m);
    gm_tensor *code = gm_forward(self->encoder, gm_get(in, "x"));
    gm_tensor *mean = gm_narrow(code, 1, 0, LATENT), *log_var = gm_narrow(code, 1, LATENT, LATENT), *z = mean;
    if (gm_is_training(m)) { /* z = mean + deviation * noise, so that gradients reach mean and deviation */
        gm_tensor *noise = gm_randn(gm_shape_of(mean), GM_F32);
        z = gm_add(mean, gm_mul(gm_exp(gm_mul_scalar(log_var, 0.5)), noise));
    }
    return GM_PACK({ "logits", gm_forward(self->decoder, z), NULL }, { "mean", mean, NULL },
                   { "log_var", log_var, NULL });
}

static gm_module *vae_new(void) {
    gm_module *m = gm_module_new_with(&(gm_module_class){
        .size = sizeof(gm_module_class), .name = "vae", .state_bytes = sizeof(vae), .apply = vae_apply });
    vae *self = gm_state(m);
    if (!self) return NULL;
    self->encoder = gm_child(m, "encoder", gm_sequential(gm_nn_linear(PIXELS, HIDDEN), gm_nn_silu(),
                                                         gm_nn_linear(HIDDEN, 2 * LATENT)));
    self->decoder = gm_child(m, "decoder", gm_sequential(gm_nn_linear(LATENT, HIDDEN), gm_nn_silu(),
                                                         gm_nn_linear(HIDDEN, PIXELS)));
    return m;
}

/* How badly the picture comes out: the cross-entropy of its pixels, summed; mean over the batch. */
static gm_tensor *picture_loss(gm_tensor *logits, gm_tensor *x) {
    return gm_mean(gm_sum_dim(gm_sub(gm_softplus(logits), gm_mul(x, logits)), 1, false));
}

/* How far the codes are from a standard normal: sum of (mean^2 + var - 1 - log var) / 2; mean over the batch. */
static gm_tensor *code_loss(gm_tensor *mean, gm_tensor *log_var) {
    gm_tensor *part = gm_sub(gm_add(gm_square(mean), gm_exp(log_var)), gm_add_scalar(log_var, 1));
    return gm_mul_scalar(gm_mean(gm_sum_dim(part, 1, false)), 0.5);
}

typedef struct { double picture, code, first; int64_t batches; } progress;

static gm_tensor *step(void *env, gm_module *net, const gm_batch *b) {
    progress *p = env;
    gm_pack *out = gm_apply(net, b->all);
    gm_tensor *picture = picture_loss(gm_get(out, "logits"), b->x);
    gm_tensor *code = code_loss(gm_get(out, "mean"), gm_get(out, "log_var"));
    p->picture += gm_item(picture), p->code += gm_item(code), p->batches++;
    return gm_add(picture, code); /* what is returned is differentiated and stepped on */
}

static bool report(void *env, const gm_epoch *e) {
    progress *p = env;
    double n = (double)p->batches;
    if (e->epoch % 4 == 1)
        printf("epoch %2lld  pictures %.2f + codes %.2f\n", (long long)e->epoch, p->picture / n, p->code / n);
    if (e->epoch == 1) p->first = e->train.loss;
    p->picture = p->code = 0, p->batches = 0;
    return true;
}

/* What comes out for codes on a grid. */
static void draw(gm_module *net) {
    GM_SCOPE(s);
    for (int row = 0; gm_ok() && row < 3; row++) {
        gm_tensor *across = gm_linspace(-1.5, 1.5, 5, GM_F32), *down = gm_full(GM_SHAPE(5), 1.5 - 1.5 * row, GM_F32);
        gm_tensor *z = gm_stack((gm_tensor *[]){ across, down }, 2, 1);
        const float *x = gm_data(gm_sigmoid(gm_predict(((vae *)gm_state(net))->decoder, z)));
        for (int i = 0; x && i < SIDE; i += 2) {
            for (int k = 0; k < 5; k++, printf("  "))
                for (int j = 0; j < SIDE; j++) putchar(" .:*#"[(int)(4.99f * x[k * PIXELS + i * SIDE + j])]);
            putchar('\n');
        }
    }
}

int main(int argc, char **argv) {
    gm_tensor *x = blobs(PICTURES), *unseen = blobs(200);
    gm_module *net = vae_new();
    progress p = { 0 };
    gm_fit(net, gm_dataset_of_pack(GM_PACK({ "x", x, NULL })), .step = step, .env = &p, .on_epoch = report, .quiet = 1,
           .optimizer = gm_adam(net, 3e-3), .batch_size = 50, .epochs = argc > 1 ? atoi(argv[1]) : 17);
    draw(net);
    gm_set_training(net, false);
    gm_pack *out = gm_apply(net, GM_PACK({ "x", unseen, NULL }));
    double error = gm_item(gm_mean(gm_square(gm_sub(gm_sigmoid(gm_get(out, "logits")), unseen))));
    double blank = gm_item(gm_mean(gm_square(gm_sub(unseen, gm_mean_dim(unseen, 0, false)))));
    printf("unseen pictures: squared error %.5f per pixel (the mean picture's is %.5f)\n", error, blank);
    return gm_exit_status() || !(error < blank / 4);
}
