/* CSV and JSON logs: rows, new columns, resuming, what a crash or a full disk leaves. */
#include "base/object.h"
#include "check.h"
#include "gemel/watch.h"

#include <locale.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[256];
static const char *in_dir(const char *name) {
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static const char *content(const char *path) {
    static char text[1 << 16];
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    text[n] = 0;
    if (f) fclose(f);
    return text;
}

static void put(const char *path, const char *text) {
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(text, 1, strlen(text), f) != strlen(text) || fclose(f)) exit(2);
}

#define HOLDS(path, expected) CHECK(strcmp(content(path), expected) == 0, "\n%s", content(path))
#define ROW(...) (const gm_log_value[]){ __VA_ARGS__ }, sizeof((gm_log_value[]){ __VA_ARGS__ }) / sizeof(gm_log_value)

static bool error_says(gm_error code, const char *part) {
    bool same = gm_error_code() == code && strstr(gm_error_message(), part);
    if (!same) fprintf(stderr, "the error is %s: %s\n", gm_error_name(gm_error_code()), gm_error_message());
    gm_error_clear();
    return same;
}

static void rows(void) {
    GM_SCOPE(s);
    gm_csv_log *csv = gm_csv_log_open(in_dir("new/log.csv"));
    gm_csv_log_row(csv, ROW({ "epoch", 1 }, { "loss", 0.1 }, { "a \"b\", c", 1.0 / 3 }));
    HOLDS(in_dir("new/log.csv"), "epoch,loss,\"a \"\"b\"\", c\"\n1,0.1,0.3333333333333333\n");
    gm_csv_log_row(csv, ROW({ "loss", NAN }, { "epoch", 2 }));
    gm_csv_log_row(csv, ROW({ "epoch", 3 }, { "val_loss", -INFINITY }, { "loss", 1e300 }));
    gm_csv_log_row(csv, ROW({ "epoch", 4 }, { "loss", -2 }));
    CHECK(gm_csv_log_close(csv) && gm_csv_log_close(csv));
    HOLDS(in_dir("new/log.csv"), "epoch,loss,\"a \"\"b\"\", c\",val_loss\n1,0.1,0.3333333333333333,\n2,nan,,\n"
                                 "3,1e+300,,-inf\n4,-2,,\n");
    gm_json_log *json = gm_json_log_open(in_dir("new/log.jsonl"));
    gm_json_log_row(json, ROW({ "epoch", 1 }, { "loss", 0.1 }, { "a \"b\"\n", 1e300 }));
    gm_json_log_row(json, ROW({ "epoch", 2 }, { "loss", NAN }));
    HOLDS(in_dir("new/log.jsonl"), "{\"epoch\": 1, \"loss\": 0.1, \"a \\\"b\\\"\\n\": 1e+300}\n"
                                   "{\"epoch\": 2, \"loss\": null}\n");
    CHECK(gm_json_log_close(json));
    CHECK(!gm_json_log_row(json, ROW({ "epoch", 3 })) && error_says(GM_ERROR_STATE, "json_log_row: the log is"));
    CHECK(!gm_csv_log_row(csv, ROW({ "epoch", 3 })) && error_says(GM_ERROR_STATE, "csv_log_row: the log is closed"));
    CHECK(access(in_dir("new/log.csv.new"), F_OK) != 0);
    CHECK(sizeof(gm_csv_log_args) == sizeof(size_t) + 8 && sizeof(gm_json_log_args) == sizeof(size_t) + 8, "padding");
}

