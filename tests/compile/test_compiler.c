/* Compilers that are odd, broken, slow, missing or forbidden: a build fails with a reason, or works, and nothing else
 * happens. */
#include "scene.h"

#include <errno.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#if defined(__linux__)
#  include <linux/filter.h>
#  include <linux/seccomp.h>
#endif

static void use(const char *name, const char *body) { setenv("GM_CC", scene_script(name, body), 1); }

static void talkative(void) {
    use("talkative", "echo warning: so many things; echo warning: more >&2; seq 10000; seq 10000 >&2; exec $CC \"$@\"");
    CHECK(scene_works(1) && scene_warnings == 0);
}

static void failing(void) {
    use("failing", "echo 'kernel.c:1: error: no such thing' >&2; seq 100000 >&2; exit 7");
    CHECK(scene_fails(1, "/failing: exit status 7: kernel.c:1: error: no such thing\n1\n2\n"));
    CHECK(scene_warnings == 1 && strstr(scene_warning, "no such thing"));
    CHECK(scene_fails(2, "exit status 7") && scene_warnings == 1);
}

static void crashing(void) {
    use("crashing", "kill -SEGV $$");
    CHECK(scene_fails(1, "killed by signal 11"));
}

static void making_nothing(void) {
    use("making_nothing", "exit 0");
    CHECK(scene_fails(1, "made no shared object"));
}

static void making_nonsense(void) {
    use("making_nonsense", "while [ $# -gt 1 ]; do [ $1 = -o ] && echo nonsense, and then more of it >$2; shift; done");
    CHECK(scene_fails(1, "made no shared object"));
}

static void missing(void) {
    setenv("GM_CC", "/nonexistent/cc", 1);
    CHECK(scene_fails(1, "GM_CC=/nonexistent/cc: there is no such program"));
    setenv("GM_CC", "no-such-compiler", 1);
    CHECK(scene_fails(2, "GM_CC=no-such-compiler: there is no such program"));
    unsetenv("GM_CC");
    setenv("PATH", "relative::/nonexistent", 1);
    CHECK(scene_fails(3, "there is no C compiler"));
    CHECK(gm__build_stats().failures == 3 && scene_warnings == 1);
}

/* What is found in PATH: cc before gcc, and no place that is relative. */
static void in_path(void) {
    mkdir(scene_path("bin"), 0700);
    scene_script("bin/gcc", "echo this is gcc >&2; exit 1");
    char path[1024];
    snprintf(path, sizeof path, "%s:%s:/bin:/usr/bin", "bin", scene_path("bin"));
    setenv("PATH", path, 1);
    setenv("GM_CC", "gcc", 1);
    CHECK(chdir(scene_root) == 0 && scene_fails(1, "/bin/gcc: exit status 1: this is gcc"));
    scene_script("bin/cc", "echo this is cc >&2; exit 1");
    unsetenv("GM_CC");
    CHECK(scene_fails(2, "/bin/cc: exit status 1: this is cc"));
}

static double seconds_to_fail(int value, const char *part) {
    double begin = measure_seconds(CLOCK_MONOTONIC);
    CHECK(scene_fails(value, part));
    return measure_seconds(CLOCK_MONOTONIC) - begin;
}

static void hanging(void) {
    char body[512];
    snprintf(body, sizeof body, "case $1 in --version) exit;; esac; sleep 50 & echo $! >%s; wait", scene_path("pid"));
    setenv("GM_COMPILE_TIMEOUT", "1", 1);
    use("hanging", body);
    double s = seconds_to_fail(1, "stopped after 1 s");
    CHECK(s > 0.9 && s < 20, "%.1f s", s);
}

/* Asked for its version already: it is not asked for each kernel again. */
static void hanging_at_once(void) {
    setenv("GM_COMPILE_TIMEOUT", "1", 1);
    use("hanging_at_once", "sleep 50");
    CHECK(seconds_to_fail(1, "stopped after 1 s") > 0.9);
    double s = seconds_to_fail(2, "stopped after 1 s");
    CHECK(s < 0.9, "%.1f s", s);
}

