/* 10_transformer_on_text: a small GPT: a causal transformer that learns to continue a text, letter by letter.
 *
 * A module of one's own around gm_nn_transformer_encoder; windows of the text by one gather; sampling at the end.
 * (Vaswani et al. 2017; Radford et al. 2019.)                       ./10_transformer_on_text [STEPS [FILE]] */
#include <gemel/gemel.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONTEXT = 32, DIM = 64, HEADS = 4, LAYERS = 2, BATCH = 16, LETTERS = 128, SAMPLE = 240 };

/* ---- the module ---- */

typedef struct { gm_module *token, *blocks, *head; gm_tensor *position; } gpt;

static gm_tensor *gpt_forward(gm_module *m,
                              gm_tensor *x) { /* letters [B, T] i64, T <= CONTEXT -> logits [B, T, LETTERS] */
    gpt *self = gm_state(m);
    gm_tensor *at = gm_narrow(self->position, 0, 0, gm_size(x, 1));
    return gm_forward(self->head, gm_forward(self->blocks, gm_add(gm_forward(self->token, x), at)));
}

static gm_module *gpt_new(void) {
    gm_module *m = gm_module_new(gpt);
    gpt *self = gm_state(m);
    if (!self) return NULL;
    self->token = gm_child(m, "token", gm_nn_embedding(LETTERS, DIM));
    self->position = gm_param_init(m, "position", GM_SHAPE(CONTEXT, DIM), GM_F32, GM_INIT_NORMAL, 0, 0.3);
    self->blocks =
        gm_child(m, "blocks",
                 gm_nn_transformer_encoder(LAYERS, DIM, HEADS, .feedforward = 4 * DIM, .causal = 1, .gelu = 1,
                                           .norm_first = 1, .final_norm = 1, .dropout = GM_REAL(0)));
    self->head = gm_child(m, "head", gm_nn_linear(DIM, LETTERS));
    gm_init_parameters(m, "token.weight", GM_INIT_NORMAL, 0, 0.3);
    return m;
}

/* ---- the text ---- */

/* The letters of a file as numbers [N]; runs of blanks count as one. */
static gm_tensor *read_letters(const char *path) {
    static int64_t letters[1 << 20];
    FILE *f = fopen(path, "r");
    int64_t n = 0;
    if (!f)
        return gm_fail(GM_ERROR_IO, "there is no %s: it is part of Debian's base-files; or name a text of your own: "
                       "10_transformer_on_text 400 FILE", path), NULL;
    for (int c, last = ' '; n < 1 << 20 && (c = getc(f)) != EOF; last = c) {
        if (c == '\t' || c == '\r' || c == '\n') c = ' ';
        if (c < LETTERS && (c != ' ' || last != ' ')) letters[n++] = c;
    }
    fclose(f);
    if (n < 20 * CONTEXT) return gm_fail(GM_ERROR_VALUE, "%s has %lld letters, too few", path, (long long)n), NULL;
    return gm_from_data(GM_SHAPE(n), GM_I64, letters);
}

/* n windows of CONTEXT + 1 letters that begin anywhere: [n, CONTEXT + 1]. */
static gm_tensor *windows(gm_tensor *text, int64_t n) {
    gm_tensor *from = gm_randint(GM_SHAPE(n, 1), 0, gm_count(text) - CONTEXT, GM_I64);
    return gm_take(text, gm_add(from, gm_arange(0, CONTEXT + 1, 1, GM_I64)));
}

/* Each letter from those before it. */
static gm_tensor *loss_of(gm_module *net, gm_tensor *window) {
    gm_tensor *logits = gm_forward(net, gm_narrow(window, 1, 0, CONTEXT)), *next = gm_narrow(window, 1, 1, CONTEXT);
    return gm_cross_entropy(gm_flatten_dims(logits, 0, 1), gm_flatten_dims(next, 0, 1));
}

/* What somebody who knows how frequent each letter is, and no more, has as loss: the entropy of the letters. */
static double entropy(gm_tensor *text) {
    GM_SCOPE(s);
    gm_tensor *p = gm_mean_dim(gm_one_hot(text, LETTERS, GM_F32), 0, false);
    return -gm_item(gm_sum(gm_mul(p, gm_log(gm_clamp(p, 1e-9, 1)))));
}

static double evaluate(gm_module *net, gm_tensor *window) {
    GM_SCOPE(s);
    GM_NO_GRAD;
    return gm_item(loss_of(net, window));
}

/* ---- sampling ---- */

/* A letter drawn from the softmax of the last logits / temperature. */
static int64_t draw(gm_module *net, const int64_t *letters, int64_t n, double temperature) {
    GM_SCOPE(s);
    GM_NO_GRAD;
    gm_tensor *logits = gm_forward(net, gm_from_data(GM_SHAPE(1, n), GM_I64, letters));
    gm_tensor *last = gm_select(gm_select(logits, 0, 0), 0, n - 1);
    gm_tensor *sum = gm_cumsum(gm_softmax(gm_mul_scalar(last, 1 / temperature), 0), 0);
    gm_tensor *below = gm_le(sum, gm_rand(GM_SCALAR, GM_F32)); /* how many letters lie below a random height */
    int64_t letter = gm_item_i64(gm_sum(gm_cast(below, GM_I64)));
    return letter < LETTERS ? letter : ' ';
}

static void sample(gm_module *net, const char *start) {
    int64_t letters[SAMPLE];
    int64_t n = 0;
    for (; start[n]; n++) letters[n] = start[n];
    for (; n < SAMPLE && gm_ok(); n++) {
        int64_t seen = n < CONTEXT ? n : CONTEXT;
        letters[n] = draw(net, letters + n - seen, seen, 0.7);
    }
    for (int64_t i = 0; i < n; i++) putchar(letters[i] < ' ' ? ' ' : (int)letters[i]);
    putchar('\n');
}

int main(int argc, char **argv) {
    int steps = argc > 1 ? atoi(argv[1]) : 400;
    gm_tensor *all = read_letters(argc > 2 ? argv[2] : "/usr/share/common-licenses/GPL-3");
    if (!all) return gm_exit_status();
    int64_t n = gm_count(all), held = n / 10; /* the last tenth is for the exam */
    gm_tensor *text = gm_narrow(all, 0, 0, n - held), *exam = windows(gm_narrow(all, 0, n - held, held), 32);

    gm_module *net = gpt_new();
    gm_optimizer *opt = gm_adamw(net, 5e-3);
    double loss_now = 0, bound = entropy(all);
    for (int step = 0; step < steps && gm_ok(); step++) {
        GM_SCOPE(s);
        gm_tensor *loss = loss_of(net, windows(text, BATCH));
        gm_backward(loss);
        gm_clip_gradient_norm(opt, 1);
        gm_step(opt);
        if (step % 50 == 0 || step + 1 == steps) {
            loss_now = evaluate(net, exam);
            printf("step %4d  loss %.3f, on text never seen %.3f\n", step, gm_item(loss), loss_now);
        }
    }
    sample(net, "The license ");
    printf("knowing the letters' frequencies only: %.3f; the net: %.3f\n", bound, loss_now);
    return gm_exit_status() || !(loss_now < bound - 0.7);
}
