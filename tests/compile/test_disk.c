/* The kernel cache: what is damaged is built again, what cannot be trusted is not used, what is too much goes. */
#include "scene.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>

enum { NOBODY = 65534, SOMEBODY = 54321 };

/* ---- entries ---- */

static void build_one(void) { CHECK(scene_works(1) && gm__build_stats().builds == 1 && scene_warnings == 0); }
static void find_one(void) {
    CHECK(scene_works(1) && gm__build_stats().disk_hits == 1 && gm__build_stats().builds == 0);
}
static void build_two(void) { CHECK(scene_works(2) && gm__build_stats().builds == 1); }

static char *read_all(const char *path, size_t *n) {
    FILE *f = fopen(path, "rb");
    char *data = malloc(1 << 20);
    *n = f ? fread(data, 1, 1 << 20, f) : 0;
    if (f) fclose(f);
    return data;
}

static void build_one_beside(void) {
    CHECK(scene_works(1) && gm__build_stats().builds == 1 && scene_warnings == 1);
}

/* An entry that is damaged in some way is noticed, built anew, and good from then on. */
static void again(const char *how) {
    CHECK(1, "%s", how);
    SCENE("damaged", build_one);
    SCENE("damaged", find_one);
}

static void test_damage(void) {
    char path[512], other[512];
    size_t n, m;
    SCENE("damaged", build_one);
    SCENE("damaged", find_one);
    CHECK(scene_count(scene_path("damaged"), ".so", path) == 1);
    char *good = read_all(path, &n), *data = malloc(n + 1);
    const size_t places[] = { 0, 100, n / 2, n - 41, n - 40, n - 1 };
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        memcpy(data, good, n);
        data[places[i]] ^= 1;
        write_file(path, data, n);
        again("a byte");
    }
    const size_t lengths[] = { 0, 39, 40, 4096, n - 1 };
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        write_file(path, good, lengths[i]);
        again("cut");
    }
    memcpy(data, good, n);
    data[n] = 0;
    write_file(path, data, n + 1);
    again("longer");
    SCENE("swapped", build_two);
    CHECK(scene_count(scene_path("swapped"), ".so", other) == 1);
    char *swapped = read_all(other, &m);
    write_file(path, swapped, m);
    again("swapped");
    free(swapped);
    free(good);
    free(data);
}

static void test_no_file(void) {
    char path[512];
    CHECK(scene_count(scene_path("damaged"), ".so", path) == 1);
    size_t n;
    char *good = read_all(path, &n);
    write_file(scene_path("elsewhere"), good, n);
    CHECK(unlink(path) == 0 && symlink(scene_path("elsewhere"), path) == 0);
    again("a symbolic link");
    struct stat st;
    CHECK(lstat(path, &st) == 0 && S_ISREG(st.st_mode));
    CHECK(unlink(path) == 0 && mkfifo(path, 0600) == 0);
    again("a pipe");
    CHECK(unlink(path) == 0 && mkdir(path, 0700) == 0);
    SCENE("damaged", build_one_beside);
    free(good);
}

/* The note about the compiler is an entry too. */
static void test_note(void) {
    static const char wrong[] = "/bin/cc\n1 2.3\nversion 4\n";
    SCENE("note", build_one);
    write_file(scene_path("note/compiler"), wrong, sizeof wrong - 1);
    SCENE("note", find_one);
    CHECK(unlink(scene_path("note/compiler")) == 0);
    SCENE("note", find_one);
}

/* ---- directories ---- */

static bool not_used(const char *warning) {
    bool ok = scene_works(1) && scene_works(2) && gm__build_stats().builds == 2 && scene_warnings == 1;
    ok = ok && strstr(scene_warning, warning);
    if (!ok) fprintf(stderr, "  %d warnings: %s\n", scene_warnings, scene_warning);
    return ok;
}

static void writable_by_all(void) {
    mkdir(scene_path("all"), 0700);
    chmod(scene_path("all"), 0777);
    CHECK(not_used("others can write it") && scene_count(scene_path("all"), "", NULL) == 0);
}

static void writable_by_group(void) {
    mkdir(scene_path("group"), 0700);
    chmod(scene_path("group"), 0770);
    CHECK(not_used("others can write it"));
}

