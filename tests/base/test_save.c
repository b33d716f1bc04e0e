/* Files written whole or not at all, and files read or mapped. */
#include "base/file.h"
#include "base/save.h"
#include "check_error.h"
#include "gemel/tensor.h"

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64];

static const char *at(const char *name) {
    static char path[4][256];
    static int next;
    char *p = path[next++ % 4];
    snprintf(p, 256, "%s/%s", dir, name);
    return p;
}

static int n_files(void) {
    DIR *d = opendir(dir);
    int n = 0;
    for (struct dirent *e; (e = readdir(d));) n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static bool holds(const char *path, const char *text) {
    for (int map = 0; map < 2; map++) {
        gm__file *f = gm__file_open("test", path, map);
        if (!f || f->bytes != strlen(text) || memcmp(f->data, text, f->bytes)) return gm__file_release(f), false;
        gm__file_release(f);
    }
    return true;
}

static bool put(const char *path, const char *text) {
    gm__save *s = gm__save_open("test", path);
    return gm__save_close(s, s && gm__save_write(s, text, strlen(text)));
}

static void writing(void) {
    CHECK(put(at("a"), "one") && holds(at("a"), "one") && n_files() == 1);
    CHECK(put(at("a"), "") && n_files() == 1);
    chmod(at("a"), 0640);
    CHECK(put(at("a"), "two") && holds(at("a"), "two"));
    struct stat st;
    CHECK(!stat(at("a"), &st) && (st.st_mode & 0777) == 0640);
    gm__save *s = gm__save_open("test", at("a"));
    gm__save_write(s, "three", 5);
    CHECK(!gm__save_close(s, false) && gm_ok() && holds(at("a"), "two") && n_files() == 1);
    s = gm__save_open("test", at("a"));
    gm_fail(GM_ERROR_VALUE, "mine");
    CHECK(!gm__save_close(s, true) && fails_with(GM_ERROR_VALUE, "mine") && holds(at("a"), "two") && n_files() == 1);
}

static void links_and_neighbours(void) {
    CHECK(!symlink("a", at("link")) && put(at("link"), "linked") && holds(at("a"), "linked"));
    struct stat st;
    CHECK(!lstat(at("link"), &st) && S_ISLNK(st.st_mode));
    gm__save *first = gm__save_open("test", at("a")), *second = gm__save_open("test", at("a"));
    CHECK(n_files() == 4, "two temporary files at once");
    gm__save_write(first, "first", 5);
    gm__save_write(second, "second", 6);
    CHECK(gm__save_close(first, true) && holds(at("a"), "first") && gm__save_close(second, true) &&
          holds(at("a"), "second"));
    FILE *stale = fopen(at("a.tmp"), "wb");
    fputs("left by a killed process, and longer", stale);
    fclose(stale);
    CHECK(put(at("a"), "fresh") && holds(at("a"), "fresh") && n_files() == 2);
    CHECK(!symlink("/etc/passwd", at("a.tmp")) && put(at("a"), "safe") && holds(at("a"), "safe"));
    unlink(at("a.tmp"));
    unlink(at("link"));
}

/* In a child process that may write 100,000 bytes to a file: as a full disk, at a given byte. */
static int child_fills_disk(void) {
    struct rlimit limit = { 100000, 100000 };
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    char block[4096] = { 0 };
    gm__save *s = gm__save_open("test", at("a"));
    for (int i = 0; i < 200; i++) gm__save_write(s, block, sizeof block);
    bool done = gm__save_close(s, true);
    return !done && fails_with(GM_ERROR_IO, "/a: writing: ") ? 0 : 1;
}

static void full_disks(void) {
    fflush(NULL);
    pid_t child = fork();
    if (!child) _exit(child_fills_disk());
    int status = -1;
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(holds(at("a"), "safe") && n_files() == 1, "the old file stays, no temporary file is left");
    if (access("/dev/full", W_OK)) return;
    struct stat st;
    CHECK(!put("/dev/full", "x") && fails_with(GM_ERROR_IO, "/dev/full: writing: No space left"));
    CHECK(!stat("/dev/full", &st) && S_ISCHR(st.st_mode));
}

static void refusals(void) {
    CHECK(!put(at("none/a"), "x") && fails_with(GM_ERROR_IO,
                                                "none/a: making a temporary file beside it: No such file"));
    CHECK(!put(dir, "x") && fails_with(GM_ERROR_IO, "Is a directory"));
    CHECK(!put("", "x") && fails_with(GM_ERROR_VALUE, "empty") && !put(NULL, "x") &&
          fails_with(GM_ERROR_VALUE, "NULL"));
    CHECK(!gm__file_open("op", at("none"), true) && fails_with(GM_ERROR_IO, "op: cannot read ") && n_files() == 1);
    CHECK(!gm__file_open("op", dir, true) && fails_with(GM_ERROR_IO, "it is a directory"));
    CHECK(!gm__file_open("op", NULL, true) && fails_with(GM_ERROR_VALUE, "NULL"));
}

static void mapping(void) {
    gm__file *f = gm__file_open("test", at("a"), true);
    CHECK(f && f->mapped == 4);
    ((char *)f->data)[0] = 'S';
    CHECK(holds(at("a"), "safe"), "a mapped file is copied on write");
    CHECK(put(at("a"), "other") && !memcmp(f->data, "Safe", 4), "replacing the file leaves the mapping alone");
    gm__file_retain(f);
    gm__file_release(f);
    CHECK(f->data[1] == 'a');
    gm__file_release(f);
    f = gm__file_open("test", "/dev/null", true);
    CHECK(f && f->bytes == 0 && !f->mapped);
    gm__file_release(f);
}

int main(void) {
    snprintf(dir, sizeof dir, "%s/gemel-save.XXXXXX", getenv("TMPDIR") &&
             strlen(getenv("TMPDIR")) < 30 ? getenv("TMPDIR") : "/tmp");
    if (!mkdtemp(dir)) return 1;
    RUN(writing);
    RUN(links_and_neighbours);
    RUN(full_disks);
    RUN(refusals);
    RUN(mapping);
    unlink(at("a"));
    CHECK(!rmdir(dir));
    return check_done();
}
