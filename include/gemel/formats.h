/* gemel/formats.h: reading and writing files of other programs. */
#ifndef GEMEL_FORMATS_H
#define GEMEL_FORMATS_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- PNG ----------------------------------------------------------------------------------------------------- */

/* The PNG file of an 8-bit image: pixels [height, width, channels] row-major; channels 1 gray, 2 gray and alpha, 3 RGB,
 * 4 RGBA. Its length goes to *bytes. Needs no library; with zlib in the build it is compressed. The caller frees the
 * result with gm_png_free. Errors: VALUE (sizes), MEMORY. Source: PNG Specification, third edition (W3C). */
GM_API uint8_t *gm_png_encode(const uint8_t *pixels, int64_t height, int64_t width, int64_t channels, size_t *bytes);
GM_API void gm_png_free(uint8_t *png);
/* The same into the file `path`, whole or not at all. Errors: VALUE, MEMORY, IO. */
GM_API bool gm_png_write(const char *path, const uint8_t *pixels, int64_t height, int64_t width, int64_t channels);

#ifdef __cplusplus
}
#endif
#endif
