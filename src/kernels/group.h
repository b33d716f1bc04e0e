/* group.h: compile one group of templates (GM_GROUP, GM_TEMPLATES) for every instruction set of this machine's family,
 * and define gm__fill_GROUP, which writes the group's part of the table (GM_TABLE, else gm_kernels) for an instruction
 * set. */
#ifndef GM_TABLE
#  define GM_TABLE gm_kernels
#endif

/* An unsigned instance of a template may compare with 0; loops over doubles that call a scalar function are said to be
 * independent, and need not vectorise. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wtype-limits"
#if defined(__clang__)
#  pragma clang diagnostic ignored "-Wpass-failed"
#endif
#if defined(__x86_64__) || defined(__i386__)
#  define GM_ISA_AVX2 1
#  include "isa_body.h"
#  undef GM_ISA_AVX2
#  define GM_ISA_AVX512 1
#  include "isa_body.h"
#  undef GM_ISA_AVX512
#elif defined(__aarch64__)
#  define GM_ISA_NEON 1
#  include "isa_body.h"
#  undef GM_ISA_NEON
#endif
#define GM_ISA_PLAIN 1
#include "isa_body.h"
#undef GM_ISA_PLAIN
#pragma GCC diagnostic pop

bool GM__PASTE(gm__fill, GM_GROUP)(GM_TABLE *k, gm_isa_id isa);
bool GM__PASTE(gm__fill, GM_GROUP)(GM_TABLE *k, gm_isa_id isa) {
    switch (isa) {
#if defined(__x86_64__) || defined(__i386__)
    case GM__ISA_AVX512:
        GM__PASTE3(fill, avx2, GM_GROUP)(k);
        GM__PASTE3(fill, avx512, GM_GROUP)(k);
        return true;
    case GM__ISA_AVX2: GM__PASTE3(fill, avx2, GM_GROUP)(k); return true;
#elif defined(__aarch64__)
    case GM__ISA_NEON: GM__PASTE3(fill, neon, GM_GROUP)(k); return true;
#endif
    case GM__ISA_PLAIN: GM__PASTE3(fill, plain, GM_GROUP)(k); return true;
    default: return false;
    }
}
#undef GM_GROUP
#undef GM_TABLE
#undef GM_TEMPLATES