/* Three epochs were logged, and a fourth by half; the checkpoint is of epoch 2, so epoch 3 comes again. */
static void resuming(void) {
    GM_SCOPE(s);
    put(in_dir("old.csv"), "loss,epoch,\"odd,name\"\n0.5,1,7\n0.25,2,8\n0.125,3,9\n0.06");
    gm_csv_log *csv = gm_csv_log_open(in_dir("old.csv"), .append = 1);
    HOLDS(in_dir("old.csv"), "loss,epoch,\"odd,name\"\n0.5,1,7\n0.25,2,8\n0.125,3,9\n");
    gm_csv_log_row(csv, ROW({ "epoch", 3 }, { "loss", 0.1 }, { "lr", 0.01 }));
    gm_csv_log_row(csv, ROW({ "epoch", 4 }, { "odd,name", 1 }));
    HOLDS(in_dir("old.csv"), "loss,epoch,\"odd,name\",lr\n0.5,1,7,\n0.25,2,8,\n0.1,3,,0.01\n,4,1,\n");
    gm_csv_log_close(csv);

    put(in_dir("old.jsonl"), "{\"epoch\": 1, \"loss\": 0.5}\n{\"epoch\": 2, \"loss\": 0.25}\n{\"epoch\": 3}\n{\"epo");
    gm_json_log *json = gm_json_log_open(in_dir("old.jsonl"), .append = 1);
    gm_json_log_row(json, ROW({ "epoch", 3 }, { "loss", 0.1 }));
    gm_json_log_row(json, ROW({ "epoch", 4 }, { "loss", 0.2 }));
    HOLDS(in_dir("old.jsonl"), "{\"epoch\": 1, \"loss\": 0.5}\n{\"epoch\": 2, \"loss\": 0.25}\n"
                               "{\"epoch\": 3, \"loss\": 0.1}\n{\"epoch\": 4, \"loss\": 0.2}\n");
    gm_json_log_close(json);
    json = gm_json_log_open(in_dir("old.jsonl"), .append = 1);
    gm_json_log_row(json, ROW({ "epoch", 1 }));
    HOLDS(in_dir("old.jsonl"), "{\"epoch\": 1}\n");
    gm_json_log_open(in_dir("old.jsonl"));
    HOLDS(in_dir("old.jsonl"), "");
    put(in_dir("half.csv"), "epo");
    csv = gm_csv_log_open(in_dir("half.csv"), .append = 1);
    gm_csv_log_row(csv, ROW({ "epoch", 1 }));
    HOLDS(in_dir("half.csv"), "epoch\n1\n");
    csv = gm_csv_log_open(in_dir("none.csv"), .append = 1);
    gm_csv_log_row(csv, ROW({ "epoch", 1 }));
    HOLDS(in_dir("none.csv"), "epoch\n1\n");
}

static void wrong_arguments(void) {
    GM_SCOPE(s);
    CHECK(!gm_csv_log_open(NULL) && error_says(GM_ERROR_VALUE, "csv_log_open: the path is NULL"));
    CHECK(!gm_json_log_open("") && error_says(GM_ERROR_VALUE, "json_log_open: the path is empty"));
    CHECK(!gm_csv_log_open(dir) && error_says(GM_ERROR_IO, dir));
    gm_csv_log *csv = gm_csv_log_open(in_dir("wrong.csv"));
    gm_json_log *json = gm_json_log_open(in_dir("wrong.json"));
    CHECK(!gm_csv_log_row(csv, NULL, 1) && error_says(GM_ERROR_VALUE, "a row of 1 values"));
    CHECK(!gm_csv_log_row(csv, ROW({ NULL, 1 })) && error_says(GM_ERROR_VALUE, "value 0 of "));
    CHECK(!gm_json_log_row(json, ROW({ "a", 1 }, { "", 1 })) && error_says(GM_ERROR_VALUE, "value 1 of "));
    CHECK(!gm_json_log_row((gm_json_log *)csv, ROW({ "a", 1 })) && error_says(GM_ERROR_HANDLE, "is a CSV log"));
    char many[3 * 5000];
    for (int i = 0; i < 5000; i++) memcpy(many + 2 * i, i < 4999 ? "a," : "a\n", 3);
    put(in_dir("many.csv"), many);
    CHECK(!gm_csv_log_open(in_dir("many.csv"), .append = 1) && error_says(GM_ERROR_FORMAT, "many.csv has over 4096"));
}

