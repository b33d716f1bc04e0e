/* vocab.h: the small vocabulary that kernel templates are written in, spelled for GNU vectors.
 *
 * Included once per instruction set (no include guard) inside a target region opened by isa_begin.h, which defines
 *   GM_ISA      the name of the instruction set: avx512, avx2, plain, neon; pasted behind every function, with
 *   GM_GROUP    the name of the group of templates being compiled (group.h)
 *   GM_VBYTES   bytes of a native vector
 *   GM_HAS_FMA  1 where fma is one instruction; else gm_fma is the exact software formula of math/fma.h
 * Templates define functions as `static T GM_K(name)(...)`; the same text, embedded by the emitter, has other spellings
 * of this vocabulary (plain C99, OpenCL).
 *
 * Vectors: gm_v (float), gm_vd (double). Loads and stores are unaligned. A contract lane group (32 lanes) is an array
 * of 32 / GM_VF vectors. No template uses intrinsics: loops over lanes compile to single instructions at -O3. */

#define GM__PASTE_(a, b) a##_##b
#define GM__PASTE(a, b) GM__PASTE_(a, b)
#define GM__PASTE3_(a, b, c) a##_##b##_##c
#define GM__PASTE3(a, b, c) GM__PASTE3_(a, b, c)
#define GM_K(name) GM__PASTE3(name, GM_ISA, GM_GROUP)
#define GM__STRING2(a) #a
#define GM__STRING(a) GM__STRING2(a)
#define GM_INLINE static inline __attribute__((always_inline, unused))
/* Before a loop of at most 16 constant rounds: unroll it whole, so that arrays of vectors live in registers. */
#if defined(__clang__)
#  define GM_UNROLL _Pragma("clang loop unroll(full)")
#else
#  define GM_UNROLL _Pragma("GCC unroll 16")
#endif

#define GM_VF (GM_VBYTES / 4) /* floats in a gm_v */
#define GM_VD (GM_VBYTES / 8) /* doubles in a gm_vd */

typedef float GM_K(v_t) __attribute__((vector_size(GM_VBYTES), may_alias));
typedef double GM_K(vd_t) __attribute__((vector_size(GM_VBYTES), may_alias));
typedef float GM_K(vu_t) __attribute__((vector_size(GM_VBYTES), may_alias, aligned(4)));
typedef double GM_K(vdu_t) __attribute__((vector_size(GM_VBYTES), may_alias, aligned(8)));
#define gm_v GM_K(v_t)
#define gm_vd GM_K(vd_t)

#include "../math/fma.h" /* gm_fma(float), gm_fmad(double): one rounding */

#define gm_load(p) (*(const GM_K(vu_t) *)(p))
#define gm_store(p, x) (*(GM_K(vu_t) *)(p) = (x))
#define gm_loadd(p) (*(const GM_K(vdu_t) *)(p))
#define gm_stored(p, x) (*(GM_K(vdu_t) *)(p) = (x))
#define gm_splat(x) GM_K(splat)(x)
#define gm_splatd(x) GM_K(splatd)(x)
#define gm_vfma(a, b, c) GM_K(vfma)(a, b, c)
#define gm_vfmad(a, b, c) GM_K(vfmad)(a, b, c)

GM_INLINE gm_v GM_K(splat)(float x) {
    gm_v r;
    for (int i = 0; i < GM_VF; i++) r[i] = x;
    return r;
}

GM_INLINE gm_vd GM_K(splatd)(double x) {
    gm_vd r;
    for (int i = 0; i < GM_VD; i++) r[i] = x;
    return r;
}

GM_INLINE gm_v GM_K(vfma)(gm_v a, gm_v b, gm_v c) {
    gm_v r;
    for (int i = 0; i < GM_VF; i++) r[i] = gm_fma(a[i], b[i], c[i]);
    return r;
}

GM_INLINE gm_vd GM_K(vfmad)(gm_vd a, gm_vd b, gm_vd c) {
    gm_vd r;
    for (int i = 0; i < GM_VD; i++) r[i] = gm_fmad(a[i], b[i], c[i]);
    return r;
}

#define GM_PREFETCH(p) __builtin_prefetch(p)
#define GM_PREFETCH_STORE(p) __builtin_prefetch(p, 1)

#include "transpose.h"
