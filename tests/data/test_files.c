/* test_files.c: data sets out of files: folders of pictures, tables, CIFAR-10, arrays; and what is said of bad ones. */
#include "check_error.h"
#include "gemel/gemel.h"

#include <math.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[] = "/tmp/gemel_files_XXXXXX";

/* ROOT/name in one of a few buffers. */
static const char *at(const char *format, ...) GM_PRINTF(1, 2);
static const char *at(const char *format, ...) {
    static char paths[8][600];
    static int next;
    char *path = paths[next++ % 8];
    int n = snprintf(path, 600, "%s/", root);
    va_list list;
    va_start(list, format);
    vsnprintf(path + n, 600 - (size_t)n, format, list);
    va_end(list);
    return path;
}

static void write_bytes(const char *path, const void *bytes, size_t n) {
    FILE *f = fopen(path, "wb");
    CHECK(f && fwrite(bytes, 1, n, f) == n);
    if (f) fclose(f);
}

static void write_text(const char *path, const char *text) { write_bytes(path, text, strlen(text)); }

static bool names_are(const gm_dataset *d, const char *const *names, int n) {
    for (int i = 0; i < n; i++)
        if (!gm_class_name(d, i) || strcmp(gm_class_name(d, i), names[i])) return false;
    return gm_n_classes(d) == n;
}

static bool values_are(gm_tensor *t, const double *values, int64_t n) {
    gm_tensor *wide = gm_contiguous(gm_cast(t, GM_F64));
    const double *v = wide ? gm_data(wide) : NULL;
    return v && gm_count(t) == n && !memcmp(v, values, (size_t)n * sizeof *v);
}

/* ---- folders ---- */

#ifndef GM_HAVE_PNG
static void without_png(void) {
    GM_SCOPE(s);
    printf("SKIPPED: folders of pictures: this build reads no PNG\n");
    mkdir(at("f"), 0777), mkdir(at("f/a"), 0777);
    CHECK(gm_write_png(at("f/a/x.png"), gm_zeros(GM_SHAPE(2, 2, 3), GM_U8)));
    CHECK(!gm_dataset_get(gm_image_folder(at("f")), 0, 0) &&
          fails_with(GM_ERROR_UNSUPPORTED, "f/a/x.png: this build reads no PNG: install libpng (Debian: libpng-dev)"));
}
#else

/* A picture that is `shade` all over. */
static void write_picture(const char *path, int64_t h, int64_t w, int shade) {
    GM_SCOPE(s);
    CHECK(gm_write_png(path, gm_full(GM_SHAPE(h, w, 3), shade, GM_U8)), "%s", gm_error_message());
}

static void make_folder(const char *name, int n_bees, int n_ants) {
    mkdir(at("%s", name), 0777), mkdir(at("%s/bees", name), 0777), mkdir(at("%s/ants", name), 0777);
    mkdir(at("%s/ants/deeper", name), 0777), mkdir(at("%s/.hidden", name), 0777);
    for (int i = 0; i < n_bees; i++) write_picture(at("%s/bees/%02d.png", name, i), 8, 8 + i, 100 + i);
    for (int i = 0; i < n_ants; i++)
        write_picture(at(i % 2 ? "%s/ants/%02d.PNG" : "%s/ants/deeper/%02d.png", name, i), 6, 5, i);
    write_text(at("%s/bees/notes.txt", name), "no picture");
}

static int64_t label_at(gm_dataset *d, int64_t i) { return gm_item_i64(gm_get(gm_dataset_get(d, 0, i), "y")); }
static int shade_at(gm_dataset *d, int64_t i) {
    gm_tensor *x = gm_get(gm_dataset_get(d, 0, i), "x");
    return x ? ((const uint8_t *)gm_data(x))[0] : -1;
}

