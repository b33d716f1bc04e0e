/* data.c: data sets by name, as --data takes them.
 *
 * A name is KIND:PLACE, then options, ",key=value". All of it is looked at by data_check, before any work is done, so
 * that what is wrong in it is told as a wrong command line. Whatever the data says of itself is settled by the first
 * set that is opened (the training part, or a model file) and followed by the others: the size of pictures, the
 * numbering of classes, the columns of tables and how they are scaled. */
#include "data.h"

#include <gemel/extend.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DATA_SIDE = 224, DATA_NAME = 4096, DATA_CLASSES = 1 << 16 };

typedef struct {
    char place[DATA_NAME]; /* the folder or file; options follow, each ended by a zero */
    const char *label, *ignore, *missing, *header, *part, *channels;
} data_name;

/* ---- names ---- */

static const char *const table_keys[] = { "label", "ignore", "missing", "header", "part", NULL };
static const char *const folder_keys[] = { "part", "channels", NULL };
static const char *const no_keys[] = { NULL };
static const char *const part_names[] = { "all", "train", "test" };

static void take_option(data_name *n, const char *key, size_t length, const char *value) {
    const struct {
        const char *key, **to;
    } all[] = { { "label", &n->label }, { "ignore", &n->ignore }, { "missing", &n->missing },
                { "header", &n->header }, { "part", &n->part }, { "channels", &n->channels } };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strlen(all[i].key) == length && !memcmp(all[i].key, key, length)) *all[i].to = value;
}

/* A folder or file that is not there, with what looks like a misspelt option behind it. */
static bool check_options(const data_name *n, const char *const *keys) {
    const char *comma = strrchr(n->place, ',');
    size_t length = comma ? strcspn(comma + 1, "=") : 0;
    char list[100] = "";
    if (!comma || comma[1 + length] != '=' || !*keys || !access(n->place, F_OK)) return true;
    for (; *keys; keys++) snprintf(list + strlen(list), sizeof list - strlen(list), " %s=", *keys);
    return gm_fail(GM_ERROR_VALUE, "--data: there is no %s; if \"%s\" is meant as an option, there are%s", n->place,
                   comma + 1, list);
}

/* Options are cut off from the end, for as long as a key is known: a file may have commas in its name. */
static bool read_name(data_name *n, const char *place, const char *const *keys) {
    *n = (data_name){ 0 };
    if (snprintf(n->place, sizeof n->place, "%s", place) >= DATA_NAME)
        return gm_fail(GM_ERROR_VALUE, "--data: the name %.60s... is too long", place);
    for (char *comma; (comma = strrchr(n->place, ','));) {
        size_t length = strcspn(comma + 1, "=");
        const char *const *key = keys;
        while (*key && (strlen(*key) != length || memcmp(*key, comma + 1, length))) key++;
        if (!*key || comma[1 + length] != '=') break;
        take_option(n, comma + 1, length, comma + length + 2);
        *comma = 0;
    }
    return check_options(n, keys);
}

static bool is_one_of(const char *value, const char *const *names, int n) {
    for (int i = 0; i < n; i++)
        if (!strcmp(value, names[i])) return true;
    return false;
}

/* What the options say, whatever of it their kind of data takes. */
static bool check_values(const data_name *n) {
    static const char *const channels[] = { "1", "3" }, *const headers[] = { "yes", "no" };
    char *end = NULL;
    double missing = n->missing ? strtod(n->missing, &end) : 0;
    if (n->part && !is_one_of(n->part, part_names, 3))
        return gm_fail(GM_ERROR_VALUE, "--data: part=%s: all, train and test are possible", n->part);
    if (n->channels && !is_one_of(n->channels, channels, 2))
        return gm_fail(GM_ERROR_VALUE, "--data: channels=%s: 1 and 3 are possible", n->channels);
    if (n->header && !is_one_of(n->header, headers, 2))
        return gm_fail(GM_ERROR_VALUE, "--data: header=%s: yes and no are possible", n->header);
    if (n->label && !*n->label) return gm_fail(GM_ERROR_VALUE, "--data: label= names no column");
    if (n->missing && (end == n->missing || *end || !isfinite(missing)))
        return gm_fail(GM_ERROR_VALUE, "--data: missing=%s is not a number", n->missing);
    return true;
}

static gm_folder_part part_of(const data_name *n, gm_data_split split) {
    for (int i = 0; n->part && i < 3; i++)
        if (!strcmp(n->part, part_names[i])) return i;
    return split == GM_SPLIT_TEST ? GM_FOLDER_TEST : GM_FOLDER_TRAIN;
}

