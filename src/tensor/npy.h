/* npy.h: the reader over bytes in memory, for tests and fuzzing. */
#ifndef GM_TENSOR_NPY_H
#define GM_TENSOR_NPY_H
#include "tensor.h"

/* The array of the n bytes at `data`, copied; `name` is the file's in messages. */
gm_tensor *gm__npy_decode(const char *name, const void *data, size_t n);

#endif
