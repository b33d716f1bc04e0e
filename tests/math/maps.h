/* maps.h: the scalar functions for each instruction set, as tests and benchmarks call them: tables of arrays' functions
 * (maps_template.h), compiled into the program that includes this, and gm__exp(x), gm__pow(x, y) ... of doubles. The
 * library itself has the functions inside its kernels only. */
#ifndef TESTS_MAPS_H
#define TESTS_MAPS_H
#include "kernels/kernels.h"
#include "math/list.h"

typedef struct {
    const char *name;
    int vector_bytes;
#define GM_KERNEL(ret, name, args) ret (*name) args;
#define GM_KERNEL_DECLARE
#include "maps_template.h"
#undef GM_KERNEL_DECLARE
#undef GM_KERNEL
} map_table;

#define GM_TABLE map_table
#define GM_GROUP maps
#define GM_TEMPLATES "math/maps_template.h"
#include "kernels/group.h"

/* The table by name; NULL if this build or this machine lacks it. */
static inline const map_table *maps_by_name(const char *isa) {
    static const char *const names[] = { "avx512", "avx2", "neon", "plain" };
    static map_table tables[GM__N_ISA];
    for (int i = 0; i < GM__N_ISA; i++)
        if (!strcmp(names[i], isa) && gm__kernels_by_name(isa) && gm__fill_maps(&tables[i], (gm_isa_id)i))
            return &tables[i];
    return NULL;
}

static inline const map_table *maps(void) { return maps_by_name(gm__kernels()->name); }

#define MAPS_ONE(f)                                                                                                    \
    static inline __attribute__((unused)) double gm__##f(double x) {                                                   \
        maps()->map_##f##_f64(1, &x, &x);                                                                              \
        return x;                                                                                                      \
    }
#define MAPS_TWO(f)                                                                                                    \
    static inline __attribute__((unused)) double gm__##f(double x, double y) {                                         \
        maps()->map_##f##_f64(1, &x, &y, &x);                                                                          \
        return x;                                                                                                      \
    }
GM_MATH_UNARY(MAPS_ONE)
GM_MATH_BINARY(MAPS_TWO)
#undef MAPS_ONE
#undef MAPS_TWO

#endif
