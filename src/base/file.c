/* file.c: the bytes of a file, mapped or read. */
#include "../math/fp.h"
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void file_fail(const char *op, const char *path, const char *what) {
    gm_fail(GM_ERROR_IO, "%s: cannot read %s: %s", op, path, what);
}

static bool file_map(gm__file *f, int fd, size_t bytes) {
    void *data = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED) return false;
    f->data = data;
    f->bytes = f->mapped = bytes;
    return true;
}

enum { FILE_DEVICE_MOST = 1 << 26 }; /* more is not read from a device: /dev/zero has no end */

/* Reads to the end: the size of a file that is no regular one is not known before. */
static bool file_read(gm__file *f, int fd, size_t expected, size_t most) {
    size_t capacity = 0;
    uint8_t *data = NULL;
    for (;;) {
        if (f->bytes == capacity) {
            capacity = capacity ? 2 * capacity : expected + 1;
            uint8_t *more = gm_realloc(data, capacity);
            if (!more) return gm_free(data), f->data = NULL, false;
            f->data = data = more;
        }
        ssize_t got = read(fd, data + f->bytes, capacity - f->bytes);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return got == 0;
        f->bytes += (size_t)got;
        if (f->bytes > most) return errno = EFBIG, false;
    }
}

static bool file_fill(gm__file *f, const char *op, const char *path, int fd, bool map) {
    struct stat st;
    if (fstat(fd, &st)) return file_fail(op, path, strerror(errno)), false;
    if (S_ISDIR(st.st_mode)) return file_fail(op, path, "it is a directory"), false;
    bool regular = S_ISREG(st.st_mode) && st.st_size > 0;
    if (map && regular && file_map(f, fd, (size_t)st.st_size)) return true;
    bool done =
        file_read(f, fd, regular ? (size_t)st.st_size : 65535, S_ISCHR(st.st_mode) ? FILE_DEVICE_MOST : SIZE_MAX);
    if (done && !f->bytes && S_ISFIFO(st.st_mode))
        return file_fail(op, path, "a pipe with nothing in it; what is read twice has to be a file"), false;
    if (done) return true;
    if (gm_ok()) file_fail(op, path, strerror(errno));
    return false;
}

gm__file *gm__file_open(const char *op, const char *path, bool map) {
    if (!gm_ok()) return NULL;
    if (!path) return gm_fail(GM_ERROR_VALUE, "%s: the path is NULL", op), NULL;
    gm__file *f = gm_alloc(sizeof *f);
    if (!f) return NULL;
    f->refs = 1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) file_fail(op, path, strerror(errno));
    bool ok = fd >= 0 && file_fill(f, op, path, fd, map);
    if (fd >= 0) close(fd);
    if (ok) return f;
    gm__file_release(f);
    return NULL;
}

void gm__file_retain(gm__file *f) { __atomic_fetch_add(&f->refs, 1, __ATOMIC_RELAXED); }

void gm__file_release(void *file) {
    gm__file *f = file;
    if (!f || __atomic_fetch_sub(&f->refs, 1, __ATOMIC_ACQ_REL) != 1) return;
    if (f->mapped) munmap((void *)f->data, f->mapped);
    else gm_free((void *)f->data);
    gm_free(f);
}
