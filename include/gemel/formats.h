/* gemel/formats.h: reading and writing files of other programs. */
#ifndef GEMEL_FORMATS_H
#define GEMEL_FORMATS_H

#include "tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- safetensors ---------------------------------------------------------------------------------------------
 * Model files (github.com/huggingface/safetensors): named tensors and a list of texts, the metadata. All its data types
 * that Gemel has: BOOL, U8 .. U64, I8 .. I64, F16, BF16, F32, F64, F8_E4M3, F8_E5M2, C64. */

typedef struct {
    size_t size;
    int32_t copy;     /* read the values into memory; else the file is mapped and pages come in when they are used */
    int32_t reserved;
} gm_load_safetensors_args;

/* All tensors of a file, in the order of its header, under their full names ("conv.weight"; no nesting). A mapped file
 * may be replaced or deleted while tensors lie over it, but not written to or cut short (replaced means: another file
 * renamed to its name, as gm_save_safetensors does). Writing to the tensors changes memory, not the file. Errors: IO;
 * FORMAT names file, tensor and value; UNSUPPORTED for the format's 4- and 6-bit floats. */
GM_API gm_pack *gm_load_safetensors_with(const char *path, const gm_load_safetensors_args *args);
/* The metadata of a file: key -> text, for gm_get_text. An empty pack if it has none. */
GM_API gm_pack *gm_safetensors_metadata(const char *path);
/* Write a pack (nested ones by their paths) and metadata (a pack of texts, may be NULL) as the file `path`: whole or,
 * whatever happens, not at all; a file that was there before stays until then. The bytes depend on the content only,
 * not on the order of the entries; a NaN is written as the one NaN. I4 and U4 are written as U8 with a note in the
 * metadata that loading understands. Errors: DTYPE (strings, complex128), VALUE (names that are not UTF-8), IO. */
GM_API bool gm_save_safetensors(gm_pack *tensors, gm_pack *metadata, const char *path);

/* ---- IDX -----------------------------------------------------------------------------------------------------
 * The format of MNIST (yann.lecun.com/exdb/mnist): one array of u8, i8, i16, i32, f32 or f64. */

/* The array of a file, plain or compressed by gzip (with zlib in the build). Errors: IO, FORMAT, UNSUPPORTED. */
GM_API gm_tensor *gm_load_idx(const char *path);

/* ---- PNG ----------------------------------------------------------------------------------------------------- */

/* The PNG file of an 8-bit image: pixels [height, width, channels] row-major; channels 1 gray, 2 gray and alpha, 3 RGB,
 * 4 RGBA. Its length goes to *bytes. Needs no library; with zlib in the build it is compressed. The caller frees the
 * result with gm_png_free. Errors: VALUE (sizes), MEMORY. Source: PNG Specification, third edition (W3C). */
GM_API uint8_t *gm_png_encode(const uint8_t *pixels, int64_t height, int64_t width, int64_t channels, size_t *bytes);
GM_API void gm_png_free(uint8_t *png);
/* The same into the file `path`, whole or not at all. Errors: VALUE, MEMORY, IO. */
GM_API bool gm_png_write(const char *path, const uint8_t *pixels, int64_t height, int64_t width, int64_t channels);
/* The image of a PNG file as u8 [channels, H, W], channels 1 (gray) or 3 (RGB), whatever the file has; transparency over
 * black. Errors: IO, FORMAT, VALUE, UNSUPPORTED without libpng in the build. */
GM_API gm_tensor *gm_load_png(const char *path, int32_t channels);

#ifdef __cplusplus
}
#else
#  define gm_load_safetensors(...) gm__load_safetensors(__VA_ARGS__, .size = sizeof(gm_load_safetensors_args))
#  define gm__load_safetensors(path, ...) gm_load_safetensors_with(path, &(gm_load_safetensors_args){ __VA_ARGS__ })
#endif
#endif