static void folders(void) {
    GM_SCOPE(s);
    static const char *const names[] = { "ants", "bees" };
    make_folder("insects", 12, 4);
    gm_dataset *d = gm_image_folder(at("insects"));
    CHECK(gm_dataset_count(d) == 16 && names_are(d, names, 2), "%s", gm_error_message());
    int order[] = { 1, 3, 0, 2 }; /* files before the folders below, both by name */
    for (int i = 0; i < 16; i++)
        CHECK(label_at(d, i) == (i >= 4) && shade_at(d, i) == (i < 4 ? order[i] : 100 + i - 4), "%d", i);
    CHECK(gm_shape_equal(gm_shape_of(gm_get(gm_dataset_get(d, 0, 15), "x")), GM_SHAPE(8, 19, 3)));
    d = gm_image_folder(at("insects"), .height = 4, .width = 6);
    CHECK(gm_shape_equal(gm_dataset_shape(d), GM_SHAPE(3, 4, 6)) && shade_at(d, 15) == 111);
    d = gm_image_folder(at("insects"), .height = 4, .width = 6, .channels = 1);
    CHECK(gm_shape_equal(gm_dataset_shape(d), GM_SHAPE(1, 4, 6)));
    gm_dataset *train = gm_image_folder(at("insects"), .part = GM_FOLDER_TRAIN);
    gm_dataset *test = gm_image_folder(at("insects"), .part = GM_FOLDER_TEST);
    CHECK(gm_dataset_count(train) == 14 && gm_dataset_count(test) == 2);
    CHECK(shade_at(test, 0) == 2 && shade_at(test, 1) == 109 && names_are(test, names, 2));
    CHECK(gm_ok(), "%s", gm_error_message());
}

/* DIR/train and DIR/val; labels by the training classes, also where a class has no test pictures. */
static void parts(void) {
    GM_SCOPE(s);
    mkdir(at("split"), 0777), mkdir(at("split/test"), 0777);
    write_picture(at("split/test/loose.png"), 4, 4, 1); /* pictures without classes are no test part */
    make_folder("split/train", 3, 2);
    mkdir(at("split/val"), 0777), mkdir(at("split/val/bees"), 0777);
    write_picture(at("split/val/bees/a.png"), 5, 5, 7);
    gm_dataset *train = gm_image_folder(at("split"), .part = GM_FOLDER_TRAIN);
    gm_tensor *classes = gm_strings((const char *[]){ "ants", "bees" }, 2);
    gm_dataset *test = gm_image_folder(at("split"), .part = GM_FOLDER_TEST, .classes = classes);
    CHECK(gm_dataset_count(train) == 5 && gm_dataset_count(test) == 1 && shade_at(test, 0) == 7);
    CHECK(label_at(test, 0) == 1 && gm_n_classes(test) == 2, "%s", gm_error_message());
    classes = gm_strings((const char *[]){ "ants" }, 1);
    CHECK(!gm_image_folder(at("split"), .part = GM_FOLDER_TEST, .classes = classes) &&
          fails_with(GM_ERROR_VALUE, "val/bees is none of the 1 classes (\"ants\""));
}

static void bad_folders(void) {
    GM_SCOPE(s);
    CHECK(!gm_image_folder(at("nowhere")) && fails_with(GM_ERROR_IO, "nowhere (DIR/CLASS/PICTURE.jpg or .png"));
    CHECK(!gm_image_folder(at("insects/bees")) && fails_with(GM_ERROR_IO, "no folders, only pictures"));
    mkdir(at("insects/wasps"), 0777);
    CHECK(!gm_image_folder(at("insects")) && fails_with(GM_ERROR_IO, "insects/wasps has no pictures"));
    CHECK(!gm_image_folder(at("insects"), .channels = 2) && fails_with(GM_ERROR_VALUE, "2 channels"));
    CHECK(!gm_image_folder(at("insects"), .height = 2) && fails_with(GM_ERROR_VALUE, "pictures of 2x0"));
    CHECK(!mkfifo(at("insects/wasps/pipe.jpg"), 0666));
    CHECK(!gm_image_folder(at("insects")) && fails_with(GM_ERROR_IO, "insects/wasps has no pictures"));
    CHECK(!symlink("nothing", at("insects/wasps/x.jpg")));
    CHECK(!gm_dataset_get(gm_image_folder(at("insects")), 0, 16) && fails_with(GM_ERROR_IO, "wasps/x.jpg"));
    unlink(at("insects/wasps/pipe.jpg")), unlink(at("insects/wasps/x.jpg"));
    write_text(at("insects/wasps/x.jpg"), "not a picture");
    gm_dataset *d = gm_image_folder(at("insects"), .height = 4, .width = 4);
    CHECK(gm_dataset_count(d) == 17);
    gm_loader *l = gm_loader_new(d, .batch_size = 4);
    int64_t batches = 0;
    GM_EACH (b, l) batches++;
    CHECK(batches == 4 && strstr(gm_error_message(), at("insects/wasps/x.jpg")));
    CHECK(fails_with(GM_ERROR_FORMAT, "wasps/x.jpg: neither JPEG nor PNG"));
}

