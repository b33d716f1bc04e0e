/* gzip.c: bytes that may be compressed by gzip (RFC 1952), through zlib. Several members in a row are one stream; zeros
 * behind the last are padding; anything else there, a wrong check sum or an early end is an error. */
#include "../math/fp.h"
#include "gzip.h"

#include <string.h>
#ifdef GM_HAVE_ZLIB
#  include <zlib.h>
#endif

static bool gzip_is_marked(const uint8_t *data, size_t n) { return n >= 2 && data[0] == 0x1f && data[1] == 0x8b; }

static int64_t gzip_read_plain(gm__gzip *g, void *into, size_t n) {
    if (n > g->n - g->at) n = g->n - g->at;
    if (n) memcpy(into, g->data + g->at, n);
    g->at += n;
    return (int64_t)n;
}

#ifdef GM_HAVE_ZLIB
enum { GZIP_PIECE = 1 << 30, GZIP_MOST_RATIO = 1040 }; /* deflate: 258 bytes in two bits, at best */

static bool gzip_start(gm__gzip *g) {
    z_stream *z = gm_alloc(sizeof *z);
    if (!z) return false;
    if (inflateInit2(z, 15 + 16) != Z_OK) {
        gm_free(z);
        return gm_fail(GM_ERROR_MEMORY, "%s: %s: out of memory", g->op, g->file);
    }
    g->state = z;
    return true;
}

/* A member has ended: the next one, or the end. */
static bool gzip_next_member(gm__gzip *g) {
    const uint8_t *rest = g->data + g->at;
    size_t n = g->n - g->at;
    if (gzip_is_marked(rest, n)) return inflateReset(g->state) == Z_OK;
    for (size_t i = 0; i < n; i++)
        if (rest[i]) return gm_fail(GM_ERROR_FORMAT, "%s: %s: bytes follow the compressed data", g->op, g->file);
    g->ended = true;
    return true;
}

static bool gzip_bad(gm__gzip *g, int status) {
    if (status == Z_MEM_ERROR) return gm_fail(GM_ERROR_MEMORY, "%s: %s: out of memory", g->op, g->file);
    if (status == Z_BUF_ERROR)
        return gm_fail(GM_ERROR_FORMAT, "%s: %s: the compressed data are truncated", g->op, g->file);
    return gm_fail(GM_ERROR_FORMAT, "%s: %s: the compressed data are damaged", g->op, g->file);
}

static int64_t gzip_inflate(gm__gzip *g, uint8_t *into, size_t n) {
    z_stream *z = g->state;
    size_t done = 0;
    while (done < n && !g->ended) {
        size_t in = g->n - g->at < GZIP_PIECE ? g->n - g->at : GZIP_PIECE;
        size_t out = n - done < GZIP_PIECE ? n - done : GZIP_PIECE;
        z->next_in = (Bytef *)g->data + g->at, z->avail_in = (uInt)in;
        z->next_out = into + done, z->avail_out = (uInt)out;
        int status = inflate(z, Z_NO_FLUSH);
        g->at += in - z->avail_in;
        done += out - z->avail_out;
        if (status == Z_STREAM_END ? !gzip_next_member(g) : status != Z_OK && !gzip_bad(g, status)) return -1;
    }
    return (int64_t)done;
}

static void gzip_stop(gm__gzip *g) {
    if (g->state) inflateEnd(g->state);
    gm_free(g->state);
}
#else
enum { GZIP_MOST_RATIO = 1 };

static bool gzip_start(gm__gzip *g) {
    return gm_fail(GM_ERROR_UNSUPPORTED,
                   "%s: %s is compressed and this build has no zlib: unpack it with gunzip, or install zlib (Debian: "
                   "zlib1g-dev) and build again", g->op, g->file);
}

static int64_t gzip_inflate(gm__gzip *g, uint8_t *into, size_t n) { return (void)g, (void)into, (void)n, -1; }
static void gzip_stop(gm__gzip *g) { (void)g; }
#endif

bool gm__gzip_open(gm__gzip *g, const char *op, const char *file, const void *data, size_t n) {
    *g = (gm__gzip){ .op = op, .file = file, .data = data, .n = n };
    return !gzip_is_marked(data, n) || gzip_start(g);
}

int64_t gm__gzip_read(gm__gzip *g, void *into, size_t n) {
    return g->state ? gzip_inflate(g, into, n) : gzip_read_plain(g, into, n);
}

uint64_t gm__gzip_most(const gm__gzip *g) {
    uint64_t left = g->n - g->at;
    return g->state ? (left + 64) * GZIP_MOST_RATIO + (1 << 16) : left; /* zlib holds a window back */
}

void gm__gzip_close(gm__gzip *g) {
    gzip_stop(g);
    *g = (gm__gzip){ 0 };
}
