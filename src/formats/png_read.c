/* png_read.c: PNG pictures through libpng: every bit depth, palettes, transparency, interlacing.
 *
 * Rows are written straight into the tensor; libpng expands what is packed and scales 16 bits to 8. Gamma and colour
 * profiles are left alone, as training pipelines do. Errors are long jumps; what must be undone lies in one struct. */
#include "../math/fp.h"
#include "image.h"

#ifdef GM_HAVE_PNG
#  include <setjmp.h>
#  include <string.h>

#  include <png.h>

typedef struct {
    png_structp png;
    png_infop info;
    gm__image *im;
    size_t at;
    uint8_t **rows;
} png_reader;

static void png_reader_stop(png_structp png, png_const_charp text) {
    const png_reader *r = png_get_error_ptr(png);
    gm_fail(GM_ERROR_FORMAT, "%s: %s: PNG: %s", r->im->op, r->im->file, text);
    png_longjmp(png, 1);
}

static void png_reader_warn(png_structp png, png_const_charp text) { (void)png, (void)text; }

static void png_reader_get(png_structp png, png_bytep to, size_t n) {
    png_reader *r = png_get_io_ptr(png);
    if (n > r->im->n - r->at) png_error(png, "truncated");
    memcpy(to, r->im->data + r->at, n);
    r->at += n;
}

static bool png_reader_begin(png_reader *r) {
    r->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, r, png_reader_stop, png_reader_warn);
    r->info = r->png ? png_create_info_struct(r->png) : NULL;
    if (r->info) return true;
    return gm_fail(GM_ERROR_MEMORY, "%s: %s: out of memory", r->im->op, r->im->file);
}

/* The size is known, the pixels are not yet read. */
static bool png_reader_choose(png_reader *r) {
    int kind = png_get_color_type(r->png, r->info);
    bool transparent = png_get_valid(r->png, r->info, PNG_INFO_tRNS) != 0;
    png_set_scale_16(r->png);
    png_set_expand(r->png); /* palettes to RGB, 1, 2 and 4 bits to 8, tRNS to alpha */
    png_set_interlace_handling(r->png);
    png_read_update_info(r->png, r->info);
    r->im->height = png_get_image_height(r->png, r->info);
    r->im->width = png_get_image_width(r->png, r->info);
    r->im->channels = png_get_channels(r->png, r->info);
    bool alpha = kind & PNG_COLOR_MASK_ALPHA || transparent;
    if (r->im->channels != (kind & PNG_COLOR_MASK_COLOR ? 3 : 1) + alpha ||
        png_get_rowbytes(r->png, r->info) != (size_t)r->im->width * (size_t)r->im->channels)
        return gm_fail(GM_ERROR_INTERNAL, "%s: %s: PNG: rows of an unexpected form", r->im->op, r->im->file);
    return gm__image_open(r->im);
}

static bool png_reader_rows(png_reader *r) {
    size_t stride = (size_t)r->im->width * (size_t)r->im->channels;
    r->rows = gm_alloc((size_t)r->im->height * sizeof *r->rows);
    for (int64_t y = 0; r->rows && y < r->im->height; y++) r->rows[y] = r->im->pixels + (size_t)y * stride;
    return r->rows != NULL;
}

/* Before libpng takes memory by it. */
static bool png_reader_check_size(png_reader *r) {
    r->im->height = png_get_image_height(r->png, r->info);
    r->im->width = png_get_image_width(r->png, r->info);
    return r->im->width <= r->im->max_pixels / r->im->height || gm__image_open(r->im);
}

/* Every error jumps out of here. */
static bool png_reader_run(png_reader *r) {
    if (setjmp(png_jmpbuf(r->png))) return false;
#  ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION /* check sums would keep a fuzzer at the door */
    png_set_crc_action(r->png, PNG_CRC_QUIET_USE, PNG_CRC_QUIET_USE);
    png_set_option(r->png, PNG_IGNORE_ADLER32, PNG_OPTION_ON);
#  endif
    png_set_user_limits(r->png, GM__IMAGE_PIXELS, GM__IMAGE_PIXELS);
    png_set_read_fn(r->png, r, png_reader_get);
    png_read_info(r->png, r->info);
    if (!png_reader_check_size(r) || !png_reader_choose(r) || !png_reader_rows(r)) return false;
    png_read_image(r->png, r->rows);
    png_read_end(r->png, NULL);
    return true;
}

bool gm__png_decode(gm__image *im) {
    png_reader r = { .im = im };
    bool ok = png_reader_begin(&r) && png_reader_run(&r);
    if (r.png) png_destroy_read_struct(&r.png, &r.info, NULL);
    gm_free(r.rows);
    return ok;
}
#else
bool gm__png_decode(gm__image *im) {
    return gm_fail(GM_ERROR_UNSUPPORTED,
                   "%s: %s: this build reads no PNG: install libpng (Debian: libpng-dev) and build again", im->op,
                   im->file);
}
#endif