/* A picture that no size can be made of is named. */
static void thin(void) {
    GM_SCOPE(s);
    mkdir(at("thin"), 0777), mkdir(at("thin/a"), 0777);
    write_picture(at("thin/a/line.png"), 1, 3000, 5);
    gm_dataset *d = gm_image_folder(at("thin"), .height = 32, .width = 32);
    CHECK(!gm_dataset_get(d, 0, 0) && strstr(gm_error_message(), "32x96000") &&
          fails_with(GM_ERROR_VALUE, "thin/a/line.png"));
}

/* Loaders hand out the same bits for any number of threads. */
static void threads(void) {
    GM_SCOPE(s);
    unlink(at("insects/wasps/x.jpg")), rmdir(at("insects/wasps"));
    gm_dataset *d = gm_image_folder(at("insects"), .height = 7, .width = 5);
    gm_loader *one = gm_loader_new(d, .batch_size = 5, .shuffle = true, .seed = 3, .threads = -1);
    gm_loader *many = gm_loader_new(d, .batch_size = 5, .shuffle = true, .seed = 3, .threads = 3);
    gm_tensor *x[4] = { 0 }, *y[4] = { 0 };
    GM_EACH (b, one) x[b.index] = gm_keep(b.x), y[b.index] = gm_keep(b.y);
    int64_t same = 0;
    GM_EACH (b, many)
        same += x[b.index] && gm_count(b.x) == gm_count(x[b.index]) && gm_count(b.y) == gm_count(y[b.index]) &&
                !memcmp(gm_data(b.x), gm_data(x[b.index]), (size_t)gm_count(b.x) * 4) &&
                !memcmp(gm_data(b.y), gm_data(y[b.index]), (size_t)gm_count(b.y) * 8);
    CHECK(same == 4 && gm_ok(), "%s", gm_error_message());
    for (int i = 0; i < 4; i++) gm_release(x[i]), gm_release(y[i]);
}

#endif

/* ---- tables ---- */

