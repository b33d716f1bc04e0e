/* Event files: check sums, framing, bytes against those that Google's protobuf library wrote, and what goes wrong. */
#include "base/args.h"
#include "base/checksum.h"
#include "base/object.h"
#include "check.h"
#include "gemel/formats.h"
#include "gemel/watch.h"
#include "watch/sink.h"
#include "watch/text.h"

#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[256];

static const char *in_dir(const char *name) {
    static char path[4][512];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", dir, name);
    return path[turn];
}

static size_t read_file(const char *path, uint8_t *into, size_t bytes) {
    FILE *f = fopen(path, "rb");
    if (!f) return 0;
    size_t n = fread(into, 1, bytes, f);
    fclose(f);
    return n;
}

static bool error_says(gm_error code, const char *part) {
    bool same = gm_error_code() == code && strstr(gm_error_message(), part);
    if (!same) fprintf(stderr, "the error is %s: %s\n", gm_error_name(gm_error_code()), gm_error_message());
    gm_error_clear();
    return same;
}

static void check_sums(void) {
    uint8_t zeros[32] = { 0 }, ascending[32];
    for (int i = 0; i < 32; i++) ascending[i] = (uint8_t)i;
    CHECK(gm__crc32c(0, "123456789", 9) == 0xe3069283u);
    CHECK(gm__crc32c(0, zeros, 32) == 0x8a9136aau);     /* RFC 3720, B.4 */
    CHECK(gm__crc32c(0, ascending, 32) == 0x46dd794eu); /* RFC 3720, B.4 */
    CHECK(gm__crc32c(gm__crc32c(0, ascending, 13), ascending + 13, 19) == 0x46dd794eu);
    CHECK(gm__crc32(0, "123456789", 9) == 0xcbf43926u);
    CHECK(gm__adler32(1, "Wikipedia", 9) == 0x11e60398u);
    CHECK(gm__crc32c(0, "", 0) == 0);
}

/* Written by the protobuf and record writer of the tensorboard package, from the same values. */
static const char golden[] =
    "1800000000000000a37f4b220900002040fc54d9411a0d627261696e2e4576656e743a322b3531100f00000000000000"
    "6d532b090900002040fc54d94110033a02080120ab681c0f000000000000006d532b090900002040fc54d94110033a02"
    "080120ab681c1a00000000000000129bd82d0900002040fc54d94110032a0d0a0b0a046c6f7373150000803ebcf29b54"
    "34000000000000005e33175c0900002040fc54d94110ac022a260a240a046e6f74654210080712041202080142062a2a"
    "68692a2a4a0a0a060a047465787420027712be9160000000000000002821c6da0900002040fc54d9412a550a530a1c5f"
    "68706172616d735f2f73657373696f6e5f73746172745f696e666f42060801120212004a2b0a270a0768706172616d73"
    "121c1a1a0a0f0a026c72120911000000000000e03f2900002040fc54d941200209f2aad94f000000000000006c474f93"
    "0900002040fc54d9412a440a420a1a5f68706172616d735f2f73657373696f6e5f656e645f696e666f42060801120212"
    "004a1c0a180a0768706172616d73120d220b08011100002040fc54d9412002ed5c057c";

static void same_bytes(void) {
    GM_SCOPE(s);
    gm_events *e = gm_events_open(in_dir("golden"), .wall_time = 1700000000.5, .purge_step = GM_INT(3), .suffix = ".g");
    char path[512] = "";
    if (e) snprintf(path, sizeof path, "%s", gm_events_path(e));
    CHECK(strstr(path, "/golden/events.out.tfevents.1700000000.") && strstr(path, ".g"), "%s", path);
    CHECK(gm_events_scalar(e, "loss", 3, 0.25));
    CHECK(gm_events_text(e, "note", 300, "**hi**"));
    gm_hparam lr = { .name = "lr", .number = 0.5 };
    CHECK(gm_events_hparams(e, &lr, 1, NULL, 0));
    CHECK(gm_events_close(e));
    CHECK(gm_events_close(e), "closing twice is harmless");
    uint8_t bytes[1024];
    size_t n = read_file(path, bytes, sizeof bytes);
    CHECK(n == strlen(golden) / 2, "%zu bytes", n);
    char hex[2049] = "";
    for (size_t i = 0; i < n; i++) sprintf(hex + 2 * i, "%02x", bytes[i]);
    CHECK(strcmp(hex, golden) == 0, "\n%s", hex);
}

