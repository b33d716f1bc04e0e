/* pictures.c: tensors as images of an event file; several in rows of one picture. */
#include "../math/fp.h"
#include "events.h"

#include <string.h>

enum { PICTURES_GAP = 2, PICTURES_MOST = 1 << 30 };

/* Images [n, c, h, w] in `columns` columns of a picture [height, width, c]. */
typedef struct { int64_t n, c, h, w, columns, height, width; } pictures_grid;

static bool pictures_lay_out(pictures_grid *g, gm_shape s) {
    int64_t d[4] = { 1, 1, 1, 1 };
    for (int i = 0; i < s.n && s.n <= 4; i++) d[4 - s.n + i] = s.d[i];
    *g = (pictures_grid){ .n = d[0], .c = d[1], .h = d[2], .w = d[3], .columns = 1 };
    bool fits = s.n >= 2 && s.n <= 4 && g->n >= 1 && g->c >= 1 && g->c <= 4 && g->h >= 1 && g->w >= 1;
    if (!fits || gm_shape_count(s) > PICTURES_MOST) {
        char text[256];
        gm_shape_text(s, text, sizeof text);
        return gm_fail(GM_ERROR_SHAPE, "events_image: the tensor is %s, needed is [H, W], [C, H, W] or [N, C, H, W] "
                                       "with C from 1 to 4", text);
    }
    while (g->columns * g->columns < g->n) g->columns++;
    g->width = g->columns * (g->w + PICTURES_GAP) - PICTURES_GAP;
    g->height = (g->n + g->columns - 1) / g->columns * (g->h + PICTURES_GAP) - PICTURES_GAP;
    return true;
}

static uint8_t pictures_byte(float v) {
    if (!(v > 0)) return 0; /* NaN too */
    return v >= 1 ? 255 : (uint8_t)(v * 255 + 0.5f);
}

/* Exactly one of u and f holds the elements. */
static void pictures_fill(uint8_t *out, const pictures_grid *g, const uint8_t *u, const float *f) {
    int64_t at = 0;
    for (int64_t i = 0; i < g->n; i++)
        for (int64_t c = 0; c < g->c; c++)
            for (int64_t y = 0; y < g->h; y++) {
                int64_t row = i / g->columns * (g->h + PICTURES_GAP) + y;
                int64_t column = i % g->columns * (g->w + PICTURES_GAP);
                uint8_t *to = out + (row * g->width + column) * g->c + c;
                for (int64_t x = 0; x < g->w; x++, at++) to[x * g->c] = u ? u[at] : pictures_byte(f[at]);
            }
}

bool gm_events_image_tensor(gm_events *e, const char *tag, int64_t step, const gm_tensor *images) {
    pictures_grid g;
    if (!gm__events_usable(e, "events_image")) return false;
    gm_shape shape = gm_shape_of(images);
    if (!gm_ok() || !pictures_lay_out(&g, shape)) return false;
    bool bytes = gm_dtype_of(images) == GM_U8;
    size_t n = (size_t)(g.n * g.c * g.h * g.w), size = bytes ? 1 : sizeof(float);
    void *elements = gm_alloc(n * size);
    uint8_t *pixels = elements ? gm_alloc((size_t)(g.height * g.width * g.c)) : NULL;
    bool done = pixels && gm_read(images, bytes ? GM_U8 : GM_F32, elements, n * size);
    if (done) pictures_fill(pixels, &g, bytes ? elements : NULL, bytes ? NULL : elements);
    done = done && gm_events_image(e, tag, step, pixels, g.height, g.width, g.c);
    gm_free(elements);
    gm_free(pixels);
    return done;
}
