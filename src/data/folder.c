/* folder.c: pictures in folders of classes. The names are listed and sorted when the data set is made; pictures are
 * read and decoded when they are asked for, in any thread. */
#include "../math/fp.h"
#include "../base/grow.h"
#include "../base/args.h"
#include "dataset.h"
#include "gemel/formats.h"
#include "gemel/ops.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { FOLDER_PATH = 4096, FOLDER_DEPTH = 16, FOLDER_TENTH = 10 };

/* Names that grow, sorted as bytes. */
typedef struct {
    char **names;
    int64_t n, capacity;
} folder_list;
typedef struct {
    char *path;
    int64_t label;
} folder_file;
typedef struct {
    folder_file *files;
    int64_t n, capacity;
    gm_image_folder_args args;
} folder_state;

/* ---- lists ---- */

static void folder_list_free(folder_list *l) {
    for (int64_t i = 0; i < l->n; i++) gm_free(l->names[i]);
    gm_free(l->names);
    *l = (folder_list){ 0 };
}

static bool folder_list_add(folder_list *l, const char *name) {
    if (!gm__grow(&l->names, l->n, &l->capacity, sizeof *l->names)) return false;
    char *copy = gm_strdup(name);
    if (copy) l->names[l->n++] = copy;
    return copy != NULL;
}

static int folder_by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void folder_list_sort(folder_list *l) {
    if (l->n) qsort(l->names, (size_t)l->n, sizeof *l->names, folder_by_name);
}

/* ---- directories ---- */

static bool folder_join(char *path, const char *dir, const char *name) {
    return snprintf(path, FOLDER_PATH, "%s/%s", dir, name) < FOLDER_PATH ||
           gm_fail(GM_ERROR_IO, "image_folder: the path %.200s... is too long", dir);
}

static bool folder_is_dir(const char *path) {
    struct stat s;
    return !stat(path, &s) && S_ISDIR(s.st_mode);
}

/* True if dir/name, which becomes `path`, is a folder of folders. */
static bool folder_has(const char *dir, const char *name, char *path) {
    if (!folder_join(path, dir, name) || !folder_is_dir(path)) return false;
    char below[FOLDER_PATH];
    DIR *d = opendir(path);
    bool has = false;
    for (struct dirent *e; d && !has && (e = readdir(d));)
        has = e->d_name[0] != '.' && folder_join(below, path, e->d_name) && folder_is_dir(below);
    if (d) closedir(d);
    return has;
}

static bool folder_is_picture(const char *name) {
    const char *dot = strrchr(name, '.');
    return dot && (!strcasecmp(dot, ".jpg") || !strcasecmp(dot, ".jpeg") || !strcasecmp(dot, ".png"));
}

/* Folders and pictures of a directory, sorted; hidden ones and others are passed over. */
static bool folder_read(const char *dir, folder_list *folders, folder_list *pictures) {
    DIR *d = opendir(dir);
    if (!d)
        return gm_fail(GM_ERROR_IO,
                       "image_folder: cannot read the folder %s (DIR/CLASS/PICTURE.jpg or .png is expected)", dir);
    char path[FOLDER_PATH];
    bool ok = true;
    for (struct dirent *e; ok && (e = readdir(d));) {
        struct stat st;
        if (e->d_name[0] == '.' || !(ok = folder_join(path, dir, e->d_name))) continue;
        bool there = !stat(path, &st); /* a dangling link is a picture that cannot be read, a pipe is none */
        if (there && S_ISDIR(st.st_mode)) ok = folder_list_add(folders, e->d_name);
        else if ((!there || S_ISREG(st.st_mode)) && folder_is_picture(e->d_name))
            ok = folder_list_add(pictures, e->d_name);
    }
    closedir(d);
    folder_list_sort(folders);
    folder_list_sort(pictures);
    return ok;
}

/* ---- files ---- */

static bool folder_add(folder_state *s, const char *path, int64_t label) {
    if (!gm__grow(&s->files, s->n, &s->capacity, sizeof *s->files)) return false;
    char *copy = gm_strdup(path);
    if (copy) s->files[s->n++] = (folder_file){ copy, label };
    return copy != NULL;
}

static bool folder_walk(folder_state *s, const char *dir, int64_t label, int depth) {
    folder_list folders = { 0 }, pictures = { 0 };
    char path[FOLDER_PATH];
    bool ok =
        depth < FOLDER_DEPTH || gm_fail(GM_ERROR_IO, "image_folder: %s lies over %d folders deep", dir, FOLDER_DEPTH);
    ok = ok && folder_read(dir, &folders, &pictures);
    for (int64_t i = 0; ok && i < pictures.n; i++)
        ok = folder_join(path, dir, pictures.names[i]) && folder_add(s, path, label);
    for (int64_t i = 0; ok && i < folders.n; i++)
        ok = folder_join(path, dir, folders.names[i]) && folder_walk(s, path, label, depth + 1);
    folder_list_free(&folders);
    folder_list_free(&pictures);
    return ok;
}

/* Of the files from `first` on keep every tenth (of less than ten the last), or the others. */
static void folder_split(folder_state *s, int64_t first, bool test) {
    int64_t n = first, count = s->n - first, step = count < FOLDER_TENTH ? count : FOLDER_TENTH;
    for (int64_t i = 0; i < count; i++)
        if ((count > 1 && i % step == step - 1) == test) s->files[n++] = s->files[first + i];
        else gm_free(s->files[first + i].path);
    s->n = n;
}

