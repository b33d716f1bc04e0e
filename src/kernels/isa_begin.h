/* isa_begin.h: open a region compiled for one instruction set. Before including it define GM_ISA_AVX512, GM_ISA_AVX2,
 * GM_ISA_NEON or GM_ISA_PLAIN as 1. System headers must be included before the region, never in it. */

#if GM_ISA_AVX512
#  define GM_ISA avx512
#  define GM_VBYTES 64
#  define GM_HAS_FMA 1
#  if defined(__clang__)
#    pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma,f16c"))), \
                                 apply_to = function)
#  else
#    pragma GCC push_options
#    pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma,f16c,prefer-vector-width=512")
#  endif
#elif GM_ISA_AVX2
#  define GM_ISA avx2
#  define GM_VBYTES 32
#  define GM_HAS_FMA 1
#  if defined(__clang__)
#    pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#  else
#    pragma GCC push_options
#    pragma GCC target("avx2,fma,f16c")
#  endif
#elif GM_ISA_NEON
#  define GM_ISA neon
#  define GM_VBYTES 16
#  define GM_HAS_FMA 1
#else
#  define GM_ISA plain
#  define GM_VBYTES 16
#  define GM_HAS_FMA 0
#  if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) /* for old machines: small rather than fast */
#    pragma GCC push_options
#    pragma GCC optimize("O2", "no-align-loops", "no-align-jumps")
#  endif
#endif
/* Where vectors are widest, only the hot types have code of their own: others use that of the instruction set before,
 * which group.h fills in first. Its f64 is as good, but for products. */
#if GM_ISA_AVX512
#  define GM_OTHER_TYPES 0
#else
#  define GM_OTHER_TYPES 1
#endif
#include "vocab.h"
