/* bench_folder.c: pictures a second of the pipeline that trains on photographs: a folder of JPEG files, decoded, a
 * random part of each resized to 224 x 224, flipped or not, normalised, in batches of 32.
 *
 *     bench_folder FOLDER [THREADS]     goes through the folder for each line it reads, up to "end", and answers with
 *                                       pictures a second and a second of CPU time (1, the default: the caller alone)
 *     bench_folder FOLDER values OUT    writes what becomes of the first pictures without the random parts (the shorter
 *                                       side to 256, the middle 224 x 224) to OUT
 * It is one side of bench_folder.py. Without arguments there is nothing to measure. */
#include "gemel/gemel.h"
#include "measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 224, BATCH = 32, VALUES = 16 };

static const double mean[] = { 0.485, 0.456, 0.406 }, std[] = { 0.229, 0.224, 0.225 };

static gm_pack *augment(void *env, gm_pack *element, gm_dice *dice) {
    (void)env;
    gm_tensor *x = gm_image_random_resized_crop(gm_get(element, "x"), SIDE, SIDE, dice);
    x = gm_image_random_flip_horizontal(x, 0.5, dice);
    return GM_PACK({ "x", gm_image_normalize(x, mean, std, 3), NULL }, { "y", gm_get(element, "y"), NULL });
}

static gm_pack *center(void *env, gm_pack *element, gm_dice *dice) {
    (void)env, (void)dice;
    gm_tensor *x = gm_image_resize_shorter(gm_get(element, "x"), 256, GM_BILINEAR);
    x = gm_image_center_crop(x, SIDE, SIDE);
    return GM_PACK({ "x", gm_image_normalize(x, mean, std, 3), NULL }, { "y", gm_get(element, "y"), NULL });
}

static int write_values(const char *folder, const char *out) {
    gm_dataset *d = gm_dataset_map(gm_image_folder(folder), center);
    gm_loader *l = gm_loader_new(gm_dataset_take(d, VALUES), .batch_size = VALUES, .threads = -1);
    GM_EACH (b, l) gm_save_npy(b.x, out);
    return gm_exit_status();
}

static int measure(const char *folder, int threads) {
    gm_dataset *d = gm_dataset_map(gm_image_folder(folder), augment);
    gm_loader *l = gm_loader_new(d, .batch_size = BATCH, .shuffle = true, .threads = threads > 1 ? threads : -1);
    char line[64];
    while (fgets(line, sizeof line, stdin) && strcmp(line, "end\n") && gm_ok()) {
        int64_t n = 0;
        double begin = measure_seconds(CLOCK_MONOTONIC), used = measure_seconds(CLOCK_PROCESS_CPUTIME_ID);
        GM_EACH (b, l) n += gm_size(b.x, 0);
        begin = measure_seconds(CLOCK_MONOTONIC) - begin, used = measure_seconds(CLOCK_PROCESS_CPUTIME_ID) - used;
        printf("%.3f %.3f\n", (double)n / begin, (double)n / used);
        fflush(stdout);
    }
    return gm_exit_status();
}

int main(int argc, char **argv) {
    if (argc < 2) return printf("NOT RUN: bench_folder needs a folder of pictures; bench_folder.py makes one\n"), 0;
    if (argc == 4 && !strcmp(argv[2], "values")) return write_values(argv[1], argv[3]);
    return measure(argv[1], argc > 2 ? atoi(argv[2]) : 1);
}
