/* The service that builds kernels: what is built, shared, released, and what goes on in threads and forks. */
#include "scene.h"

#include <pthread.h>

/* ---- building ---- */

static void build_and_call(void) {
    static const char text[] = "static int twice(int x) { return 2 * x; }\nint answer(void) { return twice(21); }\n";
    CHECK(gm__build_stats().builds == 0);
    double begin = measure_seconds(CLOCK_MONOTONIC);
    gm__build *b = gm__build_start(text, strlen(text), "-DUNUSED  -O1 "), *again;
    double started = measure_seconds(CLOCK_MONOTONIC);
    CHECK(gm__build_state(b) == GM__BUILD_PENDING && !gm__build_symbol(b, "answer") && !*gm__build_error(b));
    CHECK(gm__build_wait(b) == GM__BUILD_READY && gm__build_state(b) == GM__BUILD_READY, "%s", gm__build_error(b));
    printf("asked in %.0f us, built in %.0f ms\n", 1e6 * (started - begin),
           1e3 * (measure_seconds(CLOCK_MONOTONIC) - begin));
    CHECK(scene_call(b) == 42 && !*gm__build_error(b) && !gm__build_symbol(b, "none"));
    again = gm__build_start(text, strlen(text), "-DUNUSED  -O1 ");
    CHECK(gm__build_state(again) == GM__BUILD_READY &&
          gm__build_symbol(again, "answer") == gm__build_symbol(b, "answer"));
    gm__build_counts n = gm__build_stats();
    CHECK(n.builds == 1 && n.memory_hits == 1 && n.disk_hits == 0 && n.failures == 0 && n.compiler_seconds > 0);
    CHECK(gm__build_wait(gm__build_start(text, strlen(text), "-DOTHER")) == GM__BUILD_READY);
    CHECK(gm__build_stats().builds == 2 && scene_warnings == 0);
}

static void from_disk(void) {
    static const char text[] = "static int twice(int x) { return 2 * x; }\nint answer(void) { return twice(21); }\n";
    double begin = measure_seconds(CLOCK_MONOTONIC);
    gm__build *b = gm__build_start(text, strlen(text), "-DUNUSED  -O1 ");
    printf("found on disk in %.0f us\n", 1e6 * (measure_seconds(CLOCK_MONOTONIC) - begin));
    CHECK(gm__build_state(b) == GM__BUILD_READY && scene_call(b) == 42);
    CHECK(gm__build_stats().disk_hits == 1 && gm__build_stats().builds == 0);
}

static void from_disk_without_compiler(void) {
    setenv("PATH", "/nonexistent", 1);
    unsetenv("GM_CC");
    from_disk();
    CHECK(scene_warnings == 0);
    CHECK(scene_fails(1, "no C compiler") && scene_warnings == 1 && strstr(scene_warning, "no C compiler"));
    CHECK(scene_fails(2, "no C compiler") && scene_warnings == 1);
}

static void test_building(void) {
    SCENE("plain", build_and_call);
    SCENE("plain", from_disk);
    SCENE("plain", from_disk_without_compiler);
}

static void wrong_text(void) {
    static const char text[] = "int answer(void) { return missing_thing; }\n";
    gm__build *b = gm__build_start(text, strlen(text), NULL);
    CHECK(gm__build_wait(b) == GM__BUILD_FAILED && gm_ok());
    CHECK(strstr(gm__build_error(b), "exit status 1") && strstr(gm__build_error(b), "missing_thing"), "%s",
          gm__build_error(b));
    CHECK(scene_warnings == 1 && strstr(scene_warning, "missing_thing"));
    CHECK(gm__build_state(gm__build_start(text, strlen(text), NULL)) == GM__BUILD_FAILED);
    gm__build_counts n = gm__build_stats();
    CHECK(n.failures == 1 && n.memory_hits == 1 && n.builds == 0);
    CHECK(scene_works(5) && scene_warnings == 1);
}