/* The label of a folder: its place in .classes, or in the list of folders. */
static int64_t folder_label(const folder_state *s, const char *path, const char *name, int64_t place) {
    gm_tensor *classes = s->args.classes;
    int64_t n = classes ? gm_count(classes) : 0;
    for (int64_t i = 0; i < n; i++)
        if (!strcmp(gm_string_at(classes, i), name)) return i;
    if (!classes) return place;
    return gm_fail(GM_ERROR_VALUE, "image_folder: %s is none of the %lld classes (\"%s\" ...)", path, (long long)n,
                   n ? gm_string_at(classes, 0) : ""),
           -1;
}

/* The classes in `dir`; `split` where its files are to be divided. */
static gm_tensor *folder_scan(folder_state *s, const char *dir, bool split) {
    folder_list classes = { 0 }, loose = { 0 };
    char path[FOLDER_PATH];
    bool ok = folder_read(dir, &classes, &loose);
    if (ok && !classes.n)
        ok = gm_fail(GM_ERROR_IO,
                     "image_folder: %s has no folders%s: one for each class is expected, "
                     "DIR/CLASS/PICTURE.jpg or .png",
                     dir, loose.n ? ", only pictures" : "");
    for (int64_t i = 0; ok && i < classes.n; i++) {
        int64_t first = s->n, label = -1;
        ok = folder_join(path, dir, classes.names[i]);
        ok = ok && (label = folder_label(s, path, classes.names[i], i)) >= 0 && folder_walk(s, path, label, 1);
        if (ok && s->n == first)
            ok = gm_fail(GM_ERROR_IO, "image_folder: the class %s has no pictures (.jpg, .jpeg, .png)", path);
        if (ok && split) folder_split(s, first, s->args.part == GM_FOLDER_TEST);
    }
    gm_tensor *names = ok ? s->args.classes : NULL;
    if (ok && !names) names = gm_strings((const char *const *)classes.names, classes.n);
    folder_list_free(&classes);
    folder_list_free(&loose);
    return names;
}

/* The folder of the part that is wanted; *split if there is none and the files are to be divided. */
static void folder_of_part(const char *dir, gm_folder_part part, char *path, bool *split) {
    static const char *const tests[] = { "test", "val", "valid" };
    char other[FOLDER_PATH];
    *split = false;
    bool train = part && folder_has(dir, "train", other), test = false;
    for (int i = 0; part && i < 3 && !test; i++) test = folder_has(dir, tests[i], path);
    if (train && part == GM_FOLDER_TRAIN) snprintf(path, FOLDER_PATH, "%s", other);
    if (train && test) return;
    snprintf(path, FOLDER_PATH, "%s", train ? other : dir);
    *split = part != GM_FOLDER_ALL;
}

/* ---- elements ---- */

static gm_pack *folder_get(void *env, int64_t index) {
    const folder_state *s = env;
    const folder_file *f = &s->files[index];
    gm_tensor *x = gm_read_image(f->path, .channels = s->args.channels);
    if (s->args.height) {
        int64_t where = gm_where_push(f->path);
        x = gm_image_cover(x, s->args.height, s->args.width, GM_BILINEAR);
        gm_where_pop(where);
        x = gm_contiguous(gm_permute(x, (int32_t[]){ 2, 0, 1 }, 3));
    }
    return GM_PACK({ "x", x, NULL }, { "y", gm_scalar_i64(f->label, GM_I64), NULL });
}

static int64_t folder_count(void *env) { return ((folder_state *)env)->n; }

static void folder_free(void *env) {
    folder_state *s = env;
    for (int64_t i = 0; i < s->n; i++) gm_free(s->files[i].path);
    gm_free(s->files);
    gm_free(s);
}

static bool folder_check(const char *dir, gm_image_folder_args *a) {
    if (!dir) return gm_fail(GM_ERROR_VALUE, "image_folder: the folder is NULL");
    if (!a->channels) a->channels = 3;
    if (a->channels != 1 && a->channels != 3)
        return gm_fail(GM_ERROR_VALUE, "image_folder: %d channels; 1 or 3", a->channels);
    if (a->height < 0 || a->width < 0 || !a->height != !a->width)
        return gm_fail(GM_ERROR_VALUE, "image_folder: pictures of %dx%d", a->height, a->width);
    if (a->part < GM_FOLDER_ALL || a->part > GM_FOLDER_TEST)
        return gm_fail(GM_ERROR_VALUE, "image_folder: part %d", a->part);
    if (a->classes && (gm_dtype_of(a->classes) != GM_STRING || gm_n_dims(a->classes) != 1) && gm_ok())
        return gm_fail(GM_ERROR_DTYPE, "image_folder: classes are %s, strings [C] are needed",
                       gm_dtype_name(gm_dtype_of(a->classes)));
    return gm_ok();
}

gm_dataset *gm_image_folder_with(const char *dir, const gm_image_folder_args *args) {
    gm_image_folder_args a = { 0 };
    if (!gm_ok() || !gm__args_take("image_folder", &a, sizeof a, args) || !folder_check(dir, &a)) return NULL;
    GM_SCOPE(scope);
    char path[FOLDER_PATH];
    bool split;
    folder_state *s = gm_alloc(sizeof *s);
    if (!s) return NULL;
    s->args = a;
    folder_of_part(dir, a.part, path, &split);
    gm_tensor *names = folder_scan(s, path, split);
    gm_dataset *d = gm_dataset_custom(folder_count, folder_get, s, folder_free); /* frees s in any case */
    if (!gm_ok() || !gm_dataset_set_classes(d, names)) return NULL;
    return gm_return(&scope, d);
}
