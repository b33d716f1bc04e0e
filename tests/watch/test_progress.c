/* The progress line: on a pseudo-terminal, whose screen is kept here as a terminal would keep it; in a pipe; in a
 * callback. */
#include "base/log.h"
#include "check.h"
#include "gemel/watch.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- a terminal of `width` columns ---- */

enum { ROWS = 200, WIDTH = 240 };
static char screen[ROWS][WIDTH + 1]; /* one byte a column: a character that is not ASCII is kept as '#' */
static int row, column, width, wrapped, erased_before_text;

static void screen_reset(int columns) {
    memset(screen, 0, sizeof screen);
    row = column = wrapped = erased_before_text = 0;
    width = columns;
}

static void screen_put(char c) {
    if (column == width) wrapped++, row++, column = 0;
    for (int i = 0; i < column; i++)
        if (!screen[row][i]) screen[row][i] = ' ';
    screen[row][column++] = c;
}

static void screen_feed(const char *s, size_t n) {
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c == '\r') column = 0;
        else if (c == '\n') row++;
        else if (c == 27 && i + 2 < n && s[i + 1] == '[' && s[i + 2] == 'K') {
            erased_before_text += column == 0;
            memset(screen[row] + column, 0, sizeof screen[row] - (size_t)column);
            i += 2;
        } else if (c < 0x80) screen_put((char)c);
        else if (c >= 0xc0) screen_put('#');
    }
}

static char raw[1 << 16];
static size_t raw_n;

/* Run `f` in a process whose standard error is `fd`, and read what comes out of `from`. */
static int run_with(void (*f)(void), int fd, int from, const char *term) {
    fflush(NULL);
    pid_t child = fork();
    if (!child) {
        close(from);
        dup2(fd, 2);
        setenv("TERM", term, 1);
        f();
        _exit(gm_ok() ? 0 : 3);
    }
    close(fd);
    raw_n = 0;
    for (ssize_t n; raw_n < sizeof raw - 1; raw_n += (size_t)n)
        if ((n = read(from, raw + raw_n, sizeof raw - 1 - raw_n)) <= 0) break;
    raw[raw_n] = 0;
    close(from);
    int status;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int run_on_terminal(void (*f)(void), int columns) {
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0 || grantpt(master) || unlockpt(master)) return -1;
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    struct winsize size = { .ws_row = 40, .ws_col = (unsigned short)columns };
    if (slave < 0 || ioctl(slave, TIOCSWINSZ, &size)) return -1;
    int status = run_with(f, slave, master, "xterm");
    screen_reset(columns);
    screen_feed(raw, raw_n);
    return status;
}

/* A chroot without /dev/pts has no terminals to give. */
static bool has_terminals(void) {
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0) return false;
    char *name = grantpt(master) || unlockpt(master) ? NULL : ptsname(master);
    bool found = name && access(name, R_OK | W_OK) == 0;
    close(master);
    return found;
}

static int run_in_pipe(void (*f)(void), const char *term) {
    int ends[2];
    return pipe(ends) ? -1 : run_with(f, ends[1], ends[0], term);
}

/* ---- on a terminal ---- */

static void half_way(void) {
    gm_progress *p = gm_progress_new(2000, "epoch 1/3", .unit = "images");
    gm_progress_step(p, 1000, "loss 0.123");
    usleep(110 * 1000);
    gm_progress_step(p, 1000, NULL);
}

static void bar(void) {
    CHECK(run_on_terminal(half_way, 120) == 0);
    const char *expected = "epoch 1/3 [====================>                   ]  50% 1000/2000, ";
    CHECK(strncmp(screen[0], expected, strlen(expected)) == 0, "%s", screen[0]);
    CHECK(strstr(screen[0], " images/s, ") && strstr(screen[0], " left  loss 0.123"), "%s", screen[0]);
    CHECK(row == 0 && !wrapped && !erased_before_text, "drawn in place, never cleared first");
    for (int columns = 2; columns < 90; columns += 8) {
        run_on_terminal(half_way, columns);
        CHECK(row == 0 && !wrapped && (int)strlen(screen[0]) < columns, "%d columns: %s", columns, screen[0]);
    }
    CHECK(strncmp(screen[0], "epoch 1/3 [", 11) == 0, "a shorter bar in 82 columns: %s", screen[0]);
}

static void blocks(void) {
    gm_progress *p = gm_progress_new(1000, "\xc3\xa9poque", .utf8 = 1);
    gm_progress_step(p, 520, "caf\xc3\xa9\n\x1b[31m\xff");
}

static void characters(void) {
    CHECK(run_on_terminal(blocks, 100) == 0);
    CHECK(row == 0 && !wrapped && strstr(raw, "\u2588") && strstr(raw, "\u258f"), "%s", raw);
    CHECK(strstr(raw, "caf\xc3\xa9  [31m \033[K"), "control and broken characters are blanks: %s", raw);
}

static void logging(void) {
    gm_progress *p = gm_progress_new(10, "train");
    gm_log_line(GM_LOG_WARNING, "before");
    for (int i = 1; i <= 10; i++) {
        gm_progress_step(p, i, "loss 1");
        if (i == 5) gm_log_line(GM_LOG_WARNING, "the learning rate is large");
        if (i == 7) gm_log_line(GM_LOG_INFO, "saved");
    }
    gm_progress_done(p, "accuracy 0.9");
    gm_log_line(GM_LOG_INFO, "after");
}