static uint64_t little(const uint8_t *at, int bytes) {
    uint64_t v = 0;
    for (int i = bytes; i-- > 0;) v = v << 8 | at[i];
    return v;
}

/* Another way to the masked check sum, bit by bit. */
static uint32_t masked(const uint8_t *p, size_t n) {
    uint32_t r = 0xffffffffu;
    for (size_t i = 0; i < 8 * n; i++) {
        uint32_t bit = (r ^ (p[i / 8] >> i % 8)) & 1;
        r = r >> 1 ^ (bit ? 0x82f63b78u : 0);
    }
    r = ~r;
    return (r >> 15 | r << 17) + 0xa282ead8u;
}

/* The number of whole, sound records of the file; -1 if it is broken. */
static int count_records(const char *path) {
    static uint8_t bytes[1 << 20];
    size_t n = read_file(path, bytes, sizeof bytes), at = 0;
    int records = 0;
    for (; at < n; records++) {
        if (n - at < 16) return -1;
        uint64_t length = little(bytes + at, 8);
        if (little(bytes + at + 8, 4) != masked(bytes + at, 8) || length > n - at - 16) return -1;
        if (little(bytes + at + 12 + length, 4) != masked(bytes + at + 12, length)) return -1;
        at += 16 + length;
    }
    return records;
}

static void framing(void) {
    GM_SCOPE(s);
    gm_events *e = gm_events_open(in_dir("deep/er/run"));
    CHECK(e != NULL, "directories are made: %s", gm_error_message());
    char path[512];
    snprintf(path, sizeof path, "%s", gm_events_path(e));
    CHECK(count_records(path) == 1);
    for (int i = 0; i < 100; i++) gm_events_scalar(e, "loss/train", i, 1.0 / (i + 1));
    CHECK(count_records(path) == 101, "each event is written at once");
    double values[1000];
    for (int i = 0; i < 1000; i++) values[i] = (i - 500) * 1e-3;
    CHECK(gm_events_histogram(e, "weights", 0, values, 1000));
    CHECK(gm_events_histogram(e, "nothing", 0, NULL, 0));
    uint8_t pixels[10 * 20 * 4] = { 1, 2, 3 };
    for (int channels = 1; channels <= 4; channels++) CHECK(gm_events_image(e, "image", 0, pixels, 10, 20, channels));
    CHECK(gm_events_close(e));
    CHECK(count_records(path) == 107);
    CHECK(!gm_events_scalar(e, "loss", 1, 1) && error_says(GM_ERROR_STATE, "events_scalar: the event file is closed"));
}

static void waiting(void) {
    char path[512];
    {
        GM_SCOPE(s);
        gm_events *e = gm_events_open(in_dir("waiting"), .flush_seconds = 1000);
        snprintf(path, sizeof path, "%s", gm_events_path(e));
        gm_events_scalar(e, "a", 1, 1);
        CHECK(count_records(path) == 1);
        CHECK(gm_events_flush(e) && count_records(path) == 2);
        gm_events_scalar(e, "a", 2, 1);
        CHECK(count_records(path) == 2);
        for (int i = 0; i < 3000; i++) gm_events_scalar(e, "a", 3, 1);
        CHECK(count_records(path) > 1000, "at most 64 KiB wait");
    }
    CHECK(count_records(path) == 3003, "the scope closed it");
    pid_t child = fork();
    if (!child) {
        gm_events *e = gm_events_open(in_dir("exit"), .flush_seconds = 1000, .suffix = ".exit");
        gm_events_scalar(e, "a", 1, 1);
        pid_t grandchild = fork();
        if (!grandchild) exit(0); /* which leaves alone what its parent holds */
        waitpid(grandchild, NULL, 0);
        exit(0); /* neither close nor scope */
    }
    int status;
    waitpid(child, &status, 0);
    DIR *d = opendir(in_dir("exit"));
    CHECK(d != NULL);
    for (struct dirent *f; d && (f = readdir(d));)
        if (f->d_name[0] == 'e') CHECK(count_records(in_dir(strcat(strcpy(path, "exit/"), f->d_name))) == 2);
    if (d) closedir(d);
}