static void tables(void) {
    GM_SCOPE(s);
    static const char *const kinds[] = { "big", "small" }, *const digits[] = { "0", "1", "2" };
    write_text(at("a.csv"), "w,h,kind\n1,2.5,small\n3,4,big\n5,6,small\n");
    gm_dataset *d = gm_csv_dataset(at("a.csv"));
    CHECK(names_are(d, kinds, 2), "%s", gm_error_message());
    CHECK(values_are(gm_dataset_x(d), (double[]){ 1, 2.5, 3, 4, 5, 6 }, 6));
    CHECK(values_are(gm_dataset_y(d), (double[]){ 1, 0, 1 }, 3) && gm_dtype_of(gm_dataset_y(d)) == GM_I64);
    write_text(at("b.csv"), "0.5,1,2\n1.5,0,2\n2.5,2,0\n"); /* no header */
    d = gm_csv_dataset(at("b.csv"));
    CHECK(names_are(d, digits, 3) && values_are(gm_dataset_y(d), (double[]){ 2, 2, 0 }, 3), "%s", gm_error_message());
    CHECK(gm_dataset_count(gm_csv_dataset(at("b.csv"), .header = 1)) == 2);
    d = gm_csv_dataset(at("b.csv"), .label = "1", .ignore = "2");
    CHECK(values_are(gm_dataset_x(d), (double[]){ 0.5, 1.5, 2.5 }, 3) && names_are(d, digits, 3));
    d = gm_csv_dataset(at("b.csv"), .label = "0"); /* fractions are targets, not classes */
    CHECK(gm_n_classes(d) == 0 && values_are(gm_dataset_y(d), (double[]){ 0.5, 1.5, 2.5 }, 3));
    write_text(at("c.csv"), "w,h,y\n1,,0\n3,4,1\n");
    d = gm_csv_dataset(at("c.csv"), .missing = GM_REAL(-1));
    CHECK(values_are(gm_dataset_x(d), (double[]){ 1, -1, 3, 4 }, 4), "%s", gm_error_message());
    gm_tensor *order = gm_strings((const char *[]){ "h", "w" }, 2);
    gm_tensor *classes = gm_strings((const char *[]){ "x", "small", "big" }, 3);
    d = gm_csv_dataset(at("a.csv"), .columns = order, .classes = classes);
    CHECK(values_are(gm_dataset_x(d), (double[]){ 2.5, 1, 4, 3, 6, 5 }, 6) && gm_n_classes(d) == 3);
    CHECK(values_are(gm_dataset_y(d), (double[]){ 1, 2, 1 }, 3));
}

/* Each row is in one part; of less than ten the last one is for testing. */
static void table_parts(void) {
    GM_SCOPE(s);
    char text[2000] = "x,y\n";
    for (int i = 0; i < 25; i++) snprintf(text + strlen(text), 40, "%d,%d\n", i, i % 2);
    write_text(at("parts.csv"), text);
    gm_dataset *train = gm_csv_dataset(at("parts.csv"), .part = GM_FOLDER_TRAIN);
    gm_dataset *test = gm_csv_dataset(at("parts.csv"), .part = GM_FOLDER_TEST);
    CHECK(gm_dataset_count(train) == 23 && values_are(gm_dataset_x(test), (double[]){ 9, 19 }, 2));
    test = gm_csv_dataset(at("a.csv"), .part = GM_FOLDER_TEST);
    CHECK(values_are(gm_dataset_x(test), (double[]){ 5, 6 }, 2) && gm_n_classes(test) == 2, "%s", gm_error_message());
}

/* Columns that are views of one matrix. */
static void table_of_views(void) {
    GM_SCOPE(s);
    gm_tensor *all = gm_from_data(GM_SHAPE(3, 2), GM_I64, (int64_t[]){ 5, 1, 6, 0, 7, 1 });
    gm_pack *columns = GM_PACK({ "a", gm_select(all, 1, 0), NULL }, { "b", gm_select(all, 1, 1), NULL });
    gm_dataset *d = gm_table_dataset(columns, .classes = gm_strings((const char *const[]){ "0", "1" }, 2));
    CHECK(d && gm_item(gm_sum(gm_dataset_x(d))) == 18 && gm_item(gm_sum(gm_dataset_y(d))) == 2, "%s",
          gm_error_message());
    gm_pack *reals = GM_PACK({ "a", gm_select(gm_cast(all, GM_F32), 1, 0), NULL },
                             { "b", gm_select(gm_cast(all, GM_F32), 1, 1), NULL });
    d = gm_table_dataset(reals, .part = GM_FOLDER_TRAIN);
    CHECK(d && gm_dataset_count(d) == 2 && gm_item(gm_sum(gm_dataset_y(d))) == 1, "%s", gm_error_message());
}

/* Elements of half a byte are not cut into batches. */
static void batches_of_nibbles(void) {
    GM_SCOPE(s);
    gm_tensor *x = gm_from_data(GM_SHAPE(4, 3), GM_I4, (uint8_t[]){ 0x21, 0x43, 0x65, 0x87, 0xa9, 0xcb });
    gm_loader *l = gm_loader_new(gm_dataset_of(x, gm_zeros(GM_SHAPE(4), GM_I64)), .batch_size = 2);
    int n = 0;
    GM_EACH (b, l) n++;
    CHECK(!n && gm_error_code() == GM_ERROR_DTYPE && strstr(gm_error_message(), "is i4"), "%s", gm_error_message());
    gm_error_clear();
}