static void a_link(void) {
    mkdir(scene_path("aim"), 0700);
    CHECK(symlink(scene_path("aim"), scene_path("link")) == 0 && not_used("symbolic link"));
    CHECK(scene_count(scene_path("aim"), "", NULL) == 0);
}

static void a_link_and_slashes(void) {
    setenv("GM_CACHE_DIR", scene_path("link//"), 1);
    CHECK(not_used("symbolic link") && scene_count(scene_path("aim"), "", NULL) == 0);
}

static void a_file(void) {
    write_file(scene_path("file"), "x", 1);
    CHECK(not_used("no directory"));
}

static void not_to_be_made(void) {
    setenv("GM_CACHE_DIR", "/proc/none/of/these", 1);
    CHECK(not_used("No such file"));
}

static void too_long(void) {
    static char path[6000];
    memset(path, '/', sizeof path - 1);
    setenv("GM_CACHE_DIR", path, 1);
    CHECK(scene_works(1) && scene_warnings == 0);
}

static void of_another(void) {
    mkdir(scene_path("another"), 0700);
    if (chown(scene_path("another"), SOMEBODY, SOMEBODY)) {
        printf("SKIPPED: a directory of another user: root is needed\n");
        CHECK(1);
        return;
    }
    CHECK(not_used("it belongs to another user") && scene_count(scene_path("another"), "", NULL) == 0);
}

/* What was found there can be used, but nothing can be added. */
static void unwritable(void) {
    mkdir(scene_path("unwritable"), 0500);
    if (!geteuid() && (chown(scene_path("unwritable"), NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY))) exit(2);
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* for the leak sanitizer */
    CHECK(not_used("Permission denied"));
}

static void test_directories(void) {
    SCENE("all", writable_by_all);
    SCENE("group", writable_by_group);
    SCENE("link", a_link);
    SCENE("link", a_link_and_slashes);
    SCENE("file", a_file);
    SCENE("", not_to_be_made);
    SCENE("", too_long);
    SCENE("another", of_another);
    SCENE("unwritable", unwritable);
}

/* ---- where it is ---- */

static bool kept_in(const char *path) {
    struct stat st;
    return scene_works(1) && scene_warnings == 0 && scene_count(scene_path(path), ".so", NULL) == 1 &&
           !stat(scene_path(path), &st) && (st.st_mode & 0777) == 0700;
}

static void by_xdg(void) {
    unsetenv("GM_CACHE_DIR");
    setenv("XDG_CACHE_HOME", scene_path("xdg/deeper"), 1);
    setenv("HOME", scene_path("other"), 1);
    CHECK(kept_in("xdg/deeper/gemel"));
}

static void by_home(void) {
    unsetenv("GM_CACHE_DIR");
    setenv("XDG_CACHE_HOME", "relative", 1); /* to be ignored, says that standard */
    setenv("HOME", scene_path("home"), 1);
    mkdir(scene_path("home"), 0755);
    CHECK(kept_in("home/.cache/gemel"));
}

static void by_nothing(void) {
    unsetenv("GM_CACHE_DIR");
    unsetenv("XDG_CACHE_HOME");
    unsetenv("HOME");
    CHECK(scene_works(1));
    setenv("HOME", "/nonexistent", 1);
    CHECK(scene_works(2));
    mkdir(scene_path("anothers"), 0755);
    setenv("HOME", scene_path("anothers"), 1);
    if (!chown(scene_path("anothers"), SOMEBODY, SOMEBODY)) /* which root can do */
        CHECK(scene_works(3) && access(scene_path("anothers/.cache"), F_OK));
    CHECK(scene_warnings == 0 && gm__build_stats().disk_hits == 0);
}

static void by_relative_path(void) {
    CHECK(chdir(scene_root) == 0);
    setenv("GM_CACHE_DIR", "relative/", 1);
    CHECK(kept_in("relative"));
}

static void test_places(void) {
    SCENE("", by_xdg);
    SCENE("", by_home);
    SCENE("", by_nothing);
    SCENE("", by_relative_path);
}

/* ---- file systems ---- */

