/* select.c: which kernel table this process uses. */
#include "../math/fp.h"
#include "kernels.h"
#include "gemel/base.h"

#include <stdlib.h>

#if defined(__x86_64__) || defined(__i386__)
extern const gm_kernels gm__kernels_avx512, gm__kernels_avx2;
#endif
#if defined(__aarch64__)
extern const gm_kernels gm__kernels_neon;
#endif
extern const gm_kernels gm__kernels_plain;

static const gm_kernels *select_table(int i) {
#if defined(__x86_64__) || defined(__i386__)
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    if (i == 0) return avx512 ? &gm__kernels_avx512 : NULL;
    if (i == 1) return avx2 ? &gm__kernels_avx2 : NULL;
#elif defined(__aarch64__)
    if (i == 0) return &gm__kernels_neon;
#endif
    return i == 2 ? &gm__kernels_plain : NULL;
}

const gm_kernels *gm__kernels_by_name(const char *isa) {
    for (int i = 0; i < 3; i++) {
        const gm_kernels *t = select_table(i);
        if (t && strcmp(t->name, isa) == 0) return t;
    }
    return NULL;
}

static const gm_kernels *select_best(void) {
    const char *wanted = getenv("GM_ISA");
    if (wanted && *wanted) {
        const gm_kernels *t = gm__kernels_by_name(wanted);
        if (t) return t;
        gm_log_line(GM_LOG_WARNING, "GM_ISA=%s: this machine or build has no such instruction set", wanted);
    }
    for (int i = 0; i < 3; i++)
        if (select_table(i)) return select_table(i);
    return NULL;
}

const gm_kernels *gm__kernels(void) {
    static _Atomic(const gm_kernels *) chosen;
    const gm_kernels *t = chosen;
    if (!t) chosen = t = select_best();
    return t;
}

const char *gm_isa(void) { return gm__kernels()->name; }
