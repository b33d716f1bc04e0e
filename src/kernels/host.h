/* host.h: the scalar functions for code that runs once, not per element: schedules, bias corrections, initialisers,
 * bandwidths. Same bits as in kernels, on every machine; libm's are not. */
#ifndef GM_MATH_HOST_H
#define GM_MATH_HOST_H

#include "kernels.h"
#include "../math/list.h"

/* double gm__exp(double x), gm__log, gm__sin, gm__sqrt ... one per name of GM_MATH_UNARY */
#define GM__HOST1(f)                                                                                                   \
    static inline __attribute__((unused)) double gm__##f(double x) {                                                   \
        gm__kernels()->map_##f##_f64(1, &x, &x);                                                                       \
        return x;                                                                                                      \
    }
/* double gm__pow(double x, double y), gm__max, gm__min, gm__mod, gm__fmod, gm__atan2 */
#define GM__HOST2(f)                                                                                                   \
    static inline __attribute__((unused)) double gm__##f(double x, double y) {                                         \
        gm__kernels()->map_##f##_f64(1, &x, &y, &x);                                                                   \
        return x;                                                                                                      \
    }
GM_MATH_UNARY(GM__HOST1)
GM_MATH_BINARY(GM__HOST2)
#undef GM__HOST1
#undef GM__HOST2

#endif
