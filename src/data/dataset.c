/* dataset.c: examples in memory, and the ones that come as IDX files. */
#include "../math/fp.h"
#include "dataset.h"
#include "gemel/formats.h"
#include "gemel/ops.h"

#include <stdlib.h>

static void dataset_destroy(void *object) {
    gm_dataset *d = object;
    gm_release(d->x);
    gm_release(d->y);
}

const gm_type gm__dataset_type = { "dataset", sizeof(gm_dataset), dataset_destroy };

static bool dataset_check(const gm_dataset *d, const char *op) {
    return gm_ok() && gm_check_object(d, &gm__dataset_type, op, 1);
}

gm_dataset *gm_dataset_of(gm_tensor *x, gm_tensor *y) {
    if (!gm_ok()) return NULL;
    gm_scope s = gm_scope_open();
    x = gm_contiguous(x), y = gm_contiguous(y);
    if (gm_ok() && (gm_n_dims(x) < 1 || gm_n_dims(y) < 1 || gm_size(x, 0) != gm_size(y, 0)))
        gm_fail(GM_ERROR_SHAPE, "dataset_of: x and y need the same number of examples in dimension 0");
    gm_dataset *d = gm_ok() ? gm_object_new(&gm__dataset_type) : NULL;
    if (d) d->x = gm_retain(x), d->y = gm_retain(y), d->std = 1;
    return gm_return(&s, d);
}

static gm_dataset *dataset_idx(const char *dir, gm_data_split split, const char *const *classes, double mean,
                               double std) {
    if (!gm_ok()) return NULL;
    if (!dir || (split != GM_SPLIT_TRAIN && split != GM_SPLIT_TEST))
        return gm_fail(GM_ERROR_VALUE, "mnist: folder %s, split %d", dir ? dir : "NULL", split), NULL;
    gm_scope s = gm_scope_open();
    gm_pack *files = gm_load_mnist(dir, split == GM_SPLIT_TEST);
    gm_tensor *x = gm_unsqueeze(gm_get(files, "images"), 1), *y = gm_cast(gm_get(files, "labels"), GM_I64);
    gm_dataset *d = gm_dataset_of(x, y);
    if (d) d->classes = classes, d->n_classes = 10, d->mean = mean, d->std = std;
    return gm_return(&s, d);
}

gm_dataset *gm_mnist(const char *dir, gm_data_split split) {
    static const char *const digits[] = { "0", "1", "2", "3", "4", "5", "6", "7", "8", "9" };
    return dataset_idx(dir, split, digits, 0.1307, 0.3081);
}

gm_dataset *gm_fashion_mnist(gm_data_split split) {
    static const char *const clothes[] = { "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                           "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot" };
    const char *dir = getenv("GM_FASHION_MNIST");
    return dataset_idx(dir && *dir ? dir : "/usr/share/datasets/fashion-mnist", split, clothes, 0.286, 0.353);
}

int64_t gm_dataset_count(const gm_dataset *d) { return dataset_check(d, "dataset_count") ? gm_size(d->x, 0) : -1; }

gm_shape gm_dataset_shape(const gm_dataset *d) {
    gm_shape whole = { 0 }, one = { 0 };
    if (!dataset_check(d, "dataset_shape")) return one;
    whole = gm_shape_of(d->x);
    one.n = whole.n - 1;
    for (int i = 0; i < one.n; i++) one.d[i] = whole.d[i + 1];
    return one;
}

gm_tensor *gm_dataset_x(const gm_dataset *d) { return dataset_check(d, "dataset_x") ? d->x : NULL; }
gm_tensor *gm_dataset_y(const gm_dataset *d) { return dataset_check(d, "dataset_y") ? d->y : NULL; }
int32_t gm_n_classes(const gm_dataset *d) { return dataset_check(d, "n_classes") ? d->n_classes : -1; }

const char *gm_class_name(const gm_dataset *d, int32_t index) {
    if (!dataset_check(d, "class_name")) return NULL;
    if (index >= 0 && index < d->n_classes) return d->classes[index];
    return gm_fail(GM_ERROR_INDEX, "class_name: class %d of %d", index, d->n_classes), NULL;
}

void gm_dataset_scaling(const gm_dataset *d, double *mean, double *std) {
    bool ok = dataset_check(d, "dataset_scaling");
    *mean = ok ? d->mean : 0, *std = ok ? d->std : 1;
}

bool gm_dataset_set_scaling(gm_dataset *d, double mean, double std) {
    if (!dataset_check(d, "dataset_set_scaling")) return false;
    if (!(std > 0) || mean != mean) return gm_fail(GM_ERROR_VALUE, "dataset_set_scaling: mean %g, std %g", mean, std);
    d->mean = mean, d->std = std;
    return true;
}

void gm__pixel_table(double mean, double std, float *table) {
    for (int i = 0; i < 256; i++) {
        double pixel = i / 255.0 - mean;
        table[i] = (float)(pixel / std);
    }
}

gm_tensor *gm_scale_pixels(gm_tensor *pixels, double mean, double std) {
    if (!gm_ok()) return NULL;
    if (gm_dtype_of(pixels) != GM_U8) return gm_fail(GM_ERROR_DTYPE, "scale_pixels: pixels are u8"), NULL;
    float table[256];
    gm__pixel_table(mean, std, table);
    gm_scope s = gm_scope_open();
    const uint8_t *from = gm_data(gm_contiguous(pixels));
    gm_tensor *y = gm_empty(gm_shape_of(pixels), GM_F32);
    float *to = y ? gm_mutable_data(y) : NULL;
    for (int64_t i = 0, n = to && from ? gm_count(y) : 0; i < n; i++) to[i] = table[from[i]];
    return gm_return(&s, y);
}
