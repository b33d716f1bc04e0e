/* save.c: writing a file whole or not at all.
 *
 * The temporary file is PATH.tmp, or PATH.tmp1, PATH.tmp2 ... while another writer holds a lock on the one before. So
 * what a killed process left behind is taken over by the next writer instead of piling up. A lock counts only if the
 * name still leads to the locked file: the holder before may just have renamed it to PATH. */
#include "../math/fp.h"
#include "save.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SAVE_BUFFER = 256 * 1024, SAVE_NAMES = 1000 };

struct gm__save {
    const char *op;
    char *path, *temporary; /* links followed; NULL when written to directly */
    uint8_t *buffer;
    size_t n;
    int fd;
    bool failed;
};

static bool save_fail(gm__save *s, const char *doing) {
    if (!s->failed) gm_fail(GM_ERROR_IO, "%s: cannot write %s: %s: %s", s->op, s->path, doing, strerror(errno));
    s->failed = true;
    return false;
}

/* ---- opening ---- */

/* True if `fd`, just opened as `name`, is now ours alone. Where there are no locks they are taken as given. */
static bool save_claim(int fd, const char *name) {
    struct stat mine, named;
    if (flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) return false;
    return !fstat(fd, &mine) && !lstat(name, &named) && mine.st_ino == named.st_ino && mine.st_dev == named.st_dev &&
           S_ISREG(mine.st_mode) && mine.st_nlink == 1 && mine.st_uid == geteuid();
}

/* True if `name` could not be opened because something else is there. */
static bool save_is_taken(const char *name) {
    int e = errno;
    bool taken = e == ELOOP || e == EISDIR || e == ENXIO || (e == EACCES && !access(name, F_OK));
    errno = e;
    return taken;
}

/* A descriptor of the file `name`, empty and ours; -1 if it is another's, -2 if nothing can be made there. */
static int save_try(const char *name) {
    int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
    if (fd < 0) return save_is_taken(name) ? -1 : -2;
    if (save_claim(fd, name) && !ftruncate(fd, 0)) return fd;
    close(fd);
    return -1;
}

static bool save_open_temporary(gm__save *s) {
    size_t bytes = strlen(s->path) + 16;
    s->temporary = gm_alloc(bytes);
    if (!s->temporary) return false;
    for (int i = 0; i < SAVE_NAMES && s->fd == -1; i++) {
        snprintf(s->temporary, bytes, i ? "%s.tmp%d" : "%s.tmp", s->path, i);
        s->fd = save_try(s->temporary);
    }
    if (s->fd >= 0) return true;
    s->fd = -1;
    save_fail(s, "making a temporary file beside it");
    gm_free(s->temporary);
    s->temporary = NULL;
    return false;
}

/* The mode of the file that is replaced passes on. */
static bool save_open_at(gm__save *s) {
    struct stat st;
    bool there = !stat(s->path, &st);
    if (there && S_ISDIR(st.st_mode)) return errno = EISDIR, save_fail(s, "opening");
    if (there && !S_ISREG(st.st_mode)) {
        s->fd = open(s->path, O_WRONLY | O_CLOEXEC);
        return s->fd >= 0 || save_fail(s, "opening");
    }
    if (!save_open_temporary(s)) return false;
    if (there && fchmod(s->fd, st.st_mode & 07777)) return save_fail(s, "setting its mode");
    return true;
}

/* PATH with symbolic links followed, so that the link stays and its target is replaced. */
static char *save_target(const char *path) {
    char *real = realpath(path, NULL), *copy = gm_strdup(real ? real : path);
    free(real);
    return copy;
}

gm__save *gm__save_open(const char *op, const char *path) {
    if (!gm_ok()) return NULL;
    if (!path || !*path) return gm_fail(GM_ERROR_VALUE, "%s: the path is %s", op, path ? "empty" : "NULL"), NULL;
    gm__save *s = gm_alloc(sizeof *s);
    if (!s) return NULL;
    s->op = op;
    s->fd = -1;
    s->path = save_target(path);
    s->buffer = s->path ? gm_alloc(SAVE_BUFFER) : NULL;
    if (s->buffer && save_open_at(s)) return s;
    gm__save_close(s, false);
    return NULL;
}

/* ---- writing ---- */

static bool save_put(gm__save *s, const uint8_t *bytes, size_t n) {
    while (n && !s->failed) {
        ssize_t put = write(s->fd, bytes, n < 1 << 30 ? n : 1 << 30);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return save_fail(s, "writing");
        bytes += put;
        n -= (size_t)put;
    }
    return !s->failed;
}

static bool save_flush(gm__save *s) {
    bool ok = save_put(s, s->buffer, s->n);
    s->n = 0;
    return ok;
}

bool gm__save_write(gm__save *s, const void *bytes, size_t n) {
    if (s->n + n > SAVE_BUFFER && !save_flush(s)) return false;
    if (n > SAVE_BUFFER) return save_put(s, bytes, n);
    if (n) memcpy(s->buffer + s->n, bytes, n);
    s->n += n;
    return !s->failed;
}

/* ---- closing ---- */

/* The rename itself lies in the directory, which must reach the disk too. Where directories cannot be synced the rename
 * stands anyway. */
static void save_sync_directory(const char *path) {
    char *slash = strrchr(path, '/'), *copy = slash ? strdup(path) : NULL;
    if (copy) copy[slash == path ? 1 : slash - path] = 0;
    int fd = open(copy ? copy : ".", O_RDONLY | O_CLOEXEC);
    free(copy);
    if (fd < 0) return;
    (void)fsync(fd);
    close(fd);
}

static bool save_finish(gm__save *s) {
    if (!save_flush(s)) return false;
    if (s->temporary && fsync(s->fd)) return save_fail(s, "syncing");
    if (s->temporary && rename(s->temporary, s->path)) return save_fail(s, "renaming");
    int fd = s->fd;
    s->fd = -1;
    if (close(fd)) return save_fail(s, "closing");
    if (s->temporary) save_sync_directory(s->path);
    return true;
}

bool gm__save_close(gm__save *s, bool keep) {
    if (!s) return false;
    bool done = keep && gm_ok() && save_finish(s);
    if (!done && s->temporary) unlink(s->temporary);
    if (s->fd >= 0) close(s->fd);
    gm_free(s->temporary);
    gm_free(s->path);
    gm_free(s->buffer);
    gm_free(s);
    return done;
}