static void too_many_flags(void) {
    char flags[1024] = "";
    for (int i = 0; i < 100; i++) strcat(flags, " -Dx");
    gm__build *b = gm__build_start("", 0, flags);
    CHECK(gm__build_wait(b) == GM__BUILD_FAILED && strstr(gm__build_error(b), "too many flags"));
    CHECK(gm__build_wait(gm__build_start("", 0, "")) == GM__BUILD_READY);
}

static void pending_error(void) {
    gm_fail(GM_ERROR_VALUE, "before");
    CHECK(!scene_start(1) && fails_with(GM_ERROR_VALUE, "before"));
    CHECK(gm__build_state(NULL) == GM__BUILD_FAILED && gm__build_wait(NULL) == GM__BUILD_FAILED);
    CHECK(*gm__build_error(NULL) && !gm__build_symbol(NULL, "answer"));
}

static void switched_off(void) {
    setenv("GM_COMPILE", "0", 1);
    gm__build *b = scene_start(1);
    CHECK(gm__build_state(b) == GM__BUILD_FAILED && !strcmp(gm__build_error(b), "GM_COMPILE=0") && scene_warnings == 0);
}

static void test_failing(void) {
    SCENE("failing", wrong_text);
    SCENE("failing", too_many_flags);
    SCENE("failing", pending_error);
    SCENE("failing", switched_off);
}

/* ---- lifetimes ---- */

static void released(void) {
    int64_t before = gm__n_objects();
    for (int i = 0; i < 2; i++) {
        GM_SCOPE(s);
        CHECK(scene_works(7));
    }
    CHECK(gm__n_objects() == before);
    gm__build_counts n = gm__build_stats();
    CHECK(n.builds == 1 && n.disk_hits == 1 && n.memory_hits == 0, "%d %d", (int)n.builds, (int)n.disk_hits);
}

/* What nobody waits for any more is not built. */
static void released_in_the_queue(void) {
    setenv("GM_CC", scene_script("slow", "sleep 0.3; exec $CC \"$@\""), 1);
    gm__build *first = scene_start(1);
    {
        GM_SCOPE(s);
        for (int i = 2; i < 8; i++) CHECK(gm__build_state(scene_start(i)) == GM__BUILD_PENDING);
    }
    gm__build *last = scene_start(8);
    CHECK(gm__build_wait(last) == GM__BUILD_READY && gm__build_wait(first) == GM__BUILD_READY);
    CHECK(gm__build_stats().builds == 2);
}

/* The process ends at once; what was running is killed and leaves nothing. */
static void left_running(void) {
    char body[256];
    snprintf(body, sizeof body, "case $1 in --version) exit;; esac; echo $$ >%s; sleep 50", scene_path("pid"));
    setenv("GM_CC", scene_script("endless", body), 1);
    scene_start(1);
    struct stat st;
    for (int i = 0; i < 1000 && (stat(scene_path("pid"), &st) || !st.st_size); i++) usleep(10000);
    CHECK(scene_count(scene_path("tmp"), "gemel-", NULL) == 1);
}

static bool is_gone(const char *pid_file) {
    char path[64], state = 'X';
    int pid = 0;
    FILE *f = fopen(pid_file, "r");
    CHECK(f && fscanf(f, "%d", &pid) == 1);
    if (f) fclose(f);
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    for (int i = 0; i < 200; i++) {
        f = fopen(path, "r");
        bool there = f && fscanf(f, "%*d %*s %c", &state) == 1 && state != 'Z' && state != 'X';
        if (f) fclose(f);
        if (!there) return true;
        usleep(10000);
    }
    return false;
}

static void test_lifetimes(void) {
    SCENE("lifetimes", released);
    SCENE("lifetimes", released_in_the_queue);
    double begin = measure_seconds(CLOCK_MONOTONIC);
    SCENE("lifetimes", left_running);
    CHECK(measure_seconds(CLOCK_MONOTONIC) - begin < 20, "the end waits for the compiler");
    CHECK(is_gone(scene_path("pid")));
}

/* ---- threads, processes, forks ---- */

static void *several(void *unused) {
    bool ok = true;
    for (int i = 0; i < 6; i++) ok = scene_works(100 + i % 3) && ok;
    gm_exit_status();
    return ok ? &check_passed : unused; /* anything but NULL */
}