static void bad_tables(void) {
    GM_SCOPE(s);
    write_text(at("a.csv"), "w,h,kind\n1,2.5,small\n3,4,big\n5,6,small\n");
    CHECK(!gm_csv_dataset(at("a.csv"), .ignore = "w,hight") &&
          fails_with(GM_ERROR_INDEX, "a.csv: there is no column \"hight\" to ignore; there are w, h, kind"));
    static const struct {
        const char *text, *part;
        gm_error code;
    } bad[] = {
        { "a,b\n1,x\n2,\n", "column \"b\" has no label in row 2", GM_ERROR_VALUE },
        { "a,b\n1,0\n2,-3\n", "column \"b\": the label in row 2 is -3, 0 to 65535", GM_ERROR_VALUE },
        { "a,b\n1,0\nx,1\n", "column \"a\" is text, to learn from it numbers are needed: row 2 has \"x\"",
          GM_ERROR_VALUE },
        { "a,b\n1,0\n,1\n", "column \"a\" has no value in row 2", GM_ERROR_VALUE },
        { "a,b\n1,0\n-inf,1\n", "column \"a\" in row 2 is -inf as f32", GM_ERROR_VALUE },
        { "a,b\n1e39,0\n1,1\n", "column \"a\" in row 1 is inf as f32", GM_ERROR_VALUE },
        { "a,b\n1,0.5\n2,\n", "column \"b\" has no value in row 2", GM_ERROR_VALUE },
        { "b\nx\ny\n", "no column to learn from", GM_ERROR_VALUE },
        { "a,b\n1,2\n3\n", "line 3 has 1 columns", GM_ERROR_FORMAT },
        { "", "the file is empty", GM_ERROR_FORMAT },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_text(at("bad.csv"), bad[i].text);
        CHECK(!gm_csv_dataset(at("bad.csv")) && strstr(gm_error_message(), "bad.csv") &&
                  fails_with(bad[i].code, bad[i].part), "%s", bad[i].part);
    }
    CHECK(!gm_csv_dataset(at("a.csv"), .label = "colour") && fails_with(GM_ERROR_INDEX, "no column \"colour\""));
    gm_tensor *names = gm_strings((const char *[]){ "w", "depth" }, 2);
    CHECK(!gm_csv_dataset(at("a.csv"), .columns = names) && fails_with(GM_ERROR_INDEX, "no column \"depth\""));
    gm_tensor *classes = gm_strings((const char *[]){ "small", "huge" }, 2);
    CHECK(!gm_csv_dataset(at("a.csv"), .classes = classes) &&
          fails_with(GM_ERROR_VALUE, "\"big\" in row 2 is none of the 2 classes"));
    CHECK(!gm_csv_dataset(at("none.csv")) && fails_with(GM_ERROR_IO, "none.csv"));
}

/* ---- CIFAR-10 ---- */

static void write_cifar(const char *name, int first, int n) {
    static uint8_t record[3073];
    FILE *f = fopen(at("cifar/%s", name), "wb");
    for (int i = first; f && i < first + n; i++) {
        record[0] = (uint8_t)(i % 10);
        for (int k = 0; k < 3072; k++) record[1 + k] = (uint8_t)(i * 7 + k / 1024);
        fwrite(record, 1, sizeof record, f);
    }
    CHECK(f && !fclose(f));
}