/* ---- texts ---- */

char *data_join(gm_tensor *strings) {
    size_t room = 1, n = 0;
    int64_t count = gm_count(strings);
    for (int64_t i = 0; gm_ok() && i < count; i++) {
        const char *text = gm_string_at(strings, i);
        if (text && strchr(text, '\n'))
            gm_fail(GM_ERROR_VALUE, "data: a name with a line end in it: \"%.60s\"", text);
        room += text ? strlen(text) + 1 : 0;
    }
    char *all = gm_ok() ? malloc(room) : NULL;
    for (int64_t i = 0; all && i < count; i++)
        n += (size_t)snprintf(all + n, room - n, "%s%s", i ? "\n" : "", gm_string_at(strings, i));
    if (all && !count) *all = 0;
    if (!all && gm_ok()) gm_fail(GM_ERROR_MEMORY, "data: no memory for %zu bytes", room);
    return all;
}

gm_tensor *data_split_lines(const char *text) {
    int64_t n = text && *text ? 1 : 0;
    for (const char *at = text; at && *at; at++) n += *at == '\n';
    char *copy = text ? strdup(text) : NULL;
    const char **lines = copy ? malloc((size_t)(n + 1) * sizeof *lines) : NULL;
    char *at = copy;
    for (int64_t i = 0; lines && i < n; i++) {
        lines[i] = at;
        at += strcspn(at, "\n");
        *at++ = 0;
    }
    gm_tensor *t = lines ? gm_strings(lines, n) : NULL;
    if (!lines && gm_ok()) gm_fail(GM_ERROR_MEMORY, "data: no memory for names");
    free(lines), free(copy);
    return t;
}

/* ---- pictures ---- */

static bool takes_pictures(const data_form *form, const char *place) {
    char text[200];
    if (!form->input.n || form->input.n == 3) return true;
    return gm_fail(GM_ERROR_SHAPE, "data: %s: pictures for a model that takes %s", place,
                   gm_shape_text(form->input, text, sizeof text));
}

/* The size of the first picture where nothing says another: small ones as they are, others side x side. */
static bool settle_size(data_form *form, const char *dir, gm_folder_part part, int64_t channels) {
    GM_SCOPE(s);
    if (form->height) return form->input = GM_SHAPE(channels, form->height, form->width), true;
    gm_pack *first = gm_dataset_get(gm_image_folder(dir, .part = part), 0, 0);
    gm_shape shape = gm_shape_of(gm_get(first, "x"));
    if (!gm_ok()) return false;
    int64_t side = form->side ? form->side : DATA_SIDE;
    bool small = shape.d[0] <= side && shape.d[1] <= side;
    form->input = GM_SHAPE(channels, small ? shape.d[0] : side, small ? shape.d[1] : side);
    return true;
}

static gm_dataset *open_folder(const data_name *n, gm_data_split split, data_form *form) {
    gm_folder_part part = part_of(n, split);
    if (!takes_pictures(form, n->place)) return NULL;
    int64_t channels = n->channels ? atoi(n->channels) : form->input.n ? form->input.d[0] : 3;
    if (!form->input.n && !settle_size(form, n->place, part, channels)) return NULL;
    gm_dataset *d = gm_image_folder(n->place, .height = (int32_t)form->input.d[1], .width = (int32_t)form->input.d[2],
                                    .channels = (int32_t)channels, .part = part, .classes = form->classes);
    if (gm_ok() && !gm_dataset_count(d))
        gm_fail(GM_ERROR_IO, "data: %s has no pictures for testing: two of a class are needed, or a folder test",
                n->place);
    gm_dataset_set_scaling(d, 0.45, 0.225);
    return gm_ok() ? d : NULL;
}

gm_tensor *data_picture(const char *path, const data_form *form) {
    GM_SCOPE(s);
    if (!takes_pictures(form, path)) return NULL;
    gm_tensor *x = gm_read_image(path, .channels = (int32_t)form->input.d[0]);
    int64_t where = gm_where_push(path);
    x = gm_image_cover(x, form->input.d[1], form->input.d[2], GM_BILINEAR);
    gm_where_pop(where);
    return gm_return(&s, gm_contiguous(gm_permute(x, (int32_t[]){ 2, 0, 1 }, 3)));
}

/* ---- tables ---- */

static bool listed(const char *list, const char *name) {
    size_t n = strlen(name);
    for (const char *at = list; at && *at; at += strcspn(at, "+"), at += *at == '+')
        if (strcspn(at, "+") == n && !memcmp(at, name, n)) return true;
    return false;
}

