/* cifar.c: the folder in which CIFAR-10 is published, binary version: files of records, each a label and the red, green
 * and blue planes of 32 x 32 bytes. */
#include "../math/fp.h"
#include "../base/file.h"
#include "gemel/extend.h"
#include "gemel/formats.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { CIFAR_IMAGE = 3 * 32 * 32, CIFAR_RECORD = 1 + CIFAR_IMAGE, CIFAR_BATCHES = 5 };

/* The folder itself, or the one that the published archive holds. */
static bool cifar_path(const char *dir, int batch, char *path, size_t bytes) {
    char name[32];
    if (batch) snprintf(name, sizeof name, "data_batch_%d.bin", batch);
    else snprintf(name, sizeof name, "test_batch.bin");
    if (snprintf(path, bytes, "%s/%s", dir, name) < (int)bytes && !access(path, F_OK)) return true;
    if (snprintf(path, bytes, "%s/cifar-10-batches-bin/%s", dir, name) < (int)bytes && !access(path, F_OK)) return true;
    return gm_fail(GM_ERROR_IO,
                   "load_cifar10: %s %s. Six files are needed there (the binary version from "
                   "www.cs.toronto.edu/~kriz/cifar.html): data_batch_1.bin to data_batch_5.bin and test_batch.bin", dir,
                   access(dir, X_OK) ? "is no folder" : "does not have them all");
}

static gm__file *cifar_open(const char *dir, int batch, int64_t *n) {
    char path[4096];
    gm__file *f = cifar_path(dir, batch, path, sizeof path) ? gm__file_open("load_cifar10", path, true) : NULL;
    if (!f) return NULL;
    *n = (int64_t)(f->bytes / CIFAR_RECORD);
    if (f->bytes && f->bytes % CIFAR_RECORD == 0) return f;
    gm_fail(GM_ERROR_FORMAT, "load_cifar10: %s: %zu bytes, not a multiple of %d: %s", path, f->bytes, CIFAR_RECORD,
            f->bytes ? "truncated, or not the binary version" : "the file is empty");
    gm__file_release(f);
    return NULL;
}

static bool cifar_copy(const gm__file *f, const char *dir, int batch, int64_t n, uint8_t *pixels, uint8_t *labels) {
    for (int64_t i = 0; i < n; i++) {
        const uint8_t *record = f->data + i * CIFAR_RECORD;
        if (record[0] > 9)
            return gm_fail(GM_ERROR_FORMAT, "load_cifar10: %s: label %d of image %lld of %s %d is not 0 to 9", dir,
                           record[0], (long long)i, batch ? "data_batch" : "test_batch", batch);
        labels[i] = record[0];
        memcpy(pixels + i * CIFAR_IMAGE, record + 1, CIFAR_IMAGE);
    }
    return true;
}

static gm_pack *cifar_gather(const char *dir, gm__file **files, const int64_t *counts, int first, int last) {
    int64_t n = 0, at = 0;
    for (int i = first; i <= last; i++) n += counts[i];
    gm_shape many = { 4, { 0 }, { n, 3, 32, 32 } }, row = { 1, { 0 }, { n } };
    gm_tensor *x = gm_empty(many, GM_U8), *y = gm_empty(row, GM_U8);
    uint8_t *pixels = x && y ? gm_mutable_data(x) : NULL, *labels = pixels ? gm_mutable_data(y) : NULL;
    if (!labels) return NULL;
    for (int i = first; i <= last; at += counts[i++])
        if (!cifar_copy(files[i], dir, i, counts[i], pixels + at * CIFAR_IMAGE, labels + at)) return NULL;
    return GM_PACK({ "images", .t = x }, { "labels", .t = y });
}

gm_pack *gm_load_cifar10(const char *dir, bool test) {
    if (!gm_ok()) return NULL;
    if (!dir) return gm_fail(GM_ERROR_VALUE, "load_cifar10: the folder is NULL"), NULL;
    GM_SCOPE(s);
    gm__file *files[1 + CIFAR_BATCHES] = { 0 };
    int64_t counts[1 + CIFAR_BATCHES];
    int first = test ? 0 : 1, last = test ? 0 : CIFAR_BATCHES;
    bool ok = true;
    for (int i = first; ok && i <= last; i++) ok = (files[i] = cifar_open(dir, i, &counts[i])) != NULL;
    gm_pack *p = ok ? cifar_gather(dir, files, counts, first, last) : NULL;
    for (int i = first; i <= last; i++) gm__file_release(files[i]);
    return gm_return(&s, p);
}