static void wrong_arguments(void) {
    GM_SCOPE(s);
    CHECK(!gm_events_open(NULL) && error_says(GM_ERROR_VALUE, "logdir is NULL"));
    CHECK(!gm_events_open("") && error_says(GM_ERROR_VALUE, "logdir is empty"));
    CHECK(!gm_events_open(dir, .suffix = "a/b") && error_says(GM_ERROR_VALUE, "a/b"));
    CHECK(!gm_events_open(dir, .flush_seconds = -1) && error_says(GM_ERROR_VALUE, "flush_seconds is -1"));
    CHECK(!gm_events_open(dir, .wall_time = (double)NAN) && error_says(GM_ERROR_VALUE, "wall_time"));
    CHECK(!gm_events_open("/dev/null/such") && error_says(GM_ERROR_IO, "/dev/null"));
    fclose(fopen(in_dir("plain"), "w"));
    CHECK(!gm_events_open(in_dir("plain/run")) && error_says(GM_ERROR_IO, "plain: a file of that name is in the way"));
    gm_events *e = gm_events_open(in_dir("wrong"));
    CHECK(!gm_events_scalar(NULL, "a", 0, 0) && error_says(GM_ERROR_HANDLE, "events_scalar: argument 1 is NULL"));
    CHECK(!gm_events_scalar(e, NULL, 0, 0) && error_says(GM_ERROR_VALUE, "the tag is NULL"));
    CHECK(!gm_events_scalar(e, "", 0, 0) && error_says(GM_ERROR_VALUE, "the tag is empty"));
    CHECK(!gm_events_text(e, "a", 0, NULL) && error_says(GM_ERROR_VALUE, "text of a is NULL"));
    CHECK(!gm_events_image(e, "a", 0, (uint8_t *)"abc", 0, 3, 1) && error_says(GM_ERROR_VALUE, "height 0, width 3"));
    CHECK(!gm_events_image(e, "a", 0, (uint8_t *)"abc", 1, 3, 5) && error_says(GM_ERROR_VALUE, "5 channels"));
    CHECK(!gm_events_image(e, "a", 0, NULL, 1, 3, 1) && error_says(GM_ERROR_VALUE, "NULL"));
    CHECK(!gm_events_histogram(e, "a", 0, NULL, 5) && error_says(GM_ERROR_VALUE, "5 values, NULL"));
    CHECK(!gm_events_hparams(e, NULL, 1, NULL, 0) && error_says(GM_ERROR_VALUE, "1 parameters"));
    CHECK(gm_events_hparams(e, NULL, 0, NULL, 0));
    CHECK(!gm_events_hparams(e, NULL, 0, NULL, 0) && error_says(GM_ERROR_STATE, "are written"));
    CHECK(gm_events_scalar(e, "a", 0, NAN), "and it still works");
    CHECK(count_records(gm_events_path(e)) == 3, "nothing half-made was written");
    gm_fail(GM_ERROR_VALUE, "of the user");
    CHECK(!gm_events_scalar(e, "a", 0, 0));
    CHECK(gm_events_close(e), "closing works while an error is pending");
    gm_error_clear();
}

