/* png_write.c: 8-bit images as PNG.
 *
 * The layout of a PNG is plain: a signature, then chunks {length, kind, data, CRC}; the pixels are one zlib stream of
 * rows, each behind the number of a filter that predicts a byte from its neighbours. With zlib each row takes the
 * filter whose residues have the smallest sum (the heuristic of the specification); without it the stream is made of
 * stored blocks and filters would gain nothing. libpng is not used: this is smaller than its calling code. */
#include "../math/fp.h"
#include "../base/checksum.h"
#include "../base/save.h"
#include "gemel/extend.h"
#include "gemel/formats.h"

#include <stdlib.h>
#include <string.h>
#ifdef GM_HAVE_ZLIB
#  include <zlib.h>
#endif

enum { PNG_FILTERS = 5, PNG_MOST_BYTES = 0x7fffffff };
typedef struct { const uint8_t *pixels; size_t height, width, channels, row; } png_picture;

static void png_store32(uint8_t *at, uint32_t v) {
    at[0] = (uint8_t)(v >> 24), at[1] = (uint8_t)(v >> 16), at[2] = (uint8_t)(v >> 8), at[3] = (uint8_t)v;
}

/* ---- the pixel stream ---- */

#ifdef GM_HAVE_ZLIB
static int png_paeth(int a, int b, int c) {
    int pa = abs(b - c), pb = abs(a - c), pc = abs(a + b - 2 * c);
    if (pa <= pb && pa <= pc) return a;
    return pb <= pc ? b : c;
}

static int png_predict(int filter, int left, int up, int corner) {
    switch (filter) {
    case 1: return left;
    case 2: return up;
    case 3: return (left + up) / 2;
    case 4: return png_paeth(left, up, corner);
    default: return 0;
    }
}

/* Row y under `filter` into out [1 + row]; returns the sum of the residues as signed bytes. */
static uint64_t png_filter_row(const png_picture *im, size_t y, int filter, uint8_t *out) {
    const uint8_t *now = im->pixels + y * im->row, *above = y ? now - im->row : NULL;
    uint64_t sum = 0;
    *out++ = (uint8_t)filter;
    for (size_t i = 0; i < im->row; i++) {
        bool first = i < im->channels;
        int left = first ? 0 : now[i - im->channels], up = above ? above[i] : 0;
        int corner = first || !above ? 0 : above[i - im->channels];
        out[i] = (uint8_t)(now[i] - png_predict(filter, left, up, corner));
        sum += (uint64_t)abs((int8_t)out[i]);
    }
    return sum;
}

static void png_filter_best(const png_picture *im, size_t y, uint8_t *out, uint8_t *trial) {
    uint64_t best = png_filter_row(im, y, 0, out);
    for (int filter = 1; filter < PNG_FILTERS; filter++) {
        uint64_t sum = png_filter_row(im, y, filter, trial);
        if (sum >= best) continue;
        best = sum;
        memcpy(out, trial, 1 + im->row);
    }
}

static size_t png_stream_bound(size_t raw) { return compressBound((uLong)raw); }

static bool png_deflate(const png_picture *im, const uint8_t *raw, size_t n, uint8_t *out, size_t *out_n) {
    uLongf used = (uLongf)*out_n;
    int status = compress2(out, &used, raw, (uLong)n, Z_DEFAULT_COMPRESSION);
    *out_n = used;
    if (status == Z_OK) return true;
    return gm_fail(GM_ERROR_MEMORY, "png: no memory to compress a %zux%zu image", im->width, im->height);
}
#else
static void png_filter_best(const png_picture *im, size_t y, uint8_t *out, uint8_t *trial) {
    (void)trial;
    out[0] = 0;
    memcpy(out + 1, im->pixels + y * im->row, im->row);
}

static size_t png_stream_bound(size_t raw) { return raw + 5 * (raw / 65535 + 1) + 6; }

