/* jpeg.c: JPEG pictures through libjpeg-turbo.
 *
 * The accurate integer transform is used, whose vector versions have the bits of its plain one. With `min_size` the
 * transform itself scales down (by 1/2, 1/4 or 1/8), which saves some of the cost of decoding. The library reports
 * errors by a long jump; everything that must be undone lies in one struct outside of the function that is jumped into.
 * Damaged pixels are an error, not a warning: training data with gray halves is worse than a message. */
#include "../math/fp.h"
#include "image.h"

#ifdef GM_HAVE_JPEG
#  include <setjmp.h>
#  include <stdio.h>
#  include <string.h>

#  include <jerror.h>
#  include <jpeglib.h>

enum { JPEG_SCANS = 200 }; /* progressive files of honest programs have about 10 */

typedef struct {
    struct jpeg_decompress_struct d;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf back;
    gm__image *im;
    uint8_t *row; /* one row of CMYK */
} jpeg_state;

static jpeg_state *jpeg_state_of(j_common_ptr d) { return d->client_data; }

static void jpeg_stop(j_common_ptr d) {
    char text[JMSG_LENGTH_MAX];
    jpeg_state *s = jpeg_state_of(d);
    d->err->format_message(d, text);
    gm_fail(d->err->msg_code == JERR_OUT_OF_MEMORY ? GM_ERROR_MEMORY : GM_ERROR_FORMAT, "%s: %s: JPEG: %s", s->im->op,
            s->im->file, text);
    longjmp(s->back, 1);
}

/* Levels below zero are warnings. Those that are known to leave the pixels whole pass. */
static void jpeg_message(j_common_ptr d, int level) {
    int code = d->err->msg_code;
    if (level >= 0 || code == JWRN_EXTRANEOUS_DATA || code == JWRN_JFIF_MAJOR || code == JWRN_ADOBE_XFORM) return;
    if (code == JWRN_JPEG_EOF) {
        gm_fail(GM_ERROR_FORMAT, "%s: %s: JPEG: truncated", jpeg_state_of(d)->im->op, jpeg_state_of(d)->im->file);
        longjmp(jpeg_state_of(d)->back, 1);
    }
    jpeg_stop(d);
}

static void jpeg_print(j_common_ptr d) { (void)d; }

static void jpeg_watch(j_common_ptr d) {
    jpeg_state *s = jpeg_state_of(d);
    if (s->d.input_scan_number <= JPEG_SCANS) return;
    gm_fail(GM_ERROR_FORMAT, "%s: %s: JPEG: over %d scans", s->im->op, s->im->file, JPEG_SCANS);
    longjmp(s->back, 1);
}

static void jpeg_begin(jpeg_state *s) {
    s->d.err = jpeg_std_error(&s->errors);
    s->errors.error_exit = jpeg_stop;
    s->errors.emit_message = jpeg_message;
    s->errors.output_message = jpeg_print;
    s->d.client_data = s;
    jpeg_create_decompress(&s->d);
    s->progress.progress_monitor = jpeg_watch;
    s->d.progress = &s->progress;
    jpeg_mem_src(&s->d, (unsigned char *)s->im->data, (unsigned long)s->im->n);
}

/* The smallest of the scales 1, 1/2, 1/4, 1/8 whose shorter side still has min_size pixels. */
static unsigned jpeg_scale(const jpeg_state *s) {
    unsigned shorter = s->d.image_width < s->d.image_height ? s->d.image_width : s->d.image_height;
    unsigned wanted = (unsigned)s->im->min_size, eighths = 8;
    while (wanted && eighths > 1 && (shorter * (uint64_t)(eighths / 2) + 7) / 8 >= wanted) eighths /= 2;
    return eighths;
}

static bool jpeg_has_cmyk(const jpeg_state *s) {
    return s->d.jpeg_color_space == JCS_CMYK || s->d.jpeg_color_space == JCS_YCCK;
}

static bool jpeg_choose(jpeg_state *s) {
    gm__image *im = s->im;
    if (im->max_pixels / s->d.image_height < s->d.image_width) { /* before it is scaled: all of it is read */
        im->width = s->d.image_width, im->height = s->d.image_height;
        return gm__image_open(im);
    }
    bool gray = s->d.jpeg_color_space == JCS_GRAYSCALE || (im->wanted == 1 && !jpeg_has_cmyk(s));
    s->d.out_color_space = jpeg_has_cmyk(s) ? JCS_CMYK : gray ? JCS_GRAYSCALE : JCS_RGB;
    s->d.dct_method = JDCT_ISLOW;
    s->d.scale_num = jpeg_scale(s);
    s->d.scale_denom = 8;
    jpeg_calc_output_dimensions(&s->d);
    im->height = s->d.output_height;
    im->width = s->d.output_width;
    im->channels = gray ? 1 : 3;
    return gm__image_open(im);
}

/* Adobe's programs, which write these files, store the four inks inverted. */
static void jpeg_cmyk_to_rgb(const uint8_t *from, uint8_t *to, int64_t n, bool inverted) {
    for (int64_t i = 0; i < n; i++, from += 4, to += 3)
        for (int c = 0; c < 3; c++) {
            int ink = inverted ? from[c] : 255 - from[c], black = inverted ? from[3] : 255 - from[3];
            to[c] = (uint8_t)((ink * black + 127) / 255);
        }
}

static void jpeg_read_rows(jpeg_state *s) {
    size_t stride = (size_t)s->im->width * (size_t)s->im->channels;
    while (s->d.output_scanline < s->d.output_height) {
        uint8_t *to = s->im->pixels + s->d.output_scanline * stride;
        JSAMPROW rows[4];
        for (unsigned i = 0; i < 4; i++) rows[i] = s->row ? s->row : to + i * stride;
        unsigned left = s->d.output_height - s->d.output_scanline;
        jpeg_read_scanlines(&s->d, rows, s->row ? 1 : left < 4 ? left : 4);
        if (s->row) jpeg_cmyk_to_rgb(s->row, to, s->im->width, s->d.saw_Adobe_marker);
    }
}

/* Every error jumps out of here. */
static bool jpeg_run(jpeg_state *s) {
    if (setjmp(s->back)) return false;
    jpeg_begin(s);
    jpeg_read_header(&s->d, TRUE);
    if (!jpeg_choose(s)) return false;
    if (jpeg_has_cmyk(s)) {
        s->row = gm_alloc((size_t)s->im->width * 4);
        if (!s->row) return false;
    }
    jpeg_start_decompress(&s->d);
    jpeg_read_rows(s);
    jpeg_finish_decompress(&s->d);
    return true;
}

bool gm__jpeg_decode(gm__image *im) {
    jpeg_state *s = gm_alloc(sizeof *s);
    if (!s) return false;
    s->im = im;
    bool ok = jpeg_run(s);
    jpeg_destroy_decompress(&s->d);
    gm_free(s->row);
    gm_free(s);
    return ok;
}
#else
bool gm__jpeg_decode(gm__image *im) {
    return gm_fail(
        GM_ERROR_UNSUPPORTED,
        "%s: %s: this build reads no JPEG: install libjpeg-turbo (Debian: libjpeg62-turbo-dev) and build again", im->op,
        im->file);
}
#endif
