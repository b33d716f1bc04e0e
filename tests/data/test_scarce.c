/* test_scarce.c: the n-th allocation fails, for every n, while data is read, changed and batched: a MEMORY error each
 * time, nothing crashes, nothing leaks. */
#include "base/object.h"
#include "check_error.h"
#include "gemel/gemel.h"

#include <sys/stat.h>
#include <unistd.h>

static char scarce_dir[] = "/tmp/gemel_scarce_XXXXXX";

static const char *scarce_path(const char *name) {
    static char path[4][300];
    static int next;
    snprintf(path[next++ % 4], 300, "%s/%s", scarce_dir, name);
    return path[(next - 1) % 4];
}

static gm_pack *change(void *env, gm_pack *element, gm_dice *dice) {
    (void)env;
    static const double mean[] = { 0.5 }, std[] = { 0.2 };
    gm_tensor *x = gm_image_random_resized_crop(gm_get(element, "x"), 8, 9, dice);
    x = gm_image_rotate(gm_image_random_flip_horizontal(x, 0.5, dice), 20, GM_BILINEAR);
    x = gm_image_color_jitter(x, dice, .brightness = 0.5, .contrast = 0.5, .saturation = 0.5, .hue = 0.1);
    x = gm_image_normalize(gm_image_resize(x, 12, 10, GM_BICUBIC), mean, std, 1);
    x = gm_image_random_erasing(x, dice, .p = GM_REAL(1));
    return GM_PACK({ "x", x, NULL }, { "y", gm_get(element, "y"), NULL });
}

static gm_pack *mix(void *env, gm_pack *batch, gm_dice *dice) {
    (void)env;
    return gm_mixup(batch, 2, 0.4, dice);
}

static gm_pack *cut(void *env, gm_pack *batch, gm_dice *dice) {
    (void)env;
    gm_pack *p = gm_cutmix(batch, 2, 1, dice);
    return GM_PACK({ "cut", gm_get(p, "x"), NULL });
}

static bool pictures(void) {
    GM_SCOPE(s);
    gm_dataset *d = gm_image_folder(scarce_path("folder"));
    d = gm_dataset_map(gm_dataset_shuffle(d, .seed = 1), change, .seed = 2);
    gm_dataset *batches = gm_dataset_batch(d, 2);
    batches = gm_dataset_zip((gm_dataset *[]){ gm_dataset_map(batches, mix), gm_dataset_map(batches, cut) }, 2);
    gm_loader *l = gm_loader_new(batches, .threads = -1);
    int64_t n = 0;
    GM_EACH (b, l) n += gm_size(b.x, 0);
    return gm_ok() && n == 4;
}

static bool tables(void) {
    GM_SCOPE(s);
    gm_dataset *train = gm_csv_dataset(scarce_path("t.csv"), .part = GM_FOLDER_TRAIN);
    gm_tensor *classes = gm_dataset_classes(train);
    gm_dataset *test = gm_csv_dataset(scarce_path("t.csv"), .part = GM_FOLDER_TEST, .classes = classes);
    return gm_dataset_count(train) + gm_dataset_count(test) == 4 && gm_ok();
}

static bool cifar(void) {
    GM_SCOPE(s);
    return gm_dataset_count(gm_cifar10(scarce_dir, GM_SPLIT_TEST)) == 1;
}

static void fail_each(bool (*f)(void), int64_t least) {
    CHECK(f(), "%s", gm_error_message());
    int64_t objects = gm_memory_stats().n_objects, bytes = gm_memory_stats().bytes_in_use, n = 1;
    for (bool reached = true; reached; n++) {
        gm__fail_allocation(n, false);
        bool ok = f();
        reached = gm__allocation_count() >= n;
        gm__fail_allocation(0, false);
        gm_error code = gm_error_code();
        CHECK(ok || code == GM_ERROR_MEMORY, "allocation %lld: %s", (long long)n, gm_error_message());
        CHECK(!ok || !reached, "allocation %lld failed and nobody noticed", (long long)n);
        gm_error_clear();
        gm_memory m = gm_memory_stats();
        CHECK(m.n_objects <= objects && m.bytes_in_use <= bytes, "allocation %lld: %lld objects, %lld bytes more",
              (long long)n, (long long)(m.n_objects - objects), (long long)(m.bytes_in_use - bytes));
    }
    CHECK(n > least, "%lld allocations", (long long)n);
    printf("%lld allocations\n", (long long)n - 2);
}

int main(void) {
    if (!mkdtemp(scarce_dir)) return 1;
    static const char table[] = "a,b\n1,x\n2,y\n3,x\n4,y\n", record[3073] = { 3 };
    write_file(scarce_path("t.csv"), table, sizeof table - 1);
    write_file(scarce_path("test_batch.bin"), record, sizeof record);
    mkdir(scarce_path("folder"), 0777), mkdir(scarce_path("folder/a"), 0777), mkdir(scarce_path("folder/b"), 0777);
    gm_set_threads(1);
#ifdef GM_HAVE_PNG
    for (int i = 0; i < 4; i++) {
        GM_SCOPE(s);
        char name[32];
        snprintf(name, sizeof name, "folder/%c/%d.png", "ab"[i % 2], i);
        gm_write_png(scarce_path(name), gm_full(GM_SHAPE(11, 13, 3), 50 * i, GM_U8));
    }
    fail_each(pictures, 100);
#else
    printf("SKIPPED: folders of pictures: this build reads no PNG\n");
    (void)pictures;
#endif
    fail_each(tables, 20);
    fail_each(cifar, 5);
    char remove[64];
    snprintf(remove, sizeof remove, "rm -rf %s", scarce_dir);
    CHECK(system(remove) == 0);
    return check_done();
}
