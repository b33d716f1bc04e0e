/* The folders of MNIST, Fashion-MNIST and CIFAR-10: the real ones where they are, bad ones made here. */
#include "base/object.h"
#include "check_error.h"
#include "gemel/formats.h"

#include <sys/stat.h>

static char dir[200];

static const char *in_dir(const char *name) {
    static char path[4][300];
    static int next;
    char *p = path[next++ % 4];
    snprintf(p, 300, "%s/%s", dir, name);
    return p;
}

static bool holds(gm_pack *p, int64_t n, int first_label, int64_t pixel_sum) {
    gm_tensor *x = gm_get(p, "images"), *y = gm_get(p, "labels");
    if (!x || !y || gm_size(x, 0) != n || gm_size(x, 1) != 28 || gm_size(x, 2) != 28 || gm_count(y) != n) return false;
    const uint8_t *pixels = gm_data(x), *labels = gm_data(y);
    int64_t sum = 0, counts[10] = { 0 };
    for (int64_t i = 0; i < gm_count(x); i++) sum += pixels[i];
    for (int64_t i = 0; i < n; i++) counts[labels[i]]++;
    if (sum != pixel_sum) fprintf(stderr, "  the pixels add up to %lld\n", (long long)sum);
    for (int i = 0; i < 10; i++)
        if (counts[i] < n / 12 || counts[i] > n / 8) return false;
    return labels[0] == first_label && sum == pixel_sum;
}

static void real_data(void) {
    const char *data = check_data();
    char path[4200];
    if (data) {
        GM_SCOPE(s);
        snprintf(path, sizeof path, "%s/mnist", data);
        CHECK(holds(gm_load_mnist(path, false), 60000, 5, 1567298545), "%s", gm_error_message());
        CHECK(holds(gm_load_mnist(path, true), 10000, 7, 264923200), "%s", gm_error_message());
    }
    const char *fashion = "/usr/share/datasets/fashion-mnist";
    struct stat st;
    if (stat(fashion, &st)) {
        printf("SKIPPED: %s is not there (Debian: dataset-fashion-mnist)\n", fashion);
        return;
    }
    GM_SCOPE(s);
    CHECK(holds(gm_load_mnist(fashion, true), 10000, 9, 573469082), "%s", gm_error_message());
}

static void bad_mnist(void) {
    GM_SCOPE(s);
    CHECK(!gm_load_mnist("/nonexistent", false) && fails_with(GM_ERROR_IO, "/nonexistent is no folder. Four files"));
    CHECK(!gm_load_mnist(NULL, false) && fails_with(GM_ERROR_VALUE, "NULL"));
    write_file(in_dir("train-images-idx3-ubyte"), "\0\0\x08\3\0\0\0\2\0\0\0\1\0\0\0\2abcd", 20);
    CHECK(!gm_load_mnist(dir, false) && fails_with(GM_ERROR_IO, "does not have them all"));
    CHECK(!gm_load_mnist(dir, false) && fails_with(GM_ERROR_IO, "train-labels-idx1-ubyte, t10k-images-idx3-ubyte"));
    CHECK(!gm_load_mnist(dir, false) && fails_with(GM_ERROR_IO, "dataset-fashion-mnist"));
    const char *labels = in_dir("train-labels-idx1-ubyte");
    write_file(labels, "\0\0\x08\1\0\0\0\2\3\x09", 10);
    gm_pack *p = gm_load_mnist(dir, false);
    CHECK(gm_size(gm_get(p, "images"), 2) == 2 && ((const uint8_t *)gm_data(gm_get(p, "labels")))[1] == 9);
    write_file(labels, "\0\0\x08\1\0\0\0\2\3\x0a", 10);
    CHECK(!gm_load_mnist(dir, false) && fails_with(GM_ERROR_FORMAT, "train-labels-idx1-ubyte: label 10 of image 1"));
    write_file(labels, "\0\0\x08\1\0\0\0\3\1\2\3", 11);
    CHECK(!gm_load_mnist(dir, false) && fails_with(GM_ERROR_FORMAT, "2 images but 3 labels"));
    write_file(labels, "\0\0\x08\2\0\0\0\2\0\0\0\1ab", 14);
    CHECK(!gm_load_mnist(dir, false) && fails_with(GM_ERROR_FORMAT, "u8 [N] is needed, it has u8 [2, 1]"));
    write_file(in_dir("train-images-idx3-ubyte"), "\0\0\x08\1\0\0\0\2ab", 10);
    CHECK(!gm_load_mnist(dir, false) && fails_with(GM_ERROR_FORMAT, "u8 [N, H, W] is needed, it has u8 [2]"));
    unlink(in_dir("train-images-idx3-ubyte"));
    unlink(labels);
}

