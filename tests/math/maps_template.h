/* maps_template.h: every scalar function over an array, y[i] = f(x[i]), out[i] = f(x[i], y[i]), as a template of
 * kernels (kernels/kernels.h). Output and input may be the same array, but not overlap otherwise. */
#include "math/list.h"
#ifdef GM_KERNEL_DECLARE
#  define GM__MAP1(f)                                                                                                  \
      GM_KERNEL(void, map_##f##_f32, (int64_t n, const float *x, float *y))                                            \
      GM_KERNEL(void, map_##f##_f64, (int64_t n, const double *x, double *y))
#  define GM__MAP2(f)                                                                                                  \
      GM_KERNEL(void, map_##f##_f32, (int64_t n, const float *x, const float *y, float *out))                          \
      GM_KERNEL(void, map_##f##_f64, (int64_t n, const double *x, const double *y, double *out))
#else
#  if defined(__clang__)
#    define GM__MAP_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#  else
#    define GM__MAP_INDEPENDENT _Pragma("GCC ivdep")
#  endif
#  define GM__MAP1T(f, T, s)                                                                                           \
      static void GM_K(map_##f##_##s)(int64_t n, const T *x, T *y) {                                                   \
          GM__MAP_INDEPENDENT                                                                                          \
          for (int64_t i = 0; i < n; i++) y[i] = GM_K(f##_##s)(x[i]);                                                  \
      }
#  define GM__MAP2T(f, T, s)                                                                                           \
      static void GM_K(map_##f##_##s)(int64_t n, const T *x, const T *y, T *out) {                                     \
          GM__MAP_INDEPENDENT                                                                                          \
          for (int64_t i = 0; i < n; i++) out[i] = GM_K(f##_##s)(x[i], y[i]);                                          \
      }
#  define GM__MAP1(f) GM__MAP1T(f, float, f32) GM__MAP1T(f, double, f64)
#  define GM__MAP2(f) GM__MAP2T(f, float, f32) GM__MAP2T(f, double, f64)
#endif
GM_MATH_UNARY(GM__MAP1)
GM_MATH_BINARY(GM__MAP2)
#undef GM__MAP1
#undef GM__MAP2
#undef GM__MAP_INDEPENDENT
#undef GM__MAP1T
#undef GM__MAP2T
