/* 06_two_towers: several inputs, several outputs: a module whose `apply` takes a pack and gives one.
 *
 * Users and articles have features of different kinds; two towers bring them into one space, where an article lies near
 * the users who like it (the retrieval half of a recommender). Each batch is its own exam: which of these articles did
 * this user read?                                                   ./06_two_towers [EPOCHS] */
#include <gemel/gemel.h>

#include <stdio.h>
#include <stdlib.h>

enum { TASTE = 6, USER = 20, ARTICLE = 12, SPACE = 8, TRAIN = 4096, TEST = 100 };

/* ---- the module ---- */

typedef struct { gm_module *user, *article; } towers;

static gm_tensor *embed(gm_module *tower, gm_tensor *x) { return gm_normalize(gm_forward(tower, x), 2, -1, 1e-6); }

/* { user [B, USER], article [C, ARTICLE] } -> { user [B, SPACE], article [C, SPACE], score [B, C] }. */
static gm_pack *towers_apply(gm_module *m, gm_pack *in) {
    towers *self = gm_state(m);
    gm_tensor *u = embed(self->user, gm_get(in, "user")), *a = embed(self->article, gm_get(in, "article"));
    gm_tensor *score = gm_mul_scalar(gm_matmul(u, gm_transpose(a, 0, 1)), 10);
    return GM_PACK({ "user", u, NULL }, { "article", a, NULL }, { "score", score, NULL });
}

static gm_module *tower(int64_t in) {
    return gm_sequential(gm_nn_linear(in, 64), gm_nn_gelu(), gm_nn_linear(64, SPACE));
}

static gm_module *towers_new(void) {
    gm_module *m = gm_module_new_with(&(gm_module_class){
        .size = sizeof(gm_module_class), .name = "towers", .state_bytes = sizeof(towers), .apply = towers_apply });
    towers *self = gm_state(m);
    if (!self) return NULL;
    self->user = gm_child(m, "user", tower(USER));
    self->article = gm_child(m, "article", tower(ARTICLE));
    return m;
}

/* ---- the world: a hidden taste shows, distorted, in what is known of a user and of an article ---- */

static gm_tensor *features(gm_tensor *taste, gm_tensor *lens) {
    gm_tensor *noise = gm_mul_scalar(gm_randn(GM_SHAPE(gm_size(taste, 0), gm_size(lens, 1)), GM_F32), 0.2);
    return gm_add(gm_tanh(gm_matmul(taste, lens)), noise);
}

/* n pairs of a user and an article that he read. */
static gm_pack *pairs(int64_t n, gm_tensor *user_lens, gm_tensor *article_lens) {
    gm_tensor *taste = gm_randn(GM_SHAPE(n, TASTE), GM_F32);
    return GM_PACK({ "user", features(taste, user_lens), NULL }, { "article", features(taste, article_lens), NULL });
}

/* ---- training and the exam ---- */

/* Every user's own article against all others of the batch, and the other way round. */
static gm_tensor *contrast(gm_tensor *score) {
    gm_tensor *own = gm_arange(0, (double)gm_size(score, 0), 1, GM_I64);
    gm_tensor *both =
        gm_add(gm_cross_entropy(score, own), gm_cross_entropy(gm_transpose(score, 0, 1), own));
    return gm_mul_scalar(both, 0.5);
}

/* The part of users whose own article is among the `k` nearest of all. */
static double found(gm_module *net, gm_pack *exam, int k) {
    GM_SCOPE(s);
    GM_NO_GRAD;
    gm_tensor *score = gm_get(gm_apply(net, exam), "score");
    gm_tensor *better = gm_gt(score, gm_unsqueeze(gm_diagonal(score, 0, 0, 1), 1)); /* articles that score higher */
    gm_tensor *rank = gm_sum_dim(gm_cast(better, GM_F32), 1, false);
    return gm_item(gm_mean(gm_cast(gm_lt_scalar(rank, k), GM_F32)));
}

int main(int argc, char **argv) {
    int epochs = argc > 1 ? atoi(argv[1]) : 6;
    gm_tensor *user_lens = gm_randn(GM_SHAPE(TASTE, USER), GM_F32);
    gm_tensor *article_lens = gm_randn(GM_SHAPE(TASTE, ARTICLE), GM_F32);
    gm_dataset *data = gm_dataset_of_pack(pairs(TRAIN, user_lens, article_lens));
    gm_pack *exam = pairs(TEST, user_lens, article_lens);

    gm_module *net = towers_new();
    gm_optimizer *opt = gm_adamw(net, 3e-3);
    gm_loader *loader = gm_loader_new(data, .batch_size = 64, .shuffle = 1);
    double before = found(net, exam, 1), after = before;
    for (int epoch = 0; epoch < epochs && gm_ok(); epoch++) {
        double sum = 0;
        GM_EACH (b, loader) { /* b.all has the entries of the data set under their names */
            gm_tensor *loss = contrast(gm_get(gm_apply(net, b.all), "score"));
            gm_backward(loss);
            gm_step(opt);
            sum += gm_item(loss) / (double)b.count;
        }
        after = found(net, exam, 1);
        printf("epoch %d  loss %.4f  right article first %.2f, in the first five %.2f\n", epoch + 1, sum, after,
               found(net, exam, 5));
    }
    printf("among %d articles: %.2f before training, %.2f after\n", TEST, before, after);
    return gm_exit_status() || !(before < 0.1 && after > 0.6);
}