static void cifar(void) {
    GM_SCOPE(s);
    static uint8_t records[2 * 3073 + 1];
    for (int i = 0; i < 2 * 3073; i++) records[i] = (uint8_t)(i % 251);
    records[0] = 3, records[3073] = 9;
    CHECK(!gm_load_cifar10("/nonexistent", true) && fails_with(GM_ERROR_IO, "/nonexistent is no folder. Six files"));
    CHECK(!gm_load_cifar10(dir, true) && fails_with(GM_ERROR_IO,
                                                    "data_batch_1.bin to data_batch_5.bin and test_batch.bin"));
    write_file(in_dir("test_batch.bin"), records, 2 * 3073);
    gm_pack *p = gm_load_cifar10(dir, true);
    gm_tensor *x = gm_get(p, "images"), *y = gm_get(p, "labels");
    CHECK(gm_shape_equal(gm_shape_of(x), GM_SHAPE(2, 3, 32, 32)) && !memcmp(gm_data(y), "\3\x09", 2));
    CHECK(x && !memcmp(gm_data(x), records + 1, 3072) && !memcmp((const char *)gm_data(x) + 3072, records + 3074,
                                                                 3072));
    CHECK(!gm_load_cifar10(dir, false) && fails_with(GM_ERROR_IO, "does not have them all"));
    mkdir(in_dir("cifar-10-batches-bin"), 0777);
    for (int i = 1; i <= 5; i++) {
        char name[64];
        snprintf(name, sizeof name, "cifar-10-batches-bin/data_batch_%d.bin", i);
        records[0] = (uint8_t)i;
        write_file(in_dir(name), records, 3073);
    }
    p = gm_load_cifar10(dir, false);
    CHECK(gm_size(gm_get(p, "images"), 0) == 5 && !memcmp(gm_data(gm_get(p, "labels")), "\1\2\3\4\5", 5));
    write_file(in_dir("test_batch.bin"), records, 2 * 3073 - 1);
    CHECK(!gm_load_cifar10(dir, true) && fails_with(GM_ERROR_FORMAT,
                                                    "test_batch.bin: 6145 bytes, not a multiple of 3073"));
    write_file(in_dir("test_batch.bin"), records, 0);
    CHECK(!gm_load_cifar10(dir, true) && fails_with(GM_ERROR_FORMAT, "the file is empty"));
    records[3073] = 10;
    write_file(in_dir("test_batch.bin"), records, 2 * 3073);
    CHECK(!gm_load_cifar10(dir, true) && fails_with(GM_ERROR_FORMAT, "test_batch.bin: the label of image 1 is 10"));
    for (int i = 1; i <= 5; i++) {
        char name[64];
        snprintf(name, sizeof name, "cifar-10-batches-bin/data_batch_%d.bin", i);
        unlink(in_dir(name));
    }
    rmdir(in_dir("cifar-10-batches-bin"));
    unlink(in_dir("test_batch.bin"));
}

static void failing_allocations(void) {
    static uint8_t record[3073];
    int64_t before = gm__n_objects();
    int wrong = 0;
    write_file(in_dir("test_batch.bin"), record, sizeof record);
    for (int i = 1; i <= 8; i++) {
        gm__fail_allocation(i, false);
        wrong += gm_load_cifar10(dir, true) || gm_error_code() != GM_ERROR_MEMORY;
        gm_error_clear();
    }
    gm__fail_allocation(0, false);
    CHECK(wrong == 0 && gm__n_objects() == before, "%d", wrong);
    unlink(in_dir("test_batch.bin"));
}

int main(void) {
    snprintf(dir, sizeof dir, "%s", temporary_path("sets"));
    if (mkdir(dir, 0777)) return 1;
    RUN(real_data);
    RUN(bad_mnist);
    RUN(cifar);
    RUN(failing_allocations);
    CHECK(!rmdir(dir));
    return check_done();
}