static void wrong_tensors(void) {
    GM_SCOPE(s);
    static const float zeros[90];
    gm_events *e = gm_events_open(in_dir("tensors"));
    gm_tensor *five = gm_from_data(GM_SHAPE(2, 5, 3, 3), GM_F32, zeros);
    gm_tensor *text = gm_strings((const char *const[]){ "a" }, 1);
    CHECK(!gm_events_image_tensor(e, "a", 0, five) && error_says(GM_ERROR_SHAPE, "the tensor is [2, 5, 3, 3]"));
    gm_tensor *flat = gm_from_data(GM_SHAPE(3), GM_F32, zeros), *none = gm_from_data(GM_SHAPE(0, 3), GM_F32, zeros);
    CHECK(!gm_events_image_tensor(e, "a", 0, flat) && error_says(GM_ERROR_SHAPE, "the tensor is [3]"));
    CHECK(!gm_events_image_tensor(e, "a", 0, none) && error_says(GM_ERROR_SHAPE, "the tensor is [0, 3]"));
    CHECK(!gm_events_image_tensor(e, "a", 0, NULL) && error_says(GM_ERROR_HANDLE, "NULL"));
    CHECK(!gm_events_histogram_tensor(e, "a", 0, NULL) && error_says(GM_ERROR_HANDLE, "NULL"));
    CHECK(text && !gm_events_histogram_tensor(e, "a", 0, text) && error_says(GM_ERROR_DTYPE, "a is of string"));
    CHECK(gm_events_histogram_tensor(e, "a", 0, gm_from_data(GM_SHAPE(0), GM_F16, zeros)));
    CHECK(count_records(gm_events_path(e)) == 2);
}

static void full_disk(void) {
    gm__sink sink;
    CHECK(gm__sink_open(&sink, "op", "/dev/full", GM__SINK_APPEND));
    CHECK(!gm__sink_put(&sink, "op", "abc", 3));
    CHECK(error_says(GM_ERROR_IO, "op: writing /dev/full: No space left on device"));
    CHECK(!gm__sink_close(&sink, "op") && error_says(GM_ERROR_IO, "/dev/full"));
    CHECK(gm__sink_close(&sink, "op"));

    /* A limit on the file's size stands for a disk that fills up in the middle of a record and gets room again. */
    signal(SIGXFSZ, SIG_IGN);
    GM_SCOPE(s);
    gm_events *e = gm_events_open(in_dir("full"));
    struct rlimit old, low;
    getrlimit(RLIMIT_FSIZE, &old);
    low = old;
    low.rlim_cur = 100;
    setrlimit(RLIMIT_FSIZE, &low);
    bool written = true;
    int n = 0;
    for (; written && n < 100; n++) written = gm_events_scalar(e, "loss", n, n);
    CHECK(!written && n < 10 && error_says(GM_ERROR_IO, "events_scalar: writing "));
    setrlimit(RLIMIT_FSIZE, &old);
    CHECK(gm_events_scalar(e, "loss", n, n));
    CHECK(count_records(gm_events_path(e)) == 1 + n + 1, "the record that did not fit was finished");
    gm_events_close(e);
}

/* Each allocation of a whole session fails in turn: an error each time, never a broken file. */
static void failing_memory(void) {
    bool reached = true;
    int n = 0;
    while (reached && ++n < 1000) {
        char path[512] = "";
        gm__fail_allocation(n, false);
        {
            GM_SCOPE(s);
            gm_events *e = gm_events_open(in_dir("memory"));
            if (e) snprintf(path, sizeof path, "%s", gm_events_path(e));
            double values[] = { 1, -2, 3 };
            gm_hparam p[] = { { .name = "optimizer", .text = "adamw" },
                              { .name = "augment", .number = 1, .is_bool = 1 } };
            const char *metric = "loss";
            gm_chart chart = { "losses", "all", "loss/.*" };
            if (e) gm_events_scalar(e, "a", 1, 1);
            if (e) gm_events_histogram(e, "h", 1, values, 3);
            if (e) gm_events_hparams(e, p, 2, &metric, 1);
            if (e) gm_events_charts(e, &chart, 1);
            if (e) gm_events_image(e, "i", 1, (uint8_t *)"abcdefghijkl", 2, 2, 3);
            if (e) gm_events_close(e);
        }
        reached = gm__allocation_count() >= n;
        CHECK(gm_error_code() == (reached ? GM_ERROR_MEMORY : GM_OK), "allocation %d", n);
        gm_error_clear();
        CHECK(!*path || count_records(path) >= 0, "allocation %d: %s is broken", n, path);
    }
    gm__fail_allocation(0, false);
    CHECK(n > 10 && n < 1000, "%d rounds", n);
}

