/* scene.h: a service that starts once per process is tested in many processes: each scene runs in a child of fork, with
 * the environment, the warnings and the memory of a program that has just begun. */
#ifndef SCENE_H
#define SCENE_H
#include "base/object.h"
#include "check_error.h"
#include "compile/build.h"
#include "gemel/base.h"
#include "measure.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__has_feature)
#  define SCENE_TSAN __has_feature(thread_sanitizer)
#  define SCENE_ASAN __has_feature(address_sanitizer)
#elif defined(__SANITIZE_THREAD__)
#  define SCENE_TSAN 1
#elif defined(__SANITIZE_ADDRESS__)
#  define SCENE_ASAN 1
#endif

static char scene_root[256], scene_compiler[512];
static atomic_int scene_warnings;
static char scene_warning[2048];

static inline const char *scene_path(const char *name) {
    static char path[4][512];
    static int next;
    char *p = path[next++ % 4];
    snprintf(p, 512, "%s/%s", scene_root, name);
    return p;
}

static inline void scene_log(void *env, gm_log_level level, const char *line) {
    (void)env;
    if (level < GM_LOG_WARNING) return;
    if (!atomic_fetch_add(&scene_warnings, 1)) snprintf(scene_warning, sizeof scene_warning, "%s", line);
}

static inline int scene_remove_one(const char *path, const struct stat *st, int type, struct FTW *where) {
    (void)st, (void)type, (void)where;
    return remove(path);
}

/* The number of files in a folder whose name contains `part`; the last one found in `last`. */
static inline int scene_count(const char *path, const char *part, char last[512]) {
    int n = 0;
    DIR *dir = opendir(path);
    for (struct dirent *file; dir && (file = readdir(dir));)
        if (file->d_name[0] != '.' && strstr(file->d_name, part)) {
            if (last && snprintf(last, 512, "%s/%s", path, file->d_name) >= 512) exit(2);
            n++;
        }
    if (dir) closedir(dir);
    return n;
}

/* Begins a process; in it the cache is the folder `cache` of the root. Returns its number, or runs f and ends. */
static inline pid_t scene_begin(const char *cache, void (*f)(void)) {
    fflush(NULL);
    pid_t pid = fork();
    if (pid) return pid;
    check_failed = check_passed = 0;
    setenv("GM_CACHE_DIR", scene_path(cache), 1);
    gm_set_log(scene_log, NULL, NULL);
    f();
    exit(check_failed ? 1 : check_passed ? 0 : 3);
}

static inline void scene_end(pid_t pid, const char *name) {
    int status = -1;
    waitpid(pid, &status, 0);
    CHECK(WIFEXITED(status) && !WEXITSTATUS(status), "%s: wait status %x", name, (unsigned)status);
}

static inline void scene(const char *cache, void (*f)(void), const char *name) {
    scene_end(scene_begin(cache, f), name);
    CHECK(scene_count(scene_path("tmp"), "", NULL) == 0, "%s leaves temporary files", name);
}
#define SCENE(cache, f) scene(cache, f, #f)

/* A script that is a compiler: `body` of a shell script, in which $CC is the real one. */
static inline const char *scene_script(const char *name, const char *body) {
    char text[2048];
    int n = snprintf(text, sizeof text, "#!/bin/sh\nCC='%s'\n%s\n", scene_compiler, body);
    const char *path = scene_path(name);
    write_file(path, text, (size_t)n);
    chmod(path, 0755);
    return path;
}

/* A build of a function that returns `value`. */
static inline gm__build *scene_start(int value) {
    char text[128];
    int n = snprintf(text, sizeof text, "int answer(void) { return %d; }\n", value);
    return gm__build_start(text, (size_t)n, NULL);
}

static inline int scene_call(gm__build *b) {
    int (*answer)(void) = NULL;
    void *symbol = gm__build_symbol(b, "answer");
    memcpy(&answer, &symbol, sizeof answer);
    return answer ? answer() : -1;
}

/* Builds and calls it; says why if it fails. */
static inline bool scene_works(int value) {
    gm__build *b = scene_start(value);
    bool ok = gm__build_wait(b) == GM__BUILD_READY && scene_call(b) == value;
    if (!ok) fprintf(stderr, "  build of %d: %s\n", value, gm__build_error(b));
    return ok;
}

/* It fails, without an error of the thread, and says `part`. */
static inline bool scene_fails(int value, const char *part) {
    gm__build *b = scene_start(value);
    bool ok = gm__build_wait(b) == GM__BUILD_FAILED && strstr(gm__build_error(b), part) && gm_ok() &&
              !gm__build_symbol(b, "answer");
    if (!ok) fprintf(stderr, "  not \"%s\": state %d: %s\n", part, (int)gm__build_state(b), gm__build_error(b));
    return ok;
}

/* Where everything happens, and which compiler is used: CC, or cc. */
static inline void scene_set_up(void) {
    char template[] = "/tmp/gemel-scene-XXXXXX";
    const char *cc = getenv("CC");
    if (!mkdtemp(template)) exit(2);
    snprintf(scene_root, sizeof scene_root, "%s", template);
    snprintf(scene_compiler, sizeof scene_compiler, "%s", cc && *cc ? cc : "cc");
    chmod(scene_root, 0755);
    mkdir(scene_path("tmp"), 0700);
    setenv("TMPDIR", scene_path("tmp"), 1);
    setenv("GM_CC", scene_compiler, 1);
    unsetenv("GM_COMPILE");
    unsetenv("GM_CACHE_SIZE");
    unsetenv("GM_COMPILE_TIMEOUT");
}

static inline int scene_done(void) {
    nftw(scene_root, scene_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return check_done();
}

#endif
