/* gemel/formats.h: reading and writing files of other programs. */
#ifndef GEMEL_FORMATS_H
#define GEMEL_FORMATS_H

#include "nn.h"
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

/* `metadata`: texts that the file carries. `inputs`: an example of each input; with it the file carries the net's
 * graph, too (gm_inference_graph): gm_graph_load reads it where the net's own code is not at hand. */
typedef struct { size_t size; gm_pack *metadata, *inputs; } gm_save_args;
/* Write a net's state dict as the safetensors file `path`, whole or not at all. Errors as above. */
GM_API bool gm_save_with(gm_module *net, const char *path, const gm_save_args *args);
GM_API bool gm_save(gm_module *net, const char *path);
/* Read such a file into a net of the same form: all of it or, after an error, nothing. Options and errors:
 * gm_load_state_dict; IO, FORMAT. */
GM_API bool gm_load_weights_with(gm_module *net, const char *path, const gm_load_state_dict_args *args);
GM_API bool gm_load_weights(gm_module *net, const char *path);

/* Write a graph and the tensors that it uses: a file that gm_graph_load, `gemel run` and every reader of safetensors
 * take. Names: gm_graph_name. Errors as gm_save_safetensors. */
GM_API bool gm_graph_save_with(gm_graph *g, const char *path, const gm_save_args *args);
GM_API bool gm_graph_save(gm_graph *g, const char *path);
/* The graph of such a file, of gm_save(net, path, .inputs = in) or of `gemel train`, over the file's tensors. Errors:
 * IO; FORMAT for a file without a graph; those of gm_graph_parse. */
GM_API gm_graph *gm_graph_load(const char *path);
/* The metadata by which a file has a graph, with `more` (may be NULL). */
GM_API gm_pack *gm_graph_metadata(gm_graph *g, gm_pack *more);

/* ---- Data sets as they are published ----------------------------------------------------------------------------- */

/* IDX (yann.lecun.com/exdb/mnist): one array of u8, i8, i16, i32, f32 or f64, plain or compressed by gzip. Errors: IO;
 * FORMAT (truncated, sizes that lie, bytes behind the values) names file and value; UNSUPPORTED for gzip without zlib
 * in the build. */
GM_API gm_tensor *gm_load_idx(const char *path);
/* A folder in the form of MNIST's: the 60,000 images of training, or with `test` the 10,000 others -> { "images": u8
 * [N, H, W], "labels": u8 [N] }. The files are named as published (train-images-idx3-ubyte ...), with .gz or not.
 * Errors: IO says which files are needed; FORMAT: counts that differ, a label over 9. */
GM_API gm_pack *gm_load_mnist(const char *dir, bool test);
/* CIFAR-10, binary version (data_batch_1.bin ... data_batch_5.bin, test_batch.bin), from `dir` or its folder
 * cifar-10-batches-bin -> { "images": u8 [N, 3, 32, 32], "labels": u8 [N] }. Errors as above. */
GM_API gm_pack *gm_load_cifar10(const char *dir, bool test);

/* ---- CSV --------------------------------------------------------------------------------------------------------- */

typedef struct {
    size_t size;
    int32_t separator; /* a character; 0: a comma */
    int32_t no_header; /* the first line is data; columns are called "0", "1" ... */
    gm_dtype floats;   /* dtype of columns with fractions or missing values: GM_F32 (default) or GM_F64 */
    int32_t guess_header; /* the first line is data if one of its fields is a number */
    const char
        *numbers; /* names "age,height" of columns that must be numbers (an error shows where one is not); "*": all */
    const char *strings; /* names of columns that stay text, whatever they hold */
} gm_load_csv_args;

/* Columns of a text file (RFC 4180: quotes, line ends within quotes; also gzipped), in order, by the names of the
 * header: i64 [N] if every value is an integer, else f32 or f64 [N] if every value is a number, else strings [N].
 * Among numbers empty fields and NA, N/A, NaN, null and ? are missing: NaN. Blank lines are passed over. Lines
 * end with LF, CR LF or, in a file without LF, CR. Errors: IO;
 * FORMAT names file, line and column (rows of another length, a quote that does not end, no UTF-8, a name twice). */
GM_API gm_pack *gm_load_csv_with(const char *path, const gm_load_csv_args *args);

/* ---- Pictures --------------------------------------------------------------------------------------------------- */