static void cifar(void) {
    GM_SCOPE(s);
    CHECK(!gm_cifar10(at("cifar"), GM_SPLIT_TRAIN) && fails_with(GM_ERROR_IO, "cifar is no folder. Six files"));
    mkdir(at("cifar"), 0777);
    CHECK(!gm_cifar10(at("cifar"), GM_SPLIT_TEST) && fails_with(GM_ERROR_IO, "test_batch.bin"));
    for (int b = 0; b < 5; b++) {
        char name[32];
        snprintf(name, sizeof name, "data_batch_%d.bin", b + 1);
        write_cifar(name, b * 3, 3);
    }
    write_cifar("test_batch.bin", 20, 4);
    gm_dataset *train = gm_cifar10(at("cifar"), GM_SPLIT_TRAIN), *test = gm_cifar10(at("cifar"), GM_SPLIT_TEST);
    CHECK(gm_dataset_count(train) == 15 && gm_dataset_count(test) == 4, "%s", gm_error_message());
    CHECK(gm_shape_equal(gm_dataset_shape(train), GM_SHAPE(3, 32, 32)) && !strcmp(gm_class_name(train, 9), "truck"));
    CHECK(values_are(gm_dataset_y(test), (double[]){ 0, 1, 2, 3 }, 4));
    const uint8_t *x = gm_data(gm_dataset_x(train));
    CHECK(x[0] == 0 && x[13 * 3072] == 91 && x[13 * 3072 + 1023] == 91 && x[14 * 3072 + 3071] == 100);
    CHECK(truncate(at("cifar/data_batch_3.bin"), 5000) == 0);
    CHECK(!gm_cifar10(at("cifar"), GM_SPLIT_TRAIN) &&
          fails_with(GM_ERROR_FORMAT, "data_batch_3.bin: 5000 bytes, not a multiple of 3073: truncated"));
    CHECK(truncate(at("cifar/data_batch_3.bin"), 0) == 0);
    CHECK(!gm_cifar10(at("cifar"), GM_SPLIT_TRAIN) && fails_with(GM_ERROR_FORMAT, "the file is empty"));
    uint8_t bad[2 * 3073] = { 3, [3073] = 10 };
    write_bytes(at("cifar/test_batch.bin"), bad, sizeof bad);
    CHECK(!gm_cifar10(at("cifar"), GM_SPLIT_TEST) &&
          fails_with(GM_ERROR_FORMAT, "test_batch.bin: the label of image 1 is 10, 0 to 9"));
}

/* ---- arrays ---- */

static void arrays(void) {
    GM_SCOPE(s);
    mkdir(at("npy"), 0777);
    CHECK(!gm_npy_folder(at("npy"), GM_SPLIT_TEST) && fails_with(GM_ERROR_IO, "npy/x_test.npy: there is no such file"));
    gm_save_npy(gm_randn(GM_SHAPE(6, 2), GM_F32), at("npy/x_train.npy"));
    gm_save_npy(gm_cast(gm_arange(0, 6, 1, GM_I64), GM_I32), at("npy/y_train.npy"));
    gm_dataset *d = gm_npy_folder(at("npy"), GM_SPLIT_TRAIN);
    CHECK(gm_dataset_count(d) == 6 && gm_n_classes(d) == 6 && gm_dtype_of(gm_dataset_y(d)) == GM_I64, "%s",
          gm_error_message());
    gm_save_npy(gm_arange(-1, 5, 1, GM_I64), at("npy/y_train.npy"));
    CHECK(!gm_npy_folder(at("npy"), GM_SPLIT_TRAIN) &&
          fails_with(GM_ERROR_VALUE, "y_train.npy: the label in row 1 is -1"));
    gm_save_npy(gm_arange(0, 5, 1, GM_I64), at("npy/y_train.npy"));
    CHECK(!gm_npy_folder(at("npy"), GM_SPLIT_TRAIN) && fails_with(GM_ERROR_SHAPE, "y is [5]"));
}

int main(void) {
    if (!mkdtemp(root)) return 1;
#ifdef GM_HAVE_PNG
    RUN(folders);
    RUN(parts);
    RUN(bad_folders);
    RUN(thin);
    RUN(threads);
#else
    RUN(without_png);
#endif
    RUN(tables);
    RUN(table_parts);
    RUN(table_of_views);
    RUN(batches_of_nibbles);
    RUN(bad_tables);
    RUN(cifar);
    RUN(arrays);
    char remove[64];
    snprintf(remove, sizeof remove, "rm -rf %s", root);
    CHECK(system(remove) == 0);
    return check_done();
}
