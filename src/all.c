/* all.c: the whole library as one translation unit, for a build without CMake:
 *     cc -O2 -Iinclude -Isrc src/all.c $(find tools/gemel -name "*.c") -o gemel -lm -lpthread
 * Add -DGM_HAVE_ZLIB -lz and the like for what is installed. Written by tools/generate.sh. */
#ifndef GM_BUILDING
#  define GM_BUILDING 1
#endif
#ifndef _GNU_SOURCE
#  define _GNU_SOURCE 1
#endif
#include "math/fp.h"

#include "base/about.c"
#include "base/args.c"
#include "base/bytes.c"
#include "base/checksum.c"
#include "base/context.c"
#include "base/dtype.c"
#include "base/error.c"
#include "base/log.c"
#include "base/memory.c"
#include "base/object.c"
#include "base/pool.c"
#include "base/profile.c"
#include "base/scope.c"
#include "kernels/gemm.c"
#include "kernels/isa_avx2.c"
#include "kernels/isa_avx512.c"
#include "kernels/isa_neon.c"
#include "kernels/isa_plain.c"
#include "kernels/loops.c"
#include "kernels/select.c"
#include "tensor/pack.c"
#include "tensor/shape.c"
#include "tensor/storage.c"
#include "tensor/tensor.c"
#include "watch/charts.c"
#include "watch/csv_log.c"
#include "watch/events.c"
#include "watch/histogram.c"
#include "watch/hparams.c"
#include "watch/json_log.c"
#include "watch/progress.c"
#include "watch/proto.c"
#include "watch/rows.c"
#include "watch/sink.c"
#include "watch/text.c"
#include "watch/trace.c"
#include "formats/png_write.c"
