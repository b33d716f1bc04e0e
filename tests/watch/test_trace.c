/* The profiler's file: its events, its threads, what goes wrong, and what it costs while it is off. */
#include "base/json.h"
#include "base/profile.h"
#include "check.h"
#include "gemel/watch.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

static char path[64] = "/tmp/gemel-trace-XXXXXX";
static char text[1 << 22];

static const char *content(void) {
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    text[n] = 0;
    if (f) fclose(f);
    return text;
}

static int count(const char *part) {
    int n = 0;
    for (const char *at = text; (at = strstr(at, part)); at += strlen(part)) n++;
    return n;
}

static bool error_says(gm_error code, const char *part) {
    bool same = gm_error_code() == code && strstr(gm_error_message(), part);
    if (!same) fprintf(stderr, "the error is %s: %s\n", gm_error_name(gm_error_code()), gm_error_message());
    gm_error_clear();
    return same;
}

/* What a strict reader of JSON makes of it: how many events of each kind, over how many threads. */
static void as_json(int64_t expected, int threads) {
    gm__json_document *d = gm__json_open("test", path, text, strlen(text));
    CHECK(d != NULL, "%s", gm_error_message());
    const gm__json *root = d ? gm__json_root(d) : NULL;
    int64_t events = 0, named = 0;
    for (uint32_t i = 0; root && i < root->n; i++) {
        const gm__json *e = &root->items[i], *ts = gm__json_get(e, "ts"), *dur = gm__json_get(e, "dur");
        const char *kind = gm__json_text(gm__json_get(e, "ph"));
        named += kind && *kind == 'M';
        events += kind && *kind == 'X' && ts && ts->number >= 0 && dur && dur->number >= 0;
    }
    CHECK(events == expected && named == threads, "%d events, %d threads", (int)events, (int)named);
    gm__json_close(d);
}

static void one_thread(void) {
    CHECK(gm_profile_begin() == 0, "nobody listens");
    CHECK(gm_profile_start(path));
    int64_t t = gm_profile_begin(), now = gm_profile_now();
    CHECK(t > 0 && now - t < 1000000000);
    usleep(2000);
    gm_profile_end(t, "op", "mat\"mul\"\n");
    gm_profile_event("kernel", "gemm", now, 1234567, "gpu 0");
    gm_profile_event("kernel", "relu", now + 1500000, 8, "gpu 0");
    gm_profile_event(NULL, NULL, now, 0, NULL);
    CHECK(gm_profile_stop());
    gm_profile_event("late", "late", now, 1, NULL);
    gm_profile_end(t, "late", "late");
    content();
    const char *head = "[\n{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":1,\"tid\":0,\"args\":{\"name\":\"main\"}},\n";
    CHECK(strncmp(text, head, strlen(head)) == 0, "%s", text);
    CHECK(strcmp(text + strlen(text) - 4, "}\n]\n") == 0 && count("\n") == 8, "%s", text);
    CHECK(count("{\"name\":\"mat\\\"mul\\\"\\n\",\"cat\":\"op\",\"ph\":\"X\",\"ts\":") == 1, "%s", text);
    CHECK(count("\"dur\":1234.567,\"pid\":1,\"tid\":1}") == 1, "%s", text);
    CHECK(count("\"dur\":0.008,\"pid\":1,\"tid\":1}") == 1, "%s", text);
    as_json(4, 2);
    CHECK(count("\"args\":{\"name\":\"gpu 0\"}") == 1 && count("late") == 0);
    const char *lasting = strstr(strstr(text, "mat"), "\"dur\":");
    CHECK(lasting && atof(lasting + 6) >= 2000, "microseconds");
}

static void *work(void *env) {
    (void)env;
    for (int i = 0; i < 2000; i++) gm__profile_end(gm__profile_begin(), "op", "add");
    return NULL;
}

static void many_threads(void) {
    CHECK(gm_profile_start(path));
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, work, NULL);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    CHECK(gm_profile_stop());
    content();
    CHECK(count("\"name\":\"add\"") == 8000 && count("\n,") == 0);
    CHECK(count(",\n{") + 3 == count("\n"), "each event is a line");
    CHECK(count("\"tid\":1}") >= 2000 && count("\"ts\":-") == 0);
    as_json(8000, 5);
}

static void wrong(void) {
    CHECK(!gm_profile_stop() && error_says(GM_ERROR_STATE, "no profile"));
    CHECK(!gm_profile_start("") && error_says(GM_ERROR_VALUE, "empty"));
    CHECK(!gm_profile_start("/proc/none/such") && error_says(GM_ERROR_IO, "/proc/none"));
    CHECK(gm_profile_start(path) && !gm_profile_start("/tmp/other"));
    CHECK(error_says(GM_ERROR_STATE, path) && gm_profile_stop());
    CHECK(gm_profile_start("/dev/full"));
    for (int i = 0; i < 2000; i++) gm_profile_event("a", "b", gm_profile_now(), 1, NULL);
    CHECK(gm_ok(), "recording does not disturb the recorded");
    CHECK(!gm_profile_stop() && error_says(GM_ERROR_IO, "/dev/full: No space left on device"));
    CHECK(gm_profile_start(path) && gm_profile_stop(), "and again");
}

/* The file stays the parent's; a child may have a profile of its own. */
static void forked(void) {
    char other[80];
    snprintf(other, sizeof other, "%s.child", path);
    CHECK(gm_profile_start(path));
    gm_profile_event("op", "before", gm_profile_now(), 1, NULL);
    pid_t child = fork();
    if (!child) {
        alarm(20);
        gm_profile_event("op", "child", gm_profile_now(), 1, NULL);
        bool none = !gm_profile_stop() && error_says(GM_ERROR_STATE, "no profile");
        bool own = gm_profile_start(other) && gm_profile_stop();
        exit(none && own ? 0 : 1); /* with what is done at the end of a process */
    }
    int status = -1;
    CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && !WEXITSTATUS(status));
    CHECK(!unlink(other));
    gm_profile_event("op", "after", gm_profile_now(), 1, NULL);
    CHECK(gm_profile_stop());
    content();
    CHECK(count("before") == 1 && count("after") == 1 && count("child") == 0);
    as_json(2, 1);
}

static void cost(void) {
    int64_t best = INT64_MAX;
    for (int round = 0; round < 20; round++) {
        int64_t t = gm_profile_now();
        for (int i = 0; i < 10000; i++) {
            gm__profile_end(gm__profile_begin(), "op", "add");
            __asm__ volatile("" ::: "memory");
        }
        t = gm_profile_now() - t;
        if (t < best) best = t;
    }
    CHECK(best < 10000 * 20, "a stretch costs %.2f ns while nothing is recorded", (double)best / 10000);
    printf("a stretch costs %.2f ns while nothing is recorded\n", (double)best / 10000);
}

int main(void) {
    int fd = mkstemp(path);
    if (fd < 0) return 2;
    close(fd);
    RUN(one_thread);
    RUN(many_threads);
    RUN(wrong);
    RUN(forked);
    RUN(cost);
    unlink(path);
    return check_done();
}
