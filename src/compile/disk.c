/* disk.c: the kernel cache on disk.
 *
 * What is in it gets executed, so: nobody but the owner may write the directory; no symbolic link is followed inside;
 * and an entry ends with a check sum over its name and its content, which is looked at before the loader sees the file
 * (a loader may crash on a damaged one). Entries are written under another name and renamed, so a reader finds a whole
 * one or none, whatever other processes do. An entry's time is that of its last use, to within a minute. */
#include "../math/fp.h"
#include "disk.h"
#include "../base/grow.h"
#include "../base/sha256.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { DISK_MINUTE = 60, DISK_HOUR = 3600, DISK_MOST = 1 << 30 };
typedef struct { char magic[8]; uint8_t sum[32]; } disk_trailer;
typedef struct { char name[GM__DISK_NAME]; int64_t bytes, time_ns; } disk_entry;

static void disk_warn(const gm__disk *d, const char *what) {
    static atomic_bool told;
    if (!atomic_exchange(&told, true)) gm_log_line(GM_LOG_WARNING, "kernel cache %s: %s", d->path, what);
}

bool gm__write_all(int fd, const void *data, size_t bytes) {
    const char *p = data;
    while (bytes) {
        ssize_t put = write(fd, p, bytes);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return false;
        p += put, bytes -= (size_t)put;
    }
    return true;
}

bool gm__read_all(int fd, void *data, size_t bytes) {
    char *p = data;
    while (bytes) {
        ssize_t got = read(fd, p, bytes);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        p += got, bytes -= (size_t)got;
    }
    return true;
}

/* ---- the directory ---- */

/* Another's home (sudo leaves HOME as it was) is no place for what only we may write. */
static bool disk_is_own(const char *home) {
    struct stat st;
    return *home == '/' && !stat(home, &st) && st.st_uid == geteuid();
}

void gm__disk_locate(gm__disk *d) {
    const char *own = getenv("GM_CACHE_DIR"), *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char here[GM__DISK_PATH];
    int n = 0, room = sizeof d->path;
    d->fd = -1;
    if (own && *own == '/') n = snprintf(d->path, (size_t)room, "%s", own);
    else if (own && *own) n = getcwd(here, sizeof here) ? snprintf(d->path, (size_t)room, "%s/%s", here, own) : 0;
    else if (cache && *cache == '/') n = snprintf(d->path, (size_t)room, "%s/gemel", cache);
    else if (home && disk_is_own(home)) n = snprintf(d->path, (size_t)room, "%s/.cache/gemel", home);
    if (n < 0 || n >= room - GM__DISK_NAME) n = 0;
    while (n > 1 && d->path[n - 1] == '/') n--; /* behind a slash a link would be followed */
    d->path[n] = 0;
}

static void disk_make(const char *path) {
    char part[GM__DISK_PATH];
    snprintf(part, sizeof part, "%s", path);
    for (char *slash = part; (slash = strchr(slash + 1, '/'));) {
        *slash = 0;
        mkdir(part, 0700);
        *slash = '/';
    }
    mkdir(part, 0700);
}

bool gm__disk_open(gm__disk *d) {
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    struct stat st;
    if (!d->path[0]) return false;
    d->fd = open(d->path, flags);
    if (d->fd < 0 && errno == ENOENT) {
        disk_make(d->path);
        d->fd = open(d->path, flags);
    }
    const char *fault = NULL;
    if (d->fd < 0) fault = errno == ELOOP || errno == ENOTDIR ? "no directory, or a symbolic link" : strerror(errno);
    else if (fstat(d->fd, &st)) fault = strerror(errno);
    else if (st.st_uid != geteuid()) fault = "it belongs to another user";
    else if (st.st_mode & (S_IWGRP | S_IWOTH)) fault = "others can write it";
    if (!fault) return true;
    disk_warn(d, fault);
    gm__disk_close(d);
    return false;
}

void gm__disk_close(gm__disk *d) {
    if (d->fd >= 0) close(d->fd);
    d->fd = -1;
}

/* ---- reading ---- */

static disk_trailer disk_seal(const char *name, const void *data, size_t bytes) {
    disk_trailer t = { .magic = "gemel-1" };
    gm__sha256 h;
    gm__sha256_begin(&h);
    gm__sha256_add(&h, name, strlen(name) + 1);
    gm__sha256_add(&h, data, bytes);
    gm__sha256_end(&h, t.sum);
    return t;
}