static void options(void) {
    struct { gm_events_open_args known; int64_t later; } newer = { .known = { .size = sizeof newer }, .later = 0 };
    gm_events_open_args into;
    CHECK(gm__args_take("op", &into, sizeof into, &newer), "a newer caller that sets nothing new");
    newer.later = 1;
    CHECK(!gm__args_take("op", &into, sizeof into, &newer) && error_says(GM_ERROR_UNSUPPORTED, "op: "));
    newer.known.size = offsetof(gm_events_open_args, purge_step);
    newer.known.purge_step = (gm_int)GM_INT(7);
    CHECK(gm__args_take("op", &into, sizeof into, &newer) && !into.purge_step.set, "an older caller");
    newer.known.size = 0;
    CHECK(!gm__args_take("op", &into, sizeof into, &newer) && error_says(GM_ERROR_VALUE, ".size"));
    size_t members = sizeof(size_t) + sizeof(char *) + 2 * sizeof(double) + sizeof(gm_int);
    CHECK(sizeof(gm_events_open_args) == members, "no padding");
}

static const char *number(double value) {
    static gm__builder b;
    b.n = 0;
    gm__builder_number(&b, value);
    return b.text;
}

static void text(void) {
    gm__builder b = { 0 };
    gm__builder_json(&b, "a\"b\\c\nd\x01\xff\xc3\xa9\xc0\x80\xe2\x82");
    CHECK(strcmp(b.text, "\"a\\\"b\\\\c\\nd\\u0001\ufffd\u00e9\ufffd\ufffd\ufffd\ufffd\"") == 0, "%s", b.text);
    b.n = 0;
    gm__builder_utf8(&b, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xed\xa0\x80\"");
    CHECK(strcmp(b.text, "\u00e9\u20ac\U0001f600\ufffd\ufffd\ufffd\"") == 0, "%s", b.text);
    gm__builder_free(&b);
    CHECK(gm__utf8_columns("\u00e9\u20ac\U0001f600x") == 4);
    double numbers[] = { 0, 1, -2.5, 0.1, 1e300, 5e-324, 1.0 / 3, 123456789, 1e5, 1e15, 1.2345678901234568e17, 1.5e-5 };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        CHECK(strtod(number(numbers[i]), NULL) == numbers[i], "%s", number(numbers[i]));
    CHECK(strcmp(number(0.1), "0.1") == 0);
    CHECK(strcmp(number(-120), "-120") == 0);
    CHECK(strcmp(number(0.0125), "0.0125") == 0);
    CHECK(strcmp(number(1.25e-9), "1.25e-9") == 0);
    CHECK(strcmp(number(1e300), "1e+300") == 0);
    CHECK(strcmp(number(-(double)INFINITY), "-inf") == 0);
}

int main(void) {
    snprintf(dir, sizeof dir, "%s/gemel-events-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    if (!mkdtemp(dir)) return 2;
    RUN(check_sums);
    RUN(same_bytes);
    RUN(framing);
    RUN(waiting);
    RUN(wrong_arguments);
    RUN(wrong_tensors);
    RUN(full_disk);
    RUN(failing_memory);
    RUN(options);
    RUN(text);
    char remove_all[300];
    snprintf(remove_all, sizeof remove_all, "rm -rf '%s'", dir);
    if (system(remove_all)) return 2;
    return check_done();
}