/* A zlib stream of stored blocks, each of at most 65,535 bytes. */
static bool png_deflate(const png_picture *im, const uint8_t *raw, size_t n, uint8_t *out, size_t *out_n) {
    (void)im;
    uint8_t *at = out;
    *at++ = 0x78, *at++ = 0x01;
    for (size_t from = 0; from < n;) {
        size_t block = n - from < 65535 ? n - from : 65535;
        *at++ = from + block == n;
        *at++ = (uint8_t)block, *at++ = (uint8_t)(block >> 8);
        *at++ = (uint8_t)~block, *at++ = (uint8_t)(~block >> 8);
        memcpy(at, raw + from, block);
        at += block, from += block;
    }
    png_store32(at, gm__adler32(1, raw, n));
    *out_n = (size_t)(at + 4 - out);
    return true;
}
#endif

/* The compressed rows into out; false with an error pending. */
static bool png_pixel_stream(const png_picture *im, uint8_t *out, size_t *out_n) {
    size_t line = 1 + im->row, n = im->height * line;
    uint8_t *raw = gm_alloc(n + line);
    if (!raw) return false;
    for (size_t y = 0; y < im->height; y++) png_filter_best(im, y, raw + y * line, raw + n);
    bool done = png_deflate(im, raw, n, out, out_n);
    gm_free(raw);
    return done;
}

/* ---- the file ---- */

/* Finish the chunk at `at`, whose n bytes of data lie at at + 8; returns its end. */
static uint8_t *png_chunk(uint8_t *at, const char kind[4], size_t n) {
    png_store32(at, (uint32_t)n);
    memcpy(at + 4, kind, 4);
    png_store32(at + 8 + n, gm__crc32(0, at + 4, n + 4));
    return at + 12 + n;
}

static uint8_t *png_header(uint8_t *at, const png_picture *im) {
    static const uint8_t signature[8] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n' }, colour[] = { 0, 0, 4, 2, 6 };
    memcpy(at, signature, sizeof signature);
    uint8_t *data = at + sizeof signature + 8;
    png_store32(data, (uint32_t)im->width);
    png_store32(data + 4, (uint32_t)im->height);
    memcpy(data + 8, (uint8_t[]){ 8, colour[im->channels], 0, 0, 0 }, 5);
    return png_chunk(at + sizeof signature, "IHDR", 13);
}

static bool png_check(const char *op, const void *pixels, int64_t h, int64_t w, int64_t c) {
    if (!pixels) return gm_fail(GM_ERROR_VALUE, "%s: pixels are NULL", op);
    if (c < 1 || c > 4) return gm_fail(GM_ERROR_VALUE, "%s: %lld channels, a PNG has 1 to 4", op, (long long)c);
    if (h < 1 || w < 1 || w > PNG_MOST_BYTES / 8 || h > PNG_MOST_BYTES / 2 / (w * c + 1))
        return gm_fail(GM_ERROR_VALUE, "%s: height %lld, width %lld: a PNG of this kind is from 1x1 to 1 GiB", op,
                       (long long)h, (long long)w);
    return true;
}

uint8_t *gm_png_encode(const uint8_t *pixels, int64_t height, int64_t width, int64_t channels, size_t *bytes) {
    if (!gm_ok() || !png_check("png_encode", pixels, height, width, channels)) return NULL;
    png_picture im = { pixels, (size_t)height, (size_t)width, (size_t)channels, (size_t)(width * channels) };
    size_t n = png_stream_bound(im.height * (1 + im.row));
    uint8_t *png = gm_alloc(8 + 25 + 12 + n + 12);
    if (!png) return NULL;
    uint8_t *at = png_header(png, &im);
    if (!png_pixel_stream(&im, at + 8, &n)) {
        gm_free(png);
        return NULL;
    }
    at = png_chunk(png_chunk(at, "IDAT", n), "IEND", 0);
    *bytes = (size_t)(at - png);
    return png;
}

void gm_png_free(uint8_t *png) { gm_free(png); }

bool gm_png_write(const char *path, const uint8_t *pixels, int64_t height, int64_t width, int64_t channels) {
    size_t n = 0;
    uint8_t *png = gm_png_encode(pixels, height, width, channels, &n);
    gm__save *save = png ? gm__save_open("png_write", path) : NULL;
    bool written = save && gm__save_write(save, png, n);
    written = gm__save_close(save, written);
    gm_free(png);
    return written;
}
