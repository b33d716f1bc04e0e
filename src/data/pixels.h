/* pixels.h: pictures as the transforms see them: planes of rows of pixels of `k` values. [H, W, C] is one plane of
 * pixels of C values, [C, H, W] is C planes of pixels of one. */
#ifndef GM_DATA_PIXELS_H
#define GM_DATA_PIXELS_H
#include "gemel/data.h"
#include "gemel/extend.h"

typedef struct {
    gm_tensor *t; /* row-major */
    const void *data;
    gm_dtype dtype;        /* U8 or F32 */
    int32_t n_dims, bytes; /* of a value */
    int64_t planes, h, w, k;
} gm__pixels;

/* False after an error that names `op`. A strided picture is copied. */
bool gm__pixels_of(gm__pixels *p, const char *op, gm_tensor *image);
/* An uninitialised picture like p of another size, into *q; its values. */
void *gm__pixels_new(gm__pixels *q, const gm__pixels *p, int64_t height, int64_t width);
static inline int64_t gm__pixels_channels(const gm__pixels *p) { return p->planes * p->k; }
/* Whether kernels may use what AVX2 has: the same values, more at a time. */
bool gm__pixels_wide(void);

#endif