/* A small file system of the process's own on a new folder. */
static bool mounted(const char *folder, unsigned long flags, const char *options) {
    mkdir(scene_path(folder), 0700);
    bool ok = !unshare(CLONE_NEWNS) && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
              !mount("none", scene_path(folder), "tmpfs", flags, options);
    if (!ok) printf("SKIPPED: %s: no right to mount\n", folder);
    CHECK(1);
    return ok;
}

static void read_only(void) {
    if (mounted("ro", MS_RDONLY, "mode=0700")) CHECK(not_used("Read-only"));
}

static void full(void) {
    if (!mounted("full", 0, "mode=0700,size=8k")) return;
    CHECK(not_used("No space left"));
    setenv("TMPDIR", scene_path("full"), 1);
    CHECK(scene_works(3)); /* in another temporary directory */
}

static void not_executable(void) {
    if (!mounted("noexec", MS_NOEXEC, "mode=0700")) return;
    setenv("TMPDIR", scene_path("noexec"), 1);
    for (int i = 0; i < 2; i++) {
        GM_SCOPE(s);
        CHECK(scene_works(1) && scene_works(2) && scene_warnings == 0);
    }
    CHECK(gm__build_stats().builds == 2 && gm__build_stats().disk_hits == 2);
}

static void test_file_systems(void) {
    SCENE("ro", read_only);
    SCENE("full", full);
    SCENE("noexec", not_executable);
}

/* ---- the limit ---- */

enum { PADDED = 400 * 1024 }; /* two of these are below the limit of 1 MB, three are above */

static void use_padding_compiler(const char *megabytes) {
    setenv("GM_CC",
           scene_script(
               "padding",
               "$CC \"$@\" || exit; while [ $# -gt 1 ]; do [ $1 = -o ] && truncate -s 400K $2; shift; done; exit 0"),
           1);
    setenv("GM_CACHE_SIZE", megabytes, 1);
}

static void set_age(const char *path, int seconds) {
    struct timespec t[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = time(NULL) - seconds } };
    CHECK(utimensat(AT_FDCWD, path, t, 0) == 0);
}

/* Two are kept, a third takes the place of the one that was used longest ago. */
static void oldest_goes(void) {
    char first[512], second[512];
    struct stat st;
    use_padding_compiler("1");
    CHECK(scene_works(1) && scene_count(scene_path("limit"), ".so", first) == 1);
    CHECK(stat(first, &st) == 0 && st.st_size == PADDED + 40);
    set_age(first, 5000);
    CHECK(rename(first, scene_path("limit/x")) == 0);
    CHECK(scene_works(2) && scene_count(scene_path("limit"), ".so", second) == 1);
    CHECK(rename(scene_path("limit/x"), first) == 0);
    set_age(second, 4000);
    write_file(scene_path("limit/tmp.old"), "x", 1);
    write_file(scene_path("limit/tmp.new"), "x", 1);
    set_age(scene_path("limit/tmp.old"), 4000);
}

static void use_the_first(void) {
    use_padding_compiler("1");
    CHECK(scene_works(1) && gm__build_stats().disk_hits == 1);
    CHECK(scene_works(3) && gm__build_stats().builds == 1 && scene_warnings == 0);
    CHECK(scene_count(scene_path("limit"), ".so", NULL) == 2);
    CHECK(scene_count(scene_path("limit"), "tmp.old", NULL) == 0 &&
          scene_count(scene_path("limit"), "tmp.new", NULL) == 1);
}

static void second_has_gone(void) {
    use_padding_compiler("1");
    CHECK(scene_works(1) && scene_works(3) && gm__build_stats().disk_hits == 2);
    CHECK(scene_works(2) && gm__build_stats().builds == 1);
}

static void nothing_is_kept(void) {
    use_padding_compiler("0");
    CHECK(scene_works(1) && scene_warnings == 0 && scene_count(scene_path("zero"), "", NULL) == 0);
}

static void test_limit(void) {
    SCENE("limit", oldest_goes);
    SCENE("limit", use_the_first);
    SCENE("limit", second_has_gone);
    SCENE("zero", nothing_is_kept);
}

int main(void) {
    scene_set_up();
    RUN(test_damage);
    RUN(test_no_file);
    RUN(test_note);
    RUN(test_directories);
    RUN(test_places);
    RUN(test_file_systems);
    RUN(test_limit);
    return scene_done();
}
