/* compiler.c: the system's C compiler.
 *
 * It is run without a shell, on a file in a private temporary directory, with the environment of the process but for
 * TMPDIR (so that what it leaves behind when it is killed is removed with the directory) and LC_ALL (messages that can
 * be searched for). Its version is asked for once and remembered by path, size and time of change. */
#include "../math/fp.h"
#include "compiler.h"
#include "disk.h"
#include "process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { COMPILER_WORDS = 96, COMPILER_ROOM = 1 << 20, COMPILER_MOST = 1 << 29 };

/* What the library's own kernels are compiled with (cmake/flags.cmake), and -fopenmp-simd for loops that are emitted. A
 * kernel's calls of its own functions must not end in functions of the program that have the same name (-Bsymbolic). */
static const char *const compiler_flags[] = {
    "-shared", "-fPIC", "-std=gnu11", "-O3", "-w", "-ffp-contract=off", "-fno-trapping-math", "-fno-math-errno",
    "-fno-semantic-interposition", "-fopenmp-simd",
#ifdef __ELF__
    "-Wl,-Bsymbolic",
#endif
    NULL };

const char *gm__compiler_flag(int i) { return compiler_flags[i]; }

/* ---- which ---- */

static bool compiler_is(gm__compiler *c, const char *dir, size_t n, const char *name) {
    struct stat st;
    int used = snprintf(c->path, sizeof c->path, "%.*s%s%s", (int)n, dir, n ? "/" : "", name);
    if (used < (int)sizeof c->path && !stat(c->path, &st) && S_ISREG(st.st_mode) && !access(c->path, X_OK)) {
        snprintf(c->id, sizeof c->id, "%s\n%lld %lld.%09ld\n", c->path, (long long)st.st_size,
                 (long long)st.GM__MTIM.tv_sec, st.GM__MTIM.tv_nsec);
        return true;
    }
    c->path[0] = 0;
    return false;
}

/* Relative places in PATH are left out: what they mean changes. */
static bool compiler_in_path(gm__compiler *c, const char *name) {
    const char *path = getenv("PATH");
    if (strchr(name, '/')) return compiler_is(c, "", 0, name);
    for (size_t n; path && *path; path += n + (path[n] == ':')) {
        n = strcspn(path, ":");
        if (*path == '/' && compiler_is(c, path, n, name)) return true;
    }
    return false;
}

bool gm__compiler_find(gm__compiler *c, gm__builder *why) {
    const char *wanted = getenv("GM_CC");
    if (wanted && *wanted) {
        if (compiler_in_path(c, wanted)) return true;
        gm__builder_format(why, "GM_CC=%.200s: there is no such program", wanted);
        return false;
    }
    if (compiler_in_path(c, "cc") || compiler_in_path(c, "gcc") || compiler_in_path(c, "clang")) return true;
    gm__builder_add(why, "there is no C compiler (GM_CC, or cc, gcc, clang in PATH)");
    return false;
}

bool gm__compiler_recall(gm__compiler *c, const char *id) {
    if (!*id || strncmp(id, c->id, strlen(c->id))) return false;
    snprintf(c->id, sizeof c->id, "%s", id);
    return c->known = true;
}

/* ---- with what ---- */

static int64_t compiler_env_number(const char *name, const char *text, int64_t least, int64_t otherwise) {
    static atomic_bool told;
    char *end;
    if (!text || !*text) return otherwise;
    int64_t value = strtoll(text, &end, 10);
    if (end != text && !*end && value >= least && value < 1 << 30) return value;
    if (!atomic_exchange(&told, true)) gm_log_line(GM_LOG_WARNING, "%s=%s: a whole number is needed", name, text);
    return otherwise;
}

static bool compiler_passes_on(const char *entry) {
    return strncmp(entry, "TMPDIR=", 7) && strncmp(entry, "LC_ALL=", 7);
}

/* One block: the list, with two free entries and its end, then the texts. */
static char **compiler_copy_environment(void) {
    static char *const none[] = { NULL };
    char *const *from = environ ? environ : none;
    size_t n = 0, bytes = 0, used = 0;
    for (; from[n]; n++) bytes += strlen(from[n]) + 1;
    char **copy = gm_alloc((n + 3) * sizeof *copy + bytes), *text = (char *)(copy + n + 3);
    if (!copy) return NULL;
    for (size_t i = 0; i < n; i++) {
        if (!compiler_passes_on(from[i])) continue;
        copy[used++] = text;
        text = stpcpy(text, from[i]) + 1;
    }
    copy[used] = "LC_ALL=C";
    return copy;
}

bool gm__compiler_catch(gm__compiler *c) {
    const char *temporary = getenv("TMPDIR");
    if (temporary && *temporary == '/') snprintf(c->temporary, sizeof c->temporary, "%s", temporary);
    c->seconds = compiler_env_number("GM_COMPILE_TIMEOUT", getenv("GM_COMPILE_TIMEOUT"), 1, 60);
    c->cache_bytes = compiler_env_number("GM_CACHE_SIZE", getenv("GM_CACHE_SIZE"), 0, 256) << 20;
    c->environment = compiler_copy_environment();
    return c->environment != NULL;
}

/* ---- running it ---- */

static bool compiler_process(gm__compiler *c, char *const *argv, const char *work, gm__process *p) {
    char setting[GM__COMPILER_PATH + 8];
    char **last = c->environment;
    while (*last) last++;
    snprintf(setting, sizeof setting, "TMPDIR=%s", work);
    if (*work) *last = setting;
    bool ok = gm__process_run(p, argv, c->environment, (double)c->seconds);
    *last = NULL;
    return ok;
}