/* A name that no column has is a mistake: the column that was meant would be learned from. */
static bool all_there(gm_pack *table, const char *ignore, const char *file) {
    for (const char *at = ignore; at && *at; at += strcspn(at, "+"), at += *at == '+') {
        char name[DATA_NAME];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(at, "+"), at);
        if (!gm_pack_has(table, name))
            return gm_fail(GM_ERROR_INDEX, "data: %s: there is no column \"%s\" to ignore", file, name);
    }
    return gm_ok();
}

/* All columns but the label and those to ignore. */
static gm_tensor *columns_of(gm_pack *table, const char *label, const char *ignore) {
    int64_t all = gm_pack_count(table), n = 0;
    const char **names = malloc((size_t)(all + 1) * sizeof *names);
    for (int64_t i = 0; names && i < all; i++) {
        const char *name = gm_pack_name(table, i);
        if (strcmp(name, label) && !listed(ignore, name)) names[n++] = name;
    }
    gm_tensor *columns = names ? gm_strings(names, n) : NULL;
    free(names);
    return columns;
}

/* Columns get mean 0 and deviation 1 over the rows of training; one that is the same everywhere gets 0. */
static gm_tensor *standardize(data_form *form, gm_tensor *x) {
    if (!form->center) {
        form->center = gm_mean_dim(x, 0, false);
        gm_tensor *d = gm_sub(x, form->center), *spread = gm_sqrt(gm_mean_dim(gm_mul(d, d), 0, false));
        form->spread = gm_where(gm_gt(spread, gm_zeros_like(spread)), spread, gm_ones_like(spread));
    }
    return gm_div(gm_sub(x, form->center), form->spread);
}

static bool takes_rows(const data_form *form, const char *file) {
    char text[200];
    if (!form->input.n || form->columns) return true;
    return gm_fail(GM_ERROR_SHAPE, "data: %s: a table for a model that takes %s", file,
                   gm_shape_text(form->input, text, sizeof text));
}

static gm_table_args table_args(const data_name *n, gm_data_split split, data_form *form) {
    if (n->label) snprintf(form->label, sizeof form->label, "%s", n->label);
    if (n->missing) form->missing = (gm_real)GM_REAL(strtod(n->missing, NULL));
    return (gm_table_args){ .size = sizeof(gm_table_args),
                            .header = n->header ? (*n->header == 'y' ? 1 : -1) : 0,
                            .missing = form->missing,
                            .part = part_of(n, split) };
}

static gm_dataset *open_csv(const data_name *n, gm_data_split split, data_form *form) {
    gm_table_args a = table_args(n, split, form);
    if (!takes_rows(form, n->place)) return NULL;
    gm_pack *table = gm_load_csv(n->place, .no_header = a.header < 0, .guess_header = !a.header);
    if (!table) return NULL;
    if (!*form->label)
        snprintf(form->label, sizeof form->label, "%s", gm_pack_name(table, gm_pack_count(table) - 1));
    if (!all_there(table, n->ignore, n->place)) return NULL;
    if (!form->columns) form->columns = columns_of(table, form->label, n->ignore);
    a.label = form->label, a.columns = form->columns, a.classes = form->classes, a.source = n->place;
    gm_dataset *d = gm_table_dataset_with(table, &a);
    if (gm_ok() && !gm_dataset_count(d))
        return gm_fail(GM_ERROR_VALUE, "data: %s has %s rows", n->place, split == GM_SPLIT_TEST ? "too few" : "no"),
               NULL;
    gm_dataset *scaled = gm_dataset_of(standardize(form, gm_dataset_x(d)), gm_dataset_y(d));
    if (gm_ok() && gm_n_classes(d)) gm_dataset_set_classes(scaled, gm_dataset_classes(d));
    return gm_ok() ? scaled : NULL;
}

gm_tensor *data_rows(const char *path, const data_form *form) {
    data_form copy = *form;
    if (!form->columns) return takes_rows(form, path), NULL;
    gm_pack *table = gm_load_csv(path, .guess_header = 1);
    return table ? standardize(&copy, gm_table_numbers(table, form->columns, path, form->missing)) : NULL;
}

/* ---- by name ---- */

static gm_dataset *open_fashion(const data_name *n, gm_data_split split, data_form *form) {
    (void)n, (void)form;
    return gm_fashion_mnist(split);
}
static gm_dataset *open_mnist(const data_name *n, gm_data_split split, data_form *form) {
    (void)form;
    return gm_mnist(n->place, split);
}
static gm_dataset *open_cifar10(const data_name *n, gm_data_split split, data_form *form) {
    (void)form;
    return gm_cifar10(n->place, split);
}
static gm_dataset *open_npy(const data_name *n, gm_data_split split, data_form *form) {
    (void)form;
    return gm_npy_folder(n->place, split);
}

