/* gzip.h: bytes that may be compressed by gzip, read as a stream. */
#ifndef GM_FORMATS_GZIP_H
#define GM_FORMATS_GZIP_H
#include "gemel/extend.h"

typedef struct {
    const char *op, *file; /* for messages */
    const uint8_t *data;
    size_t n, at;
    void *state; /* zlib's; NULL for bytes that are not compressed */
    bool ended;
} gm__gzip;

/* Read `data`, which begins with gzip's mark or is plain. UNSUPPORTED without zlib in the build. */
bool gm__gzip_open(gm__gzip *g, const char *op, const char *file, const void *data, size_t n);
/* The next n bytes; fewer at the end only, -1 after an error (FORMAT, MEMORY). */
int64_t gm__gzip_read(gm__gzip *g, void *into, size_t n);
/* No more bytes than this are to come. */
uint64_t gm__gzip_most(const gm__gzip *g);
void gm__gzip_close(gm__gzip *g);

#endif
