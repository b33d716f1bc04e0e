/* select.c: which kernel table this process uses. */
#include "../math/fp.h"
#include "kernels.h"
#include "gemel/base.h"

#include <pthread.h>
#include <stdlib.h>

static const char *const select_names[] = { "avx512", "avx2", "neon", "plain" };
static gm_kernels select_tables[GM__N_ISA];
static bool select_usable[GM__N_ISA];

static bool select_machine_has(gm_isa_id isa) {
#if defined(__x86_64__) || defined(__i386__)
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    return isa == GM__ISA_AVX512 ? avx512 : isa == GM__ISA_AVX2 ? avx2 : isa == GM__ISA_PLAIN;
#elif defined(__aarch64__)
    return isa == GM__ISA_NEON || isa == GM__ISA_PLAIN;
#else
    return isa == GM__ISA_PLAIN;
#endif
}

#define SELECT_GROUPS(X) X(base) X(elementwise) X(matmul) X(conv) X(reduce) X(rest)
#define SELECT_DECLARE(group) bool gm__fill_##group(gm_kernels *k, gm_isa_id isa);
SELECT_GROUPS(SELECT_DECLARE)
#undef SELECT_DECLARE

static void select_fill(void) {
    for (gm_isa_id isa = 0; isa < GM__N_ISA; isa++) {
        gm_kernels *k = &select_tables[isa];
        bool ok = select_machine_has(isa);
#define SELECT_FILL(group) ok = ok && gm__fill_##group(k, isa);
        SELECT_GROUPS(SELECT_FILL)
#undef SELECT_FILL
        select_usable[isa] = ok;
    }
}
#undef SELECT_GROUPS

static pthread_once_t select_once = PTHREAD_ONCE_INIT;

const gm_kernels *gm__kernels_by_name(const char *isa) {
    pthread_once(&select_once, select_fill);
    for (int i = 0; i < GM__N_ISA; i++)
        if (select_usable[i] && strcmp(select_names[i], isa) == 0) return &select_tables[i];
    return NULL;
}

static const gm_kernels *select_best(void) {
    const char *wanted = getenv("GM_ISA");
    if (wanted && *wanted) {
        const gm_kernels *t = gm__kernels_by_name(wanted);
        if (t) return t;
        gm_log_line(GM_LOG_WARNING, "GM_ISA=%s: this machine or build has no such instruction set", wanted);
    }
    for (int i = 0; i < GM__N_ISA; i++)
        if (gm__kernels_by_name(select_names[i])) return &select_tables[i];
    return NULL;
}

const gm_kernels *gm__kernels(void) {
    static _Atomic(const gm_kernels *) chosen;
    const gm_kernels *t = chosen;
    if (!t) chosen = t = select_best();
    return t;
}

const char *gm_isa(void) { return gm__kernels()->name; }
