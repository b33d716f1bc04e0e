/* gemel/export.h: functions as C99 source that needs neither Gemel nor anything else. */
#ifndef GEMEL_EXPORT_H
#define GEMEL_EXPORT_H

#include "graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Where the weights are: inside the source up to 16 MB, else (or if asked) in NAME.weights beside it. */
enum { GM_EXPORT_AUTO = 0, GM_EXPORT_EMBED = 1, GM_EXPORT_FILE = 2 };

typedef struct {
    size_t size;
    const char *name; /* of the files and functions; default "model" */
    int32_t weights;  /* GM_EXPORT_AUTO, EMBED (a VALUE error above 16 MB) or FILE */
    int32_t main;     /* 1: with a main() that reads raw inputs and writes raw results */
} gm_export_c_args;

/* Record f for inputs like `in` and write it to the directory DIR, which is made if need be, as NAME.c, NAME.h and
 * README.md. NAME_run(inputs, results) gives the bits that f gives here, with any compiler at any level; a function in
 * which an optimizer steps is NAME_train_step. Tensors that f changes are state of the program, from their present
 * values on. `in` becomes the program's self-test. Errors: UNSUPPORTED names the first operation that has no C99 form
 * (docs/export.md lists them); VALUE; IO. After an error DIR has no new files. */
GM_API bool gm_export_c_with(gm_fn *f, gm_pack *in, const char *dir, const gm_export_c_args *args);

#ifdef __cplusplus
}
#else
#  define gm_export_c(...) gm__export_c_macro(__VA_ARGS__, .size = sizeof(gm_export_c_args))
#  define gm__export_c_macro(f, in, dir, ...) gm_export_c_with(f, in, dir, &(gm_export_c_args){ __VA_ARGS__ })
#endif
#endif
