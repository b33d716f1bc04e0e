/* safetensors.h: the reader over bytes in memory, for tests and fuzzing. */
#ifndef GM_FORMATS_SAFETENSORS_H
#define GM_FORMATS_SAFETENSORS_H
#include "../base/file.h"
#include "gemel/formats.h"
#include "gemel/tensor.h"

/* The tensors of the n bytes at `data`, copied out of them; `name` is the file's in messages. */
gm_pack *gm__safetensors_decode(const char *name, const void *data, size_t n);

#endif