typedef struct {
    size_t size;
    int32_t channels; /* 1 gray, 3 RGB, 4 RGBA; 0: as the file has (2: gray and alpha, of some PNG files) */
    int32_t min_size; /* a JPEG may come out smaller (1/2, 1/4, 1/8), its shorter side at least this; 0: full size */
} gm_read_image_args;

/* A JPEG or PNG file -> u8 [H, W, C]. Gray from RGB is ITU-R 601 luma; alpha is dropped or set to 255; 16 bits are
 * scaled to 8; gamma, profiles and EXIF rotation are not applied. Errors: IO; FORMAT (another kind of file, truncated,
 * damaged, over 2^28 pixels) names the file; UNSUPPORTED names the library that the build lacks. */
GM_API gm_tensor *gm_read_image_with(const char *path, const gm_read_image_args *args);
/* The same from the bytes of a file. */
GM_API gm_tensor *gm_decode_image_with(const void *data, size_t bytes, const gm_read_image_args *args);
/* Write image u8 [H, W] (gray) or [H, W, C], C = 1 gray, 2 gray and alpha, 3 RGB, 4 RGBA, as a PNG file: whole or not
 * at all. Errors: DTYPE, SHAPE, VALUE, IO. */
GM_API bool gm_write_png(const char *path, gm_tensor *image);

/* ---- PNG ----------------------------------------------------------------------------------------------------- */

/* The PNG file of an 8-bit image: pixels [height, width, channels] row-major; channels 1 gray, 2 gray and alpha, 3 RGB,
 * 4 RGBA. Its length goes to *bytes. Needs no library; with zlib in the build it is compressed. The caller frees the
 * result with gm_png_free. Errors: VALUE (sizes), MEMORY. Source: PNG Specification, third edition (W3C). */
GM_API uint8_t *gm_png_encode(const uint8_t *pixels, int64_t height, int64_t width, int64_t channels, size_t *bytes);
GM_API void gm_png_free(uint8_t *png);
/* The same into the file `path`, whole or not at all. Errors: VALUE, MEMORY, IO. */
GM_API bool gm_png_write(const char *path, const uint8_t *pixels, int64_t height, int64_t width, int64_t channels);
/* As gm_read_image with 1 or 3 channels, which come first: u8 [channels, H, W]. */
GM_API gm_tensor *gm_load_png(const char *path, int32_t channels);

#ifdef __cplusplus
}
#else
#  define gm_save(...) gm__save(__VA_ARGS__, .size = sizeof(gm_save_args))
#  define gm__save(net, path, ...) gm_save_with(net, path, &(gm_save_args){ __VA_ARGS__ })
#  define gm_graph_save(...) gm__graph_save(__VA_ARGS__, .size = sizeof(gm_save_args))
#  define gm__graph_save(g, path, ...) gm_graph_save_with(g, path, &(gm_save_args){ __VA_ARGS__ })
#  define gm_load_weights(...) gm__load_weights(__VA_ARGS__, .size = sizeof(gm_load_state_dict_args))
#  define gm__load_weights(net, path, ...) gm_load_weights_with(net, path, &(gm_load_state_dict_args){ __VA_ARGS__ })
#  define gm_load_csv(...) gm__load_csv(__VA_ARGS__, .size = sizeof(gm_load_csv_args))
#  define gm__load_csv(path, ...) gm_load_csv_with(path, &(gm_load_csv_args){ __VA_ARGS__ })
#  define gm_read_image(...) gm__read_image(__VA_ARGS__, .size = sizeof(gm_read_image_args))
#  define gm__read_image(path, ...) gm_read_image_with(path, &(gm_read_image_args){ __VA_ARGS__ })
#  define gm_decode_image(...) gm__decode_image(__VA_ARGS__, .size = sizeof(gm_read_image_args))
#  define gm__decode_image(data, bytes, ...)                                                                           \
      gm_decode_image_with(data, bytes, &(gm_read_image_args){ __VA_ARGS__ })
#  define gm_load_safetensors(...) gm__load_safetensors(__VA_ARGS__, .size = sizeof(gm_load_safetensors_args))
#  define gm__load_safetensors(path, ...) gm_load_safetensors_with(path, &(gm_load_safetensors_args){ __VA_ARGS__ })
#endif
#endif
