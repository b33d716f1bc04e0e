/* published.c: data sets in the files in which they are published, read whole into memory. */
#include "../math/fp.h"
#include "dataset.h"
#include "gemel/formats.h"
#include "gemel/ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PUBLISHED_PATH = 4096 };

/* ---- MNIST ---- */

static gm_dataset *published_mnist(const char *dir, gm_data_split split, const char *const *classes, double mean,
                                double std) {
    if (!gm_ok()) return NULL;
    if (!dir || (split != GM_SPLIT_TRAIN && split != GM_SPLIT_TEST))
        return gm_fail(GM_ERROR_VALUE, "mnist: folder %s, split %d", dir ? dir : "NULL", split), NULL;
    gm_scope s = gm_scope_open();
    gm_pack *files = gm_load_mnist(dir, split == GM_SPLIT_TEST);
    gm_tensor *x = gm_unsqueeze(gm_get(files, "images"), 1), *y = gm_cast(gm_get(files, "labels"), GM_I64);
    gm_dataset *d = gm_dataset_of(x, y);
    gm_dataset_set_classes(d, gm_strings(classes, 10));
    gm_dataset_set_scaling(d, mean, std);
    return gm_return(&s, gm_ok() ? d : NULL);
}

gm_dataset *gm_mnist(const char *dir, gm_data_split split) {
    static const char *const digits[] = { "0", "1", "2", "3", "4", "5", "6", "7", "8", "9" };
    return published_mnist(dir, split, digits, 0.1307, 0.3081);
}

gm_dataset *gm_fashion_mnist(gm_data_split split) {
    static const char *const clothes[] = { "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                           "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot" };
    const char *dir = getenv("GM_FASHION_MNIST");
    return published_mnist(dir && *dir ? dir : "/usr/share/datasets/fashion-mnist", split, clothes, 0.286, 0.353);
}

/* ---- CIFAR-10 ---- */

gm_dataset *gm_cifar10(const char *dir, gm_data_split split) {
    static const char *const names[] = { "airplane", "automobile", "bird",  "cat",  "deer",
                                         "dog",      "frog",       "horse", "ship", "truck" };
    if (!gm_ok()) return NULL;
    if (!dir || (split != GM_SPLIT_TRAIN && split != GM_SPLIT_TEST))
        return gm_fail(GM_ERROR_VALUE, "cifar10: folder %s, split %d", dir ? dir : "NULL", split), NULL;
    GM_SCOPE(s);
    gm_pack *files = gm_load_cifar10(dir, split == GM_SPLIT_TEST);
    gm_dataset *d = gm_dataset_of(gm_get(files, "images"), gm_cast(gm_get(files, "labels"), GM_I64));
    gm_dataset_set_classes(d, gm_strings(names, 10));
    gm_dataset_set_scaling(d, 0.4734, 0.2516);
    return gm_return(&s, gm_ok() ? d : NULL);
}

/* ---- .npy ---- */

static gm_tensor *published_array(const char *dir, const char *name, const char *part) {
    char path[PUBLISHED_PATH];
    snprintf(path, sizeof path, "%s/%s_%s.npy", dir, name, part);
    if (access(path, R_OK))
        return gm_fail(GM_ERROR_IO,
                       "npy_folder: %s: there is no such file. Four are needed in the folder: x_train.npy, "
                       "y_train.npy, x_test.npy, y_test.npy",
                       path),
               NULL;
    return gm_load_npy(path);
}

gm_dataset *gm_npy_folder(const char *dir, gm_data_split split) {
    if (!gm_ok()) return NULL;
    if (!dir || (split != GM_SPLIT_TRAIN && split != GM_SPLIT_TEST))
        return gm_fail(GM_ERROR_VALUE, "npy_folder: folder %s, split %d", dir ? dir : "NULL", split), NULL;
    GM_SCOPE(s);
    const char *part = split == GM_SPLIT_TEST ? "test" : "train";
    char op[PUBLISHED_PATH];
    snprintf(op, sizeof op, "npy_folder: %.3000s/y_%s.npy", dir, part);
    gm_tensor *x = published_array(dir, "x", part), *y = x ? published_array(dir, "y", part) : NULL;
    bool classes = y && gm_n_dims(y) == 1 && gm_is_integer(gm_dtype_of(y));
    if (classes) y = gm_cast(y, GM_I64);
    gm_dataset *d = gm_ok() ? gm_dataset_of(x, y) : NULL;
    if (classes && d) gm_dataset_set_classes(d, gm__number_names(op, y));
    return gm_return(&s, gm_ok() ? d : NULL);
}