static void full_disk(void) {
    GM_SCOPE(s);
    CHECK(!gm_json_log_row(gm_json_log_open("/dev/full"), ROW({ "epoch", 1 })) &&
          error_says(GM_ERROR_IO, "json_log_row: writing /dev/full: No space left on device"));
    CHECK(!gm_csv_log_row(gm_csv_log_open("/dev/full"), ROW({ "epoch", 1 })) && error_says(GM_ERROR_IO, "/dev/full"));
    signal(SIGXFSZ, SIG_IGN);
    gm_csv_log *csv = gm_csv_log_open(in_dir("full.csv"));
    gm_csv_log_row(csv, ROW({ "epoch", 1 }, { "loss", 0.5 }));
    struct rlimit old, low;
    getrlimit(RLIMIT_FSIZE, &old);
    low = old;
    low.rlim_cur = 18; /* "epoch,loss\n1,0.5\n" is 17 bytes */
    setrlimit(RLIMIT_FSIZE, &low);
    CHECK(!gm_csv_log_row(csv, ROW({ "epoch", 2 }, { "loss", 0.5 })) && error_says(GM_ERROR_IO, "full.csv"));
    HOLDS(in_dir("full.csv"), "epoch,loss\n1,0.5\n");
    CHECK(!gm_csv_log_row(csv, ROW({ "epoch", 2 }, { "more", 0.5 })) && error_says(GM_ERROR_IO, "full.csv"));
    HOLDS(in_dir("full.csv"), "epoch,loss\n1,0.5\n");
    setrlimit(RLIMIT_FSIZE, &old);
    CHECK(gm_csv_log_row(csv, ROW({ "epoch", 2 }, { "more", 0.5 })));
    HOLDS(in_dir("full.csv"), "epoch,loss,more\n1,0.5,\n2,,0.5\n");
}

/* Each allocation fails in turn; the rows that were reported as written are there. */
static void failing_memory(void) {
    bool reached = true;
    int n = 0;
    while (reached && ++n < 1000) {
        put(in_dir("memory.csv"), "epoch,loss\n1,0.5\n2,0.25\n");
        gm__fail_allocation(n, false);
        bool first, second;
        {
            GM_SCOPE(s);
            gm_csv_log *csv = gm_csv_log_open(in_dir("memory.csv"), .append = 1);
            first = csv && gm_csv_log_row(csv, ROW({ "epoch", 2 }, { "loss", 0.1 }));
            second = csv && gm_csv_log_row(csv, ROW({ "epoch", 3 }, { "more", 1 }));
            reached = gm__allocation_count() >= n;
        }
        CHECK(gm_error_code() == (reached ? GM_ERROR_MEMORY : GM_OK), "allocation %d", n);
        gm_error_clear();
        const char *text = content(in_dir("memory.csv"));
        CHECK(strstr(text, "\n1,0.5") && text[strlen(text) - 1] == '\n', "allocation %d:\n%s", n, text);
        CHECK(!first || strstr(text, "\n2,0.1"), "allocation %d:\n%s", n, text);
        CHECK(!!strstr(text, "\n3,,1") == second, "allocation %d:\n%s", n, text);
    }
    gm__fail_allocation(0, false);
    CHECK(n > 10 && n < 1000, "%d rounds", n);
}

static void other_locales(void) {
    static const char *const names[] = { "de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "fr_FR" };
    for (int i = 0; i < 4; i++)
        if (setlocale(LC_ALL, names[i])) break;
    GM_SCOPE(s);
    gm_json_log_row(gm_json_log_open(in_dir("locale.jsonl")), ROW({ "epoch", 1.5 }));
    gm_json_log_row(gm_json_log_open(in_dir("locale.jsonl"), .append = 1), ROW({ "epoch", 1.75 }));
    HOLDS(in_dir("locale.jsonl"), "{\"epoch\": 1.5}\n{\"epoch\": 1.75}\n");
    setlocale(LC_ALL, "C");
}

int main(void) {
    snprintf(dir, sizeof dir, "%s/gemel-logs-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    if (!mkdtemp(dir)) return 2;
    RUN(rows);
    RUN(resuming);
    RUN(wrong_arguments);
    RUN(full_disk);
    RUN(failing_memory);
    RUN(other_locales);
    char remove_all[300];
    snprintf(remove_all, sizeof remove_all, "rm -rf '%s'", dir);
    if (system(remove_all)) return 2;
    return check_done();
}