typedef struct {
    const char *kind, *place; /* NULL: it takes none */
    const char *const *keys;
    gm_dataset *(*open)(const data_name *n, gm_data_split split, data_form *form);
} data_kind;

static const data_kind data_kinds[] = {
    { "fashion-mnist", NULL, no_keys, open_fashion }, { "mnist", "DIR", no_keys, open_mnist },
    { "cifar10", "DIR", no_keys, open_cifar10 },      { "folder", "DIR", folder_keys, open_folder },
    { "csv", "FILE", table_keys, open_csv },          { "npy", "DIR", no_keys, open_npy },
};

/* The kind and all that stands behind it; NULL after an error. */
static const data_kind *read_data(const char *name, data_name *n) {
    const char *colon = strchr(name, ':');
    size_t length = colon ? (size_t)(colon - name) : strlen(name);
    for (size_t i = 0; i < sizeof data_kinds / sizeof *data_kinds; i++) {
        const data_kind *k = &data_kinds[i];
        if (strlen(k->kind) != length || memcmp(k->kind, name, length)) continue;
        if (k->place && (!colon || !colon[1]))
            return gm_fail(GM_ERROR_VALUE, "--data: \"%s\": where is it? %s:%s is needed", name, k->kind, k->place),
                   NULL;
        if (!k->place && colon)
            return gm_fail(GM_ERROR_VALUE, "--data: \"%s\": %s takes no place", name, k->kind), NULL;
        return read_name(n, colon ? colon + 1 : "", k->keys) && check_values(n) ? k : NULL;
    }
    return gm_fail(GM_ERROR_VALUE, "--data: there is no \"%s\"; there are " DATA_HELP, name), NULL;
}

bool data_check(cli_args *args) {
    data_name n;
    if (read_data(cli_text(args, "data", DATA_DEFAULT), &n)) return true;
    cli_usage(args, "%s", gm_error_message());
    gm_error_clear();
    return false;
}

static gm_dataset *open_by_name(const char *name, gm_data_split split, data_form *form) {
    data_name n;
    const data_kind *k = read_data(name, &n);
    return k ? k->open(&n, split, form) : NULL;
}

static bool settle(const char *name, gm_dataset *d, gm_data_split split, data_form *form) {
    gm_shape shape = gm_dataset_shape(d);
    int64_t n = gm_n_classes(d), known = form->classes ? gm_count(form->classes) : n;
    char have[200], want[200];
    if (!gm_ok()) return false;
    if (!gm_dataset_count(d))
        return gm_fail(GM_ERROR_VALUE, "data \"%s\" has no examples for %s", name,
                       split == GM_SPLIT_TEST ? "testing" : "training");
    if (!n)
        return gm_fail(GM_ERROR_VALUE,
                       "data \"%s\": its labels are no classes: words or whole numbers from 0 are needed", name);
    if (n > known)
        return gm_fail(GM_ERROR_VALUE, "data \"%s\" has %lld classes (the last is \"%s\"), the model has %lld", name,
                       (long long)n, gm_class_name(d, (int32_t)n - 1), (long long)known);
    if (form->height && (shape.n != 3 || shape.d[1] != form->height || shape.d[2] != form->width))
        return gm_fail(GM_ERROR_VALUE, "data \"%s\": examples are %s; only pictures of a folder get another size", name,
                       gm_shape_text(shape, have, sizeof have));
    if (form->input.n && !gm_shape_equal(form->input, shape))
        return gm_fail(GM_ERROR_SHAPE, "data \"%s\": examples are %s, the model takes %s", name,
                       gm_shape_text(shape, have, sizeof have), gm_shape_text(form->input, want, sizeof want));
    form->input = shape;
    if (!form->classes) form->classes = gm_dataset_classes(gm_keep(d));
    else gm_dataset_set_classes(d, form->classes);
    if (form->std > 0) gm_dataset_set_scaling(d, form->mean, form->std);
    else gm_dataset_scaling(d, &form->mean, &form->std);
    return gm_ok();
}

gm_dataset *data_open(const char *name, gm_data_split split, data_form *form) {
    gm_dataset *d = gm_ok() ? open_by_name(name, split, form) : NULL;
    return d && settle(name, d, split, form) ? d : NULL;
}
