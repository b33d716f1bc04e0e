/* 04_cnn_with_fit: a convolutional network on photographs of clothes: build, fit, evaluate, predict, save.
 *
 *     ./04_cnn_with_fit          a small part of Fashion-MNIST, seconds
 *     ./04_cnn_with_fit full     all 60,000 pictures, three epochs
 *
 * Without Debian's package dataset-fashion-mnist (or GM_FASHION_MNIST=FOLDER) it makes pictures of its own. */
#include <gemel/gemel.h>

#include <stdio.h>
#include <string.h>

enum { CLASSES = 10 };

/* Stand-in pictures u8 [n, 1, 28, 28]: class k is a grating of its own direction and width, in noise. */
static gm_dataset *gratings(int64_t n) {
    gm_tensor *y = gm_remainder(gm_arange(0, (double)n, 1, GM_I64), gm_scalar_i64(CLASSES, GM_I64));
    gm_tensor *k = gm_reshape(gm_cast(y, GM_F32), GM_SHAPE(n, 1, 1, 1));
    gm_tensor *line = gm_arange(0, 28, 1, GM_F32);
    gm_tensor *row = gm_reshape(line, GM_SHAPE(1, 1, 28, 1)), *column = gm_reshape(line, GM_SHAPE(1, 1, 1, 28));
    gm_tensor *angle = gm_mul_scalar(k, 0.314159), *wave = gm_add_scalar(gm_mul_scalar(k, 0.06), 0.5);
    gm_tensor *at = gm_add(gm_mul(row, gm_sin(angle)), gm_mul(column, gm_cos(angle)));
    gm_tensor *moved = gm_rand_between(GM_SHAPE(n, 1, 1, 1), GM_F32, 0, 6.28);
    gm_tensor *noise = gm_mul_scalar(gm_randn(GM_SHAPE(n, 1, 28, 28), GM_F32), 30);
    gm_tensor *pixels = gm_add(gm_add_scalar(gm_mul_scalar(gm_sin(gm_add(gm_mul(at, wave), moved)), 80), 128), noise);
    return gm_dataset_of(gm_cast(gm_clamp(pixels, 0, 255), GM_U8), y);
}

/* The photographs; where they are not installed, gratings. */
static bool open_data(gm_dataset **train, gm_dataset **test) {
    *train = gm_fashion_mnist(GM_SPLIT_TRAIN);
    *test = gm_fashion_mnist(GM_SPLIT_TEST);
    if (gm_ok() && gm_dataset_count(*train) == 60000) return true;
    printf("Fashion-MNIST is not here (%s); gratings instead.\n", gm_error_message());
    gm_error_clear();
    *train = gratings(5000);
    *test = gratings(1000);
    return false;
}

static bool report(void *env, const gm_epoch *e) {
    (void)env;
    printf("epoch %lld: loss %.4f, accuracy %.4f; on the test set %.4f\n", (long long)e->epoch, e->train.loss,
           e->train.accuracy, e->validation.accuracy);
    return true; /* false would stop here */
}

static gm_module *lenet(void) {
    return gm_sequential(gm_nn_conv2d(1, 16, .kernel = 5, .same = 1), gm_nn_relu(), gm_nn_max_pool2d(2),
                         gm_nn_conv2d(16, 32, .kernel = 5), gm_nn_relu(), gm_nn_max_pool2d(2),
                         gm_nn_flatten(), gm_nn_linear(32 * 5 * 5, 64), gm_nn_relu(), gm_nn_linear(64, CLASSES));
}

/* The first pictures of the test set with what the net takes them for. */
static void show(gm_module *net, gm_dataset *test) {
    for (int64_t i = 0; gm_ok() && i < 8; i++) {
        GM_SCOPE(s);
        gm_pack *e = gm_dataset_get(test, 0, i);
        gm_tensor *x = gm_unsqueeze(gm_scale_pixels(gm_get(e, "x"), 0, 1), 0);
        int32_t is = (int32_t)gm_item_i64(gm_get(e, "y"));
        int32_t says = (int32_t)gm_item_i64(gm_argmax(gm_predict(net, x), 1, false));
        if (gm_n_classes(test)) printf("  %-12s taken for %s\n", gm_class_name(test, is), gm_class_name(test, says));
        else printf("  grating %d taken for %d\n", is, says);
    }
}

/* A net that was saved and loaded again is the same net. */
static bool comes_back(gm_module *net, gm_dataset *test, double accuracy) {
    gm_module *again = lenet();
    gm_save_safetensors(gm_state_dict(net), NULL, "04_cnn.safetensors");
    gm_load_state_dict(again, gm_load_safetensors("04_cnn.safetensors"));
    return gm_evaluate(again, test).accuracy == accuracy;
}

int main(int argc, char **argv) {
    bool full = argc > 1 && !strcmp(argv[1], "full");
    gm_dataset *train, *test;
    bool real = open_data(&train, &test);
    if (!full) {
        train = gm_dataset_take(train, 5000);
        test = gm_dataset_take(test, 1000);
    }
    gm_module *net = lenet();
    gm_fit(net, train, .optimizer = gm_adamw(net, 2e-3), .batch_size = 64, .epochs = full ? 3 : 2, .validation = test,
           .on_epoch = report, .quiet = 1);
    gm_metrics m = gm_evaluate(net, test);
    show(net, test);
    double wanted = real ? full ? 0.88 : 0.78 : 0.95;
    bool good = m.accuracy > wanted && comes_back(net, test, m.accuracy);
    printf("test accuracy %.4f, at least %.2f wanted\n", m.accuracy, wanted);
    return gm_exit_status() || !good;
}
