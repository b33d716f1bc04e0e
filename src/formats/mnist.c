/* mnist.c: the folder of four IDX files in which MNIST, and everything in its form, is published. Whatever may be wrong
 * with it (not there, files missing, sizes that differ, labels out of range) is said by name. */
#include "../math/fp.h"
#include "gemel/extend.h"
#include "gemel/formats.h"

#include <stdio.h>
#include <unistd.h>

static const char *const mnist_files[2][2] = { { "train-images-idx3-ubyte", "train-labels-idx1-ubyte" },
                                               { "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte" } };

static bool mnist_missing(const char *dir, bool is_folder) {
    return gm_fail(
        GM_ERROR_IO,
        "load_mnist: %s %s. Four files are needed there, each with .gz behind its name or not: %s, %s, %s, %s. "
        "Debian's package dataset-fashion-mnist puts such a set into /usr/share/datasets/fashion-mnist",
        dir, is_folder ? "does not have them all" : "is no folder", mnist_files[0][0], mnist_files[0][1],
        mnist_files[1][0], mnist_files[1][1]);
}

/* DIR/NAME, or with .gz behind it; NULL if neither is there. */
static const char *mnist_path(const char *dir, const char *name, char *path, size_t bytes) {
    static const char *const endings[] = { "", ".gz" };
    for (int i = 0; i < 2; i++)
        if (snprintf(path, bytes, "%s/%s%s", dir, name, endings[i]) < (int)bytes && !access(path, F_OK)) return path;
    return NULL;
}

static bool mnist_check(const char *dir, const char *images_path, const char *labels_path, gm_tensor *x, gm_tensor *y) {
    if (!x || !y) return false;
    char text[400];
    if (gm_n_dims(x) != 3 || gm_dtype_of(x) != GM_U8)
        return gm_fail(GM_ERROR_FORMAT, "load_mnist: %s: u8 [N, H, W] is needed, it has %s %s", images_path,
                       gm_dtype_name(gm_dtype_of(x)), gm_shape_text(gm_shape_of(x), text, sizeof text));
    if (gm_n_dims(y) != 1 || gm_dtype_of(y) != GM_U8)
        return gm_fail(GM_ERROR_FORMAT, "load_mnist: %s: u8 [N] is needed, it has %s %s", labels_path,
                       gm_dtype_name(gm_dtype_of(y)), gm_shape_text(gm_shape_of(y), text, sizeof text));
    if (gm_size(x, 0) != gm_size(y, 0))
        return gm_fail(GM_ERROR_FORMAT, "load_mnist: %s: %lld images but %lld labels", dir, (long long)gm_size(x, 0),
                       (long long)gm_size(y, 0));
    const uint8_t *labels = gm_data(y);
    for (int64_t i = 0, n = gm_count(y); i < n; i++)
        if (labels[i] > 9)
            return gm_fail(GM_ERROR_FORMAT, "load_mnist: %s: label %d of image %lld is not 0 to 9", labels_path,
                           labels[i], (long long)i);
    return true;
}

gm_pack *gm_load_mnist(const char *dir, bool test) {
    if (!gm_ok()) return NULL;
    if (!dir) return gm_fail(GM_ERROR_VALUE, "load_mnist: the folder is NULL"), NULL;
    char x_path[4096], y_path[4096];
    if (!mnist_path(dir, mnist_files[test][0], x_path, sizeof x_path) ||
        !mnist_path(dir, mnist_files[test][1], y_path, sizeof y_path))
        return mnist_missing(dir, !access(dir, X_OK)), NULL;
    GM_SCOPE(s);
    gm_tensor *x = gm_load_idx(x_path), *y = gm_load_idx(y_path);
    if (!mnist_check(dir, x_path, y_path, x, y)) return NULL;
    return gm_return(&s, GM_PACK({ "images", .t = x }, { "labels", .t = y }));
}