static void printing_for_ever(void) {
    setenv("GM_COMPILE_TIMEOUT", "1", 1);
    use("printing", "case $1 in --version) exit;; esac; while :; do echo and so on; done");
    double s = seconds_to_fail(1, "stopped after 1 s: and so on\nand so on");
    CHECK(s < 20, "%.1f s", s);
}

/* A child that outlives the compiler and keeps its output open is not waited for. */
static void leaving_a_child(void) {
    use("leaving", "sleep 30 & exec $CC \"$@\"");
    double begin = measure_seconds(CLOCK_MONOTONIC);
    CHECK(scene_works(1));
    CHECK(measure_seconds(CLOCK_MONOTONIC) - begin < 20);
}

static void wrong_settings(void) {
    setenv("GM_COMPILE_TIMEOUT", "soon", 1);
    setenv("GM_CACHE_SIZE", "-1", 1);
    CHECK(scene_works(1) && scene_warnings == 1 && strstr(scene_warning, "GM_COMPILE_TIMEOUT=soon"));
}

/* What the compiler is run with: nothing to read, no file of ours, its signals as a program finds them. */
static void surroundings(void) {
    int fd = open("/dev/null", O_RDONLY);
    dup2(fd, 100);
    signal(SIGINT, SIG_IGN);
    setenv("LC_ALL", "xx_XX", 1);
    use("surroundings",
        "case $1 in --version) exit;; esac; read line; echo \"read $?\"; ls /proc/self/fd/100 && echo open;"
        "trap; echo \"$LC_ALL $HOME $TMPDIR\"; exit 1");
    setenv("HOME", "/home/of/nobody", 1);
    CHECK(scene_fails(1, "read 1") && scene_fails(1, "C /home/of/nobody /") && scene_fails(1, "tmp/gemel-"));
    CHECK(!strstr(gm__build_error(scene_start(1)), "open"));
}

static void of_children_ignored(void) {
    signal(SIGCHLD, SIG_IGN);
    CHECK(scene_fails(1, "SIGCHLD"));
}

/* Files of no more than a few bytes: neither the source nor the cache can be written; no signal ends the process. */
static void without_room(void) {
    struct rlimit most = { 3, 3 };
    CHECK(setrlimit(RLIMIT_FSIZE, &most) == 0 && scene_fails(1, "no room for temporary files"));
}

static void with_little_room(void) {
    struct rlimit most = { 400, 400 };
    CHECK(setrlimit(RLIMIT_FSIZE, &most) == 0 && scene_fails(1, ""));
}

#if defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__))
/* A sandbox in which no program can be started. */
static void in_a_sandbox(void) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_execve, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_execveat, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { sizeof code / sizeof *code, code };
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
        printf("SKIPPED: no seccomp here\n");
        CHECK(1);
        return;
    }
    CHECK(scene_fails(1, "cannot be started: Operation not permitted"));
}
#else
static void in_a_sandbox(void) { CHECK(1); }
#endif

static void test_odd(void) {
    SCENE("odd", talkative);
    SCENE("odd", failing);
    SCENE("odd", crashing);
    SCENE("odd", making_nothing);
    SCENE("odd", making_nonsense);
    SCENE("odd", missing);
    SCENE("odd", in_path);
    SCENE("odd", surroundings);
}

static void test_slow(void) {
    SCENE("slow", hanging);
    char path[64];
    int pid = 0;
    FILE *f = fopen(scene_path("pid"), "r");
    CHECK(f && fscanf(f, "%d", &pid) == 1);
    if (f) fclose(f);
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    char state = 'Z';
    if ((f = fopen(path, "r"))) CHECK(fscanf(f, "%*d %*s %c", &state) == 1);
    if (f) fclose(f);
    CHECK(state == 'Z' || state == 'X', "what the compiler has started lives on");
    SCENE("slow", hanging_at_once);
    SCENE("slow", printing_for_ever);
    SCENE("slow", leaving_a_child);
}

static void test_surroundings(void) {
    SCENE("around", wrong_settings);
    SCENE("ignored", of_children_ignored);
    SCENE("room", without_room);
    SCENE("room", with_little_room);
    SCENE("sandbox", in_a_sandbox);
}

int main(void) {
    scene_set_up();
    RUN(test_odd);
    RUN(test_slow);
    RUN(test_surroundings);
    return scene_done();
}
