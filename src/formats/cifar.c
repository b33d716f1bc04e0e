/* cifar.c: the folder in which CIFAR-10 is published, binary version: files of records, each a label and the red, green
 * and blue planes of 32 x 32 bytes. */
#include "../math/fp.h"
#include "../base/file.h"
#include "gemel/extend.h"
#include "readers.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { CIFAR_IMAGE = 3 * 32 * 32, CIFAR_RECORD = 1 + CIFAR_IMAGE, CIFAR_BATCHES = 5, CIFAR_PATH = 4096 };

/* A file in memory; `path` is its name in messages. */
typedef struct {
    char path[CIFAR_PATH];
    gm__file *file;
    const uint8_t *data;
    int64_t n;
} cifar_batch;

/* The folder itself, or the one that the published archive holds. */
static bool cifar_path(const char *dir, int batch, char *path) {
    char name[32];
    if (batch) snprintf(name, sizeof name, "data_batch_%d.bin", batch);
    else snprintf(name, sizeof name, "test_batch.bin");
    if (snprintf(path, CIFAR_PATH, "%s/%s", dir, name) < CIFAR_PATH && !access(path, F_OK)) return true;
    if (snprintf(path, CIFAR_PATH, "%s/cifar-10-batches-bin/%s", dir, name) < CIFAR_PATH && !access(path, F_OK))
        return true;
    return gm_fail(GM_ERROR_IO,
                   "load_cifar10: %s %s. Six files are needed there (the binary version from "
                   "www.cs.toronto.edu/~kriz/cifar.html): data_batch_1.bin to data_batch_5.bin and test_batch.bin", dir,
                   access(dir, X_OK) ? "is no folder" : "does not have them all");
}

static bool cifar_measure(cifar_batch *b, const void *data, size_t bytes) {
    b->data = data;
    b->n = (int64_t)(bytes / CIFAR_RECORD);
    if (bytes && bytes % CIFAR_RECORD == 0) return true;
    return gm_fail(GM_ERROR_FORMAT, "load_cifar10: %s: %zu bytes, not a multiple of %d: %s", b->path, bytes,
                   CIFAR_RECORD, bytes ? "truncated, or not the binary version" : "the file is empty");
}

static bool cifar_copy(const cifar_batch *b, uint8_t *pixels, uint8_t *labels) {
    for (int64_t i = 0; i < b->n; i++) {
        const uint8_t *record = b->data + i * CIFAR_RECORD;
        if (record[0] > 9)
            return gm_fail(GM_ERROR_FORMAT, "load_cifar10: %s: the label of image %lld is %d, 0 to 9 is possible",
                           b->path, (long long)i, record[0]);
        labels[i] = record[0];
        memcpy(pixels + i * CIFAR_IMAGE, record + 1, CIFAR_IMAGE);
    }
    return true;
}

static gm_pack *cifar_gather(const cifar_batch *batches, int count) {
    int64_t n = 0, at = 0;
    for (int i = 0; i < count; i++) n += batches[i].n;
    gm_shape many = { 4, { 0 }, { n, 3, 32, 32 } }, row = { 1, { 0 }, { n } };
    gm_tensor *x = gm_empty(many, GM_U8), *y = gm_empty(row, GM_U8);
    uint8_t *pixels = x && y ? gm_mutable_data(x) : NULL, *labels = pixels ? gm_mutable_data(y) : NULL;
    if (!labels) return NULL;
    for (int i = 0; i < count; at += batches[i++].n)
        if (!cifar_copy(&batches[i], pixels + at * CIFAR_IMAGE, labels + at)) return NULL;
    return GM_PACK({ "images", .t = x }, { "labels", .t = y });
}

gm_pack *gm__cifar_decode(const char *name, const void *data, size_t n) {
    cifar_batch b;
    snprintf(b.path, sizeof b.path, "%s", name);
    GM_SCOPE(s);
    return gm_ok() && cifar_measure(&b, data, n) ? gm_return(&s, cifar_gather(&b, 1)) : NULL;
}

gm_pack *gm_load_cifar10(const char *dir, bool test) {
    if (!gm_ok()) return NULL;
    if (!dir) return gm_fail(GM_ERROR_VALUE, "load_cifar10: the folder is NULL"), NULL;
    GM_SCOPE(s);
    int count = test ? 1 : CIFAR_BATCHES;
    cifar_batch *b = gm_alloc(CIFAR_BATCHES * sizeof *b);
    bool ok = b != NULL;
    for (int i = 0; ok && i < count; i++) {
        ok = cifar_path(dir, test ? 0 : i + 1, b[i].path);
        b[i].file = ok ? gm__file_open("load_cifar10", b[i].path, true) : NULL;
        ok = b[i].file && cifar_measure(&b[i], b[i].file->data, b[i].file->bytes);
    }
    gm_pack *p = ok ? cifar_gather(b, count) : NULL;
    for (int i = 0; b && i < count; i++) gm__file_release(b[i].file);
    gm_free(b);
    return gm_return(&s, p);
}
