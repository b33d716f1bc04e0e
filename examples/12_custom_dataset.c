/* 12_custom_dataset: a data set that makes its elements when they are asked for, and a pipeline on top of it.
 *
 * Elements are drawings of circles, squares and crosses; noise is laid over them by `map`. What an epoch gives depends
 * on the seeds and the number of the epoch only, whatever the number of threads.     ./12_custom_dataset [EPOCHS] */
#include <gemel/gemel.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { SIDE = 16, SHAPES = 3 };
static const char *const shape_names[SHAPES] = { "circle", "square", "cross" };

/* ---- the data set: how many, and element i ---- */

typedef struct { int64_t n; uint64_t seed; } drawings;

static int64_t drawings_count(void *env) { return ((const drawings *)env)->n; }

static bool inside(int shape, double x, double y, double r) {
    double ax = fabs(x), ay = fabs(y), larger = fmax(ax, ay), smaller = fmin(ax, ay);
    switch (shape) {
    case 0: return fabs(hypot(x, y) - r) < 1;
    case 1: return fabs(larger - r) < 1;
    default: return smaller < 1 && larger < r;
    }
}

/* Called from several threads: everything it needs it takes from `env` and the index. */
static gm_pack *drawings_get(void *env, int64_t index) {
    const drawings *d = env;
    gm_dice dice = gm_dice_of(d->seed, 0, index);
    int shape = (int)gm_dice_below(&dice, SHAPES);
    double r = gm_dice_uniform(&dice, 3, 6), cx = gm_dice_uniform(&dice, 6, 10), cy = gm_dice_uniform(&dice, 6, 10);
    float pixels[SIDE * SIDE];
    for (int i = 0; i < SIDE * SIDE; i++) pixels[i] = inside(shape, i % SIDE - cx, (double)(i / SIDE) - cy, r);
    return GM_PACK({ "x", gm_from_data(GM_SHAPE(1, SIDE, SIDE), GM_F32, pixels), NULL },
                   { "y", gm_scalar_i64(shape, GM_I64), NULL });
}

static gm_dataset *drawings_new(int64_t n, uint64_t seed) {
    drawings *d = malloc(sizeof *d);
    if (!d) return gm_fail(GM_ERROR_MEMORY, "drawings: out of memory"), NULL;
    *d = (drawings){ n, seed };
    return gm_dataset_custom(drawings_count, drawings_get, d, free);
}

/* ---- a step of the pipeline: other noise in each epoch, drawn from the element's own dice ---- */

static gm_pack *add_noise(void *env, gm_pack *element, gm_dice *dice) {
    const double *level = env;
    gm_tensor *x = gm_copy(gm_get(element, "x"));
    float *p = gm_mutable_data(x);
    for (int i = 0; p && i < SIDE * SIDE; i++) p[i] += (float)gm_dice_uniform(dice, -*level, *level);
    return GM_PACK({ "x", x, NULL }, { "y", gm_get(element, "y"), NULL });
}

static void draw(gm_pack *element) {
    const float *p = gm_data(gm_get(element, "x"));
    for (int i = 0; p && i < SIDE * SIDE; i++)
        printf("%c%s", " .:#"[(int)fmin(3, fmax(0, 4 * p[i]))], i % SIDE == SIDE - 1 ? "\n" : "");
    printf("  a %s\n", shape_names[gm_item_i64(gm_get(element, "y"))]);
}

static double checksum(gm_dataset *d, int64_t epoch) {
    double sum = 0;
    int64_t n = 0;
    GM_EACH_ELEMENT (at, d, epoch) sum += (double)++n * gm_item(gm_mean(gm_get(at.e, "x")));
    return sum;
}

static bool report(void *env, const gm_epoch *e) {
    (void)env;
    printf("epoch %lld: loss %.4f, accuracy %.4f; unseen %.4f\n", (long long)e->epoch, e->train.loss, e->train.accuracy,
           e->validation.accuracy);
    return true;
}

int main(int argc, char **argv) {
    double level = 0.6;
    gm_dataset *clean = drawings_new(1500, 1);
    gm_dataset *train = gm_dataset_shuffle(gm_dataset_map(clean, add_noise, .env = &level, .seed = 7), .seed = 3);
    gm_dataset *test = gm_dataset_map(drawings_new(300, 2), add_noise, .env = &level);
    draw(gm_dataset_get(clean, 0, 0));
    draw(gm_dataset_get(train, 0, 0));
    bool again = checksum(train, 0) == checksum(train, 0), other = checksum(train, 0) != checksum(train, 1);
    printf("an epoch again: %s; the next epoch: %s\n", again ? "the same" : "OTHER", other ? "another" : "THE SAME");

    gm_module *net = gm_sequential(gm_nn_conv2d(1, 8, .kernel = 5), gm_nn_relu(), gm_nn_max_pool2d(2), gm_nn_flatten(),
                                   gm_nn_linear(8 * 6 * 6, SHAPES));
    gm_fit(net, train, .optimizer = gm_adam(net, 5e-3), .epochs = argc > 1 ? atoi(argv[1]) : 4, .validation = test,
           .on_epoch = report, .quiet = 1);
    double right = gm_evaluate(net, test).accuracy;
    return gm_exit_status() || !(again && other && right > 0.95);
}
