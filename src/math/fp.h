/* fp.h: the floating-point environment of every translation unit. It is included first, before any other header,
 * in the library, in emitted code and in exported code.
 *
 * The contract (docs/numerics.md) needs one rounding per operator, and a fused multiply-add exactly where the source
 * says so: contraction of a*b+c is switched off, and gm_fma is the only way to fuse. */
#ifndef GM_FP_H
#define GM_FP_H

#if defined(__GNUC__) && !defined(__clang__)
#  pragma GCC optimize("fp-contract=off")
#else
#  pragma STDC FP_CONTRACT OFF
#endif
#include <float.h>
#if defined(__FAST_MATH__)
#  error "Gemel's numerics contract does not hold under -ffast-math"
#endif
#if defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD != 0
#  error "Gemel needs FLT_EVAL_METHOD == 0 (on 32-bit x86: -msse2 -mfpmath=sse)"
#endif

#endif
