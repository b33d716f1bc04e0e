/* augment.c: `--augment`: training pictures that are a little different in every epoch. Elements are changed by random
 * numbers of their own (seed, epoch, place), so threads change nothing and a run that is resumed goes on with the same
 * pictures. */
#include "augment.h"

#include <stdlib.h>
#include <string.h>

typedef struct { bool crop, flip, rotate, color, erase; } augment_list;

static const char *const kinds[] = { "crop", "flip", "rotate", "color", "erase", NULL };

/* "crop,flip" into the list; false after reporting. */
static bool read_list(augment_list *list, cli_args *args) {
    bool *const on[] = { &list->crop, &list->flip, &list->rotate, &list->color, &list->erase };
    for (const char *at = cli_text(args, "augment", ""); *at;) {
        size_t n = strcspn(at, ",");
        int i = 0;
        while (kinds[i] && (strlen(kinds[i]) != n || memcmp(kinds[i], at, n))) i++;
        if (!kinds[i])
            return cli_usage(args, "--augment: there is no \"%.*s\"; there are crop, flip, rotate, color, erase",
                             (int)n, at),
                   false;
        *on[i] = true;
        at += n + (at[n] == ',');
    }
    return true;
}

bool augment_check(cli_args *args) {
    augment_list list = { 0 };
    return read_list(&list, args);
}

/* x u8 [C, H, W]. */
static gm_pack *change(void *env, gm_pack *element, gm_dice *dice) {
    const augment_list *list = env;
    gm_tensor *x = gm_get(element, "x");
    int64_t h = gm_size(x, 1), w = gm_size(x, 2);
    if (list->crop) x = gm_image_random_crop(x, h, w, (h < w ? h : w) / 8, dice);
    if (list->flip) x = gm_image_random_flip_horizontal(x, 0.5, dice);
    if (list->rotate) x = gm_image_random_rotate(x, -15, 15, GM_BILINEAR, dice);
    if (list->color)
        x = gm_image_color_jitter(x, dice, .brightness = 0.2, .contrast = 0.2, .saturation = 0.2, .hue = 0.02);
    if (list->erase) x = gm_image_random_erasing(x, dice, .value = 127);
    return GM_PACK({ "x", x, NULL }, { "y", gm_get(element, "y"), NULL });
}

gm_dataset *augment(gm_dataset *d, cli_args *args, uint64_t seed) {
    char text[200];
    if (!gm_ok() || !*cli_text(args, "augment", "")) return d;
    gm_pack *first = gm_dataset_get(d, 0, 0);
    gm_tensor *x = gm_get(first, "x");
    gm_shape shape = gm_shape_of(x);
    if (gm_ok() && (gm_dtype_of(x) != GM_U8 || shape.n != 3 || shape.d[2] < 8 || shape.d[1] < 8))
        gm_fail(GM_ERROR_VALUE, "--augment: the examples are %s %s; it is for pictures of at least 8 x 8",
                gm_dtype_name(gm_dtype_of(x)), gm_shape_text(shape, text, sizeof text));
    augment_list *list = gm_ok() ? calloc(1, sizeof *list) : NULL;
    if (!list) return gm_ok() ? (gm_fail(GM_ERROR_MEMORY, "--augment: no memory"), NULL) : NULL;
    read_list(list, args);
    return gm_dataset_map(d, change, .env = list, .free_env = free, .seed = seed);
}