static void compiler_explain(const gm__compiler *c, const gm__process *p, gm__builder *why) {
    gm__builder_format(why, "%.200s: %s%s%s", c->path, p->what, p->n ? ": " : "", p->output);
}

/* The one that could not be asked, and why: it is not tried for each kernel again. */
static char compiler_mute[GM__COMPILER_ID], compiler_mute_why[512];

bool gm__compiler_ask(gm__compiler *c, gm__builder *why) {
    char *argv[] = { c->path, "--version", NULL };
    gm__process p;
    if (!strcmp(compiler_mute, c->id)) return gm__builder_add(why, compiler_mute_why), false;
    compiler_process(c, argv, "", &p);
    if (!p.started || p.late) {
        compiler_explain(c, &p, why);
        snprintf(compiler_mute_why, sizeof compiler_mute_why, "%s", why->text ? why->text : "");
        memcpy(compiler_mute, c->id, sizeof c->id);
        return false;
    }
    size_t n = strlen(c->id);
    snprintf(c->id + n, sizeof c->id - n, "%s%s", p.what, p.output);
    return c->known = true;
}

/* Whoever takes the path removes the directory: the thread that builds, or the end of the process. */
static char *_Atomic compiler_work;

void gm__compiler_clean(void) {
    char *work = atomic_exchange(&compiler_work, NULL);
    DIR *dir = work ? opendir(work) : NULL;
    for (struct dirent *file; dir && (file = readdir(dir));) unlinkat(dirfd(dir), file->d_name, 0);
    if (dir) closedir(dir);
    if (work) rmdir(work);
    gm_free(work);
}

void gm__compiler_forget(void) { gm_free(atomic_exchange(&compiler_work, NULL)); }

static bool compiler_write(const char *path, const char *source, size_t bytes) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && gm__write_all(fd, source, bytes);
    int error = errno;
    if (fd >= 0 && close(fd) && ok) return false;
    return errno = error, ok;
}

/* A private directory with the source in it, where there is room. */
static bool compiler_work_in(const char *place, const char *source, size_t bytes, char path[GM__COMPILER_PATH]) {
    struct statvfs room;
    if (statvfs(place, &room)) return false;
    if (room.f_bavail * room.f_frsize < COMPILER_ROOM + bytes) return errno = ENOSPC, false;
    int n = snprintf(path, GM__COMPILER_PATH, "%s/gemel-XXXXXX", place);
    if (n > GM__COMPILER_PATH - 16) return errno = ENAMETOOLONG, false;
    if (!mkdtemp(path)) return false;
    char *copy = gm_strdup(path);
    if (!copy) return rmdir(path), errno = ENOMEM, false;
    atomic_store(&compiler_work, copy);
    memcpy(path + n, "/kernel.c", sizeof "/kernel.c");
    bool ok = compiler_write(path, source, bytes);
    int error = errno;
    if (!ok) gm__compiler_clean();
    return errno = error, ok;
}

static bool compiler_make_work(const gm__compiler *c, const char *source, size_t bytes, char path[GM__COMPILER_PATH],
                               gm__builder *why) {
    const char *const places[] = { c->temporary, "/tmp", "/var/tmp", "/dev/shm" };
    int error = 0;
    for (int i = !*c->temporary; i < (int)(sizeof places / sizeof *places); i++) {
        if (compiler_work_in(places[i], source, bytes, path)) return true;
        if (!error) error = errno;
    }
    gm__builder_format(why, "no room for temporary files: %s", strerror(error));
    return false;
}

/* The words of a command; `flags` is cut at its blanks. False if there are too many. */
static bool compiler_words(char *argv[COMPILER_WORDS], const char *cc, char *flags, char *from, char *to) {
    int n = 0;
    char *rest;
    argv[n++] = (char *)cc;
    for (int i = 0; compiler_flags[i]; i++) argv[n++] = (char *)compiler_flags[i];
    for (char *word = strtok_r(flags, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        if (n > COMPILER_WORDS - 5) return false;
        argv[n++] = word;
    }
    argv[n++] = "-o", argv[n++] = to, argv[n++] = from, argv[n] = NULL;
    return true;
}

bool gm__compiler_run(gm__compiler *c, const char *source, size_t bytes, const char *flags,
                      char path[GM__COMPILER_PATH], gm__builder *why) {
    char from[GM__COMPILER_PATH], work[GM__COMPILER_PATH], *argv[COMPILER_WORDS];
    gm__process p;
    char *words = gm_strdup(flags);
    if (!words || !compiler_make_work(c, source, bytes, from, why)) return gm_free(words), false;
    size_t n = strlen(from) - strlen("/kernel.c");
    snprintf(work, sizeof work, "%.*s", (int)n, from);
    snprintf(path, GM__COMPILER_PATH, "%.*s/kernel.so", (int)n, from);
    bool ok = compiler_words(argv, c->path, words, from, path);
    if (!ok) gm__builder_add(why, "too many flags");
    else if (!(ok = compiler_process(c, argv, work, &p))) compiler_explain(c, &p, why);
    gm_free(words);
    return ok;
}

char *gm__compiler_result(const char *path, size_t *bytes) {
    struct stat st;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    bool ok = fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size > 0 && st.st_size < COMPILER_MOST;
    char *data = ok ? gm_alloc((size_t)st.st_size) : NULL;
    *bytes = data ? (size_t)st.st_size : 0;
    bool good = data && gm__read_all(fd, data, *bytes);
#ifdef __ELF__
    good = good && *bytes > 64 && !memcmp(data, "\177ELF", 4);
#endif
    if (!good) gm_free(data), data = NULL;
    if (fd >= 0) close(fd);
    return data;
}