static void lines_between(void) {
    CHECK(run_on_terminal(logging, 100) == 0);
    static const char *const expected[] = { "gemel: warning: before", "gemel: warning: the learning rate is large",
                                            "gemel: saved" };
    for (int i = 0; i < 3; i++) CHECK(strcmp(screen[i], expected[i]) == 0, "%s", screen[i]);
    CHECK(strncmp(screen[3], "train: 10 in ", 13) == 0 && strstr(screen[3], "/s, accuracy 0.9"), "%s", screen[3]);
    CHECK(strcmp(screen[4], "gemel: after") == 0 && !screen[5][0], "%s", screen[4]);
}

static void unknown(void) {
    gm_progress *p = gm_progress_new(0, NULL);
    gm_progress_step(p, 7, NULL);
}

static void fails(void) {
    GM_SCOPE(s);
    gm_progress *p = gm_progress_new(10, "train");
    gm_progress_step(p, 5, NULL);
    gm_fail(GM_ERROR_NUMERIC, "a loss of NaN");
    gm_progress_step(p, 6, NULL);
    gm_progress_done(p, "summary");
}

static void two(void) {
    gm_progress *outer = gm_progress_new(10, "outer"), *inner = gm_progress_new(5, "inner");
    gm_progress_step(outer, 3, NULL);
    gm_progress_step(inner, 5, NULL);
    gm_progress_done(inner, NULL);
    gm_progress_done(outer, NULL);
}

static void corners(void) {
    CHECK(run_on_terminal(unknown, 80) == 0);
    CHECK(screen[0][0] == '7' && !strchr(screen[0], '[') && !strchr(screen[0], '%'), "%s", screen[0]);
    CHECK(run_on_terminal(fails, 80) == 3);
    CHECK(!screen[0][0] && row == 0, "the bar is gone: %s", screen[0]);
    CHECK(run_on_terminal(two, 80) == 0);
    CHECK(strncmp(screen[0], "gemel: inner: 5 in ", 19) == 0, "%s", screen[0]);
    CHECK(strncmp(screen[1], "outer: 3/10 in ", 15) == 0, "%s", screen[1]);
    setenv("GM_LOG", "0", 1);
    CHECK(run_on_terminal(logging, 80) == 0 && raw_n == 0, "GM_LOG=0: %s", raw);
    unsetenv("GM_LOG");
}

/* ---- elsewhere ---- */

static void many_steps(void) {
    gm_progress *p = gm_progress_new(30000, "epoch 2/3", .interval = 0.02);
    for (int i = 1; i <= 30; i++) {
        usleep(3000);
        gm_progress_step(p, 1000 * i, "loss 0.5");
    }
    gm_progress_done(p, "val_loss 0.4");
}

static void quick(void) {
    gm_progress *p = gm_progress_new(100, "epoch 2/3");
    for (int i = 1; i <= 100; i++) gm_progress_step(p, i, "loss 0.5");
    gm_progress_done(p, NULL);
}

static void plain_lines(void) {
    CHECK(run_in_pipe(many_steps, "xterm") == 0);
    int lines = 0;
    for (const char *at = raw; (at = strchr(at, '\n')); at++) lines++;
    CHECK(lines >= 2 && lines <= 30, "%d lines:\n%s", lines, raw);
    CHECK(strncmp(raw, "gemel: epoch 2/3: ", 18) == 0 && strstr(raw, "% ") && strstr(raw, ", loss 0.5\n"), "%s", raw);
    CHECK(strstr(raw, "gemel: epoch 2/3: 30000 in ") && strstr(raw, "/s, val_loss 0.4\n"), "%s", raw);
    CHECK(!strchr(raw, '\r') && !strchr(raw, 27), "nothing for terminals in a pipe");
    CHECK(run_in_pipe(quick, "xterm") == 0);
    CHECK(strchr(raw, '\n') == raw + raw_n - 1, "one line for what takes no time: %s", raw);
}

static char heard[4096];
static void listen(void *env, gm_log_level level, const char *line) {
    (void)env;
    snprintf(heard + strlen(heard), sizeof heard - strlen(heard), "%d %s\n", level, line);
}

static void quick_with_callback(void) {
    gm_set_log(listen, NULL, NULL);
    quick();
    if (strncmp(heard, "1 epoch 2/3: 100 in ", 20)) gm_fail(GM_ERROR_VALUE, "heard %s", heard);
}

static void callback(void) {
    CHECK(run_on_terminal(quick_with_callback, 80) == 0 && raw_n == 0, "%s", raw);
    gm_progress *p = gm_progress_new(3, "x");
    CHECK(gm_progress_done(p, NULL) && gm_progress_done(p, NULL));
    CHECK(!gm_progress_step(p, 1, NULL) && gm_error_code() == GM_ERROR_STATE);
    gm_error_clear();
    size_t members = sizeof(size_t) + sizeof(char *) + sizeof(double) + 2 * sizeof(int32_t) + sizeof(gm_int);
    CHECK(sizeof(gm_progress_args) == members, "no padding");
}

int main(void) {
    if (has_terminals()) {
        RUN(bar);
        RUN(characters);
        RUN(lines_between);
        RUN(corners);
        RUN(callback);
    } else {
        printf("NOT RUN: the checks on a terminal: this system gives out none (/dev/pts)\n");
    }
    RUN(plain_lines);
    return check_done();
}
