/* readers.h: readers over bytes in memory, for tests and fuzzing; `name` is the file's in messages. */
#ifndef GM_FORMATS_READERS_H
#define GM_FORMATS_READERS_H
#include "gemel/formats.h"

gm_tensor *gm__idx_decode(const char *name, const void *data, size_t n);
gm_pack *gm__cifar_decode(const char *name, const void *data, size_t n);
gm_pack *gm__csv_decode(const char *name, const void *data, size_t n, const gm_load_csv_args *args);

#endif