static char *disk_read_entry(int fd, const char *name, size_t *bytes) {
    struct stat st;
    if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_uid != geteuid()) return NULL;
    if (st.st_size < (off_t)sizeof(disk_trailer) || st.st_size > DISK_MOST) return NULL;
    *bytes = (size_t)st.st_size - sizeof(disk_trailer);
    char *data = gm_alloc((size_t)st.st_size + 1);
    if (data && gm__read_all(fd, data, (size_t)st.st_size)) {
        disk_trailer t = disk_seal(name, data, *bytes);
        if (!memcmp(data + *bytes, &t, sizeof t)) {
            if (st.st_mtime < time(NULL) - DISK_MINUTE) futimens(fd, NULL);
            return data[*bytes] = 0, data;
        }
    }
    gm_free(data);
    return NULL;
}

char *gm__disk_read(const gm__disk *d, const char *name, size_t *bytes) {
    int fd = openat(d->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) return NULL;
    char *data = fd < 0 ? NULL : disk_read_entry(fd, name, bytes);
    if (fd >= 0) close(fd);
    if (!data) unlinkat(d->fd, name, 0);
    return data;
}

/* ---- writing ---- */

static int disk_by_time(const void *a, const void *b) {
    int64_t x = ((const disk_entry *)a)->time_ns, y = ((const disk_entry *)b)->time_ns;
    return (x > y) - (x < y);
}

/* The entry's size and time; removes what a process that was killed left half written. False if it is no kernel. */
static bool disk_look(const gm__disk *d, const char *name, disk_entry *e) {
    struct stat st;
    size_t n = strlen(name);
    if (n >= sizeof e->name || fstatat(d->fd, name, &st, AT_SYMLINK_NOFOLLOW)) return false;
    if (!strncmp(name, "tmp.", 4) && st.st_mtime < time(NULL) - DISK_HOUR) unlinkat(d->fd, name, 0);
    if (n < 3 || strcmp(name + n - 3, ".so")) return false;
    memcpy(e->name, name, n + 1);
    e->bytes = st.st_size;
    e->time_ns = (int64_t)st.GM__MTIM.tv_sec * 1000000000 + st.GM__MTIM.tv_nsec;
    return true;
}

static void disk_evict(const gm__disk *d, disk_entry *list, int64_t n, int64_t excess, const char *keep) {
    qsort(list, (size_t)n, sizeof *list, disk_by_time);
    for (int64_t i = 0; i < n && excess > 0; i++)
        if (strcmp(list[i].name, keep) && !unlinkat(d->fd, list[i].name, 0)) excess -= list[i].bytes;
}

static void disk_make_room(const gm__disk *d, int64_t limit, const char *keep) {
    disk_entry *list = NULL;
    int64_t n = 0, capacity = 0, bytes = 0;
    int fd = openat(d->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        if (fd >= 0) close(fd);
        return;
    }
    for (struct dirent *file; (file = readdir(dir)) && gm__grow(&list, n, &capacity, sizeof *list);)
        if (disk_look(d, file->d_name, &list[n])) bytes += list[n++].bytes;
    closedir(dir);
    if (bytes > limit) disk_evict(d, list, n, bytes - limit, keep);
    gm_free(list);
}

bool gm__disk_write(const gm__disk *d, const char *name, const void *data, size_t bytes, int64_t limit) {
    if ((int64_t)(bytes + sizeof(disk_trailer)) > limit) return false;
    char other[GM__DISK_NAME];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(other, sizeof other, "tmp.%lx.%lx.%lx", (long)getpid(), (long)now.tv_sec, now.tv_nsec);
    disk_trailer t = disk_seal(name, data, bytes);
    int fd = openat(d->fd, other, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool done = fd >= 0 && gm__write_all(fd, data, bytes) && gm__write_all(fd, &t, sizeof t);
    int error = done ? 0 : errno;
    if (fd >= 0 && close(fd) && done) done = false, error = errno;
    if (done && renameat(d->fd, other, d->fd, name)) done = false, error = errno;
    if (done) return disk_make_room(d, limit, name), true;
    disk_warn(d, strerror(error));
    if (fd >= 0) unlinkat(d->fd, other, 0);
    return false;
}
