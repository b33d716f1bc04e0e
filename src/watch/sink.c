/* sink.c: appending to files (sink.h). */
#include "../math/fp.h"
#include "sink.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SINK_MOST_HELD = 64 * 1024 };

int64_t gm__clock_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

double gm__clock_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- directories ---- */

static bool sink_is_dir(const char *path) {
    struct stat s;
    return stat(path, &s) == 0 && S_ISDIR(s.st_mode);
}

static bool sink_make_dir(const char *op, const char *path) {
    if (sink_is_dir(path) || mkdir(path, 0777) == 0) return true;
    int why = errno;
    if (why == EEXIST && sink_is_dir(path)) return true; /* another process was faster */
    const char *reason = why == EEXIST ? "a file of that name is in the way" : strerror(why);
    return gm_fail(GM_ERROR_IO, "%s: cannot make the directory %s: %s", op, path, reason);
}

bool gm__make_dirs(const char *op, const char *path) {
    char *part = gm_strdup(path);
    if (!part) return false;
    bool made = true;
    for (char *at = part; made && *at;) {
        at += strspn(at, "/");
        at += strcspn(at, "/");
        char end = *at;
        *at = 0;
        made = !*part || sink_make_dir(op, part);
        *at = end;
    }
    gm_free(part);
    return made;
}

/* ---- flushing at the end of the process ---- */

static pthread_mutex_t sink_lock = PTHREAD_MUTEX_INITIALIZER;
static gm__sink *sink_list;

static size_t sink_write(gm__sink *s);

static void sink_at_exit(void) {
    pthread_mutex_lock(&sink_lock);
    for (gm__sink *s = sink_list; s; s = s->next)
        if (s->process == getpid()) sink_write(s);
    pthread_mutex_unlock(&sink_lock);
}

static void sink_before_fork(void) { pthread_mutex_lock(&sink_lock); }
static void sink_after_fork(void) { pthread_mutex_unlock(&sink_lock); }

static void sink_register(void) {
    atexit(sink_at_exit);
    pthread_atfork(sink_before_fork, sink_after_fork, sink_after_fork);
}

void gm__sink_prepare(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, sink_register);
}

static void sink_enlist(gm__sink *s) {
    gm__sink_prepare();
    pthread_mutex_lock(&sink_lock);
    s->listed = true;
    s->process = getpid();
    s->next = sink_list;
    sink_list = s;
    pthread_mutex_unlock(&sink_lock);
}

static void sink_unlist(gm__sink *s) {
    if (!s->listed) return;
    pthread_mutex_lock(&sink_lock);
    gm__sink **at = &sink_list;
    while (*at != s) at = &(*at)->next;
    *at = s->next;
    pthread_mutex_unlock(&sink_lock);
    s->listed = false;
}

/* ---- the file ---- */

static bool sink_make_parent(const char *op, const char *path) {
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path) return true;
    char *dir = gm_strdup(path);
    if (!dir) return false;
    dir[slash - path] = 0;
    bool made = gm__make_dirs(op, dir);
    gm_free(dir);
    return made;
}

bool gm__sink_open(gm__sink *s, const char *op, const char *path, gm__sink_mode mode) {
    static const int flags[] = { O_EXCL, O_TRUNC, 0 };
    *s = (gm__sink){ .fd = -1 };
    if (!sink_make_parent(op, path) || !(s->path = gm_strdup(path))) return false;
    s->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | flags[mode], 0666);
    if (s->fd >= 0) return true;
    int why = errno;
    gm_free(s->path);
    s->path = NULL;
    s->existed = mode == GM__SINK_NEW && why == EEXIST;
    return s->existed ? false : gm_fail(GM_ERROR_IO, "%s: cannot write %s: %s", op, path, strerror(why));
}

void gm__sink_hold(gm__sink *s, double seconds) {
    s->hold_ns = seconds < 1e9 ? (int64_t)(seconds * 1e9) : (int64_t)1e18;
    s->flushed_ns = gm__clock_ns();
    if (s->hold_ns > 0) sink_enlist(s);
}

/* Write what there is; returns the bytes that are left, with the reason in errno. */
static size_t sink_write(gm__sink *s) {
    size_t done = 0;
    while (done < s->n) {
        ssize_t wrote = write(s->fd, s->data + done, s->n - done);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) break;
        done += (size_t)wrote;
    }
    if (done && done < s->n) memmove(s->data, s->data + done, s->n - done);
    return s->n -= done;
}

bool gm__sink_flush(gm__sink *s, const char *op) {
    if (s->fd < 0) return true;
    s->flushed_ns = gm__clock_ns();
    if (!sink_write(s)) return true;
    return gm_fail(GM_ERROR_IO, "%s: writing %s: %s", op, s->path, strerror(errno));
}

static bool sink_append(gm__sink *s, const void *bytes, size_t n) {
    if (n > s->capacity - s->n) {
        size_t capacity = 2 * (s->n + n);
        void *data = gm_realloc(s->data, capacity);
        if (!data) return false;
        s->data = data;
        s->capacity = capacity;
    }
    memcpy(s->data + s->n, bytes, n);
    s->n += n;
    return true;
}

bool gm__sink_put(gm__sink *s, const char *op, const void *bytes, size_t n) {
    if (!n) return true;
    if (!sink_append(s, bytes, n)) return false;
    bool due = s->n >= SINK_MOST_HELD || gm__clock_ns() - s->flushed_ns >= s->hold_ns;
    return due ? gm__sink_flush(s, op) : true;
}

bool gm__sink_put_whole(gm__sink *s, const char *op, const void *bytes, size_t n) {
    struct stat before;
    bool known = fstat(s->fd, &before) == 0 && S_ISREG(before.st_mode);
    if (gm__sink_put(s, op, bytes, n)) return true;
    s->n = 0;
    if (known && ftruncate(s->fd, before.st_size)) return false; /* the error that is pending says enough */
    return false;
}

bool gm__sink_cut(gm__sink *s, const char *op, size_t bytes) {
    if (ftruncate(s->fd, (off_t)bytes) == 0) return true;
    return gm_fail(GM_ERROR_IO, "%s: shortening %s: %s", op, s->path, strerror(errno));
}

bool gm__sink_close(gm__sink *s, const char *op) {
    if (s->fd < 0) return true;
    sink_unlist(s);
    bool written = gm__sink_flush(s, op);
    int bad = close(s->fd); /* network file systems report a full disk here */
    s->fd = -1;
    if (bad && written) written = gm_fail(GM_ERROR_IO, "%s: closing %s: %s", op, s->path, strerror(errno));
    gm_free(s->data);
    gm_free(s->path);
    s->data = NULL, s->path = NULL, s->n = s->capacity = 0;
    return written;
}