static void in_threads(void) {
    pthread_t thread[4];
    for (int i = 0; i < 4; i++) pthread_create(&thread[i], NULL, several, NULL);
    for (int i = 0; i < 4; i++) {
        void *ok = NULL;
        CHECK(!pthread_join(thread[i], &ok) && ok);
    }
    gm__build_counts n = gm__build_stats();
    CHECK(n.failures == 0 && n.builds + n.disk_hits + n.memory_hits == 24);
}

static void one_of_many(void) { CHECK(scene_works(9) && scene_warnings == 0); }

static void test_side_by_side(void) {
    SCENE("threads", in_threads);
    pid_t pid[8];
    for (int i = 0; i < 8; i++) pid[i] = scene_begin("processes", one_of_many);
    for (int i = 0; i < 8; i++) scene_end(pid[i], "one_of_many");
    CHECK(scene_count(scene_path("processes"), ".so", NULL) == 1);
    CHECK(scene_count(scene_path("processes"), "", NULL) == 2, "half-written files are left");
}

static gm__build *fork_ready, *fork_pending;

static void in_the_child(void) {
    CHECK(scene_call(fork_ready) == 1);
    CHECK(gm__build_state(fork_pending) == GM__BUILD_PENDING);
    CHECK(gm__build_wait(fork_pending) == GM__BUILD_READY && scene_call(fork_pending) == 2, "%s",
          gm__build_error(fork_pending));
    CHECK(scene_works(3));
#if SCENE_ASAN /* what the parent's thread had in its hands is lost in a child, and no leak */
    _exit(check_failed != 0);
#endif
}

static void forked(void) {
    fork_ready = scene_start(1);
    CHECK(gm__build_wait(fork_ready) == GM__BUILD_READY);
    setenv("GM_CC", scene_script("slow", "sleep 0.4; exec $CC \"$@\""), 1);
    fork_pending = scene_start(2);
    for (int i = 0; i < 4; i++) {
        pid_t pid = scene_begin("forks", in_the_child);
        scene_end(pid, "in_the_child");
        if (gm__build_state(fork_pending)) break;
        usleep(50000);
    }
    CHECK(gm__build_wait(fork_pending) == GM__BUILD_READY && scene_call(fork_pending) == 2);
    CHECK(scene_works(4));
}

static void test_forks(void) {
#if !SCENE_TSAN /* it lets no child of a threaded process begin a thread */
    SCENE("forks", forked);
#else
    (void)forked;
#endif
}

/* ---- scarce memory ---- */

static void without_memory(void) {
    int64_t n = 1, ready = 0;
    for (bool failing = true; failing && n < 200; n++) {
        GM_SCOPE(s);
        gm__fail_allocation(n, false);
        gm__build *b = scene_start(1000 + (int)n);
        gm__build_wait(b);
        failing = gm__allocation_count() >= n;
        gm__fail_allocation(0, false);
        CHECK(b ? gm_ok() : fails_with(GM_ERROR_MEMORY, "out of memory"));
        if (!b || gm__build_state(b) != GM__BUILD_READY) continue;
        CHECK(scene_call(b) == 1000 + n);
        ready++;
    }
    CHECK(n > 8 && n < 200 && ready > 0, "%d", (int)n);
}

static void test_memory(void) { SCENE("scarce", without_memory); }

/* ---- facts that are written twice ---- */

static void test_contract(void) {
    char line[256] = "", wanted[64];
    FILE *f = fopen("docs/numerics.md", "r");
    CHECK(f && fgets(line, sizeof line, f));
    if (f) fclose(f);
    snprintf(wanted, sizeof wanted, ", version %d\n", GM__NUMERICS_CONTRACT);
    CHECK(strstr(line, wanted), "docs/numerics.md begins with: %s", line);
}

int main(void) {
    scene_set_up();
    RUN(test_building);
    RUN(test_failing);
    RUN(test_lifetimes);
    RUN(test_side_by_side);
    RUN(test_forks);
    RUN(test_memory);
    RUN(test_contract);
    return scene_done();
}
