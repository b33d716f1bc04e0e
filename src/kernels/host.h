/* host.h: scalar functions for code that runs once, not per element. Same bits as in kernels, on every machine; libm's
 * are not. */
#ifndef GM_KERNELS_HOST_H
#define GM_KERNELS_HOST_H
#include "kernels.h"

static inline double gm__log(double x) {
    gm__kernels()->norm_logs_f64(1, &x, &x);
    return x;
}

#endif
