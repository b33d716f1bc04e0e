/* target.c: the table of spellings, a row for each target. */
#include "../math/fp.h"
#include "target.h"

const gm__target gm__target_c = {
    .name = "c",
    .kernel = "void",
    .global = "",
    .opening =
        "#include <stdint.h>\n#include <stddef.h>\n"
        "#define GM_K(name) name\n"
        "#define GM_INLINE static inline __attribute__((always_inline, unused))\n"
        "#if defined(__FMA__) || defined(__aarch64__)\n#define GM_HAS_FMA 1\n#else\n#define GM_HAS_FMA 0\n#endif\n"
        "#if defined(__clang__)\n#define GM_LOOP _Pragma(\"clang loop vectorize(assume_safety)\")\n"
        /* not ivdep: GCC forgets it, looks for overlaps at run time, and gives up where more than ten pairs could */
        "#else\n#define GM_LOOP _Pragma(\"omp simd\")\n#endif\n",
    .doubles = true,
};

static const char *const target_opencl_words[][2] = {
    { "GM_K(name)", "name" },
    { "GM_INLINE", "static inline __attribute__((always_inline))" },
    { "GM_OUTLINE", "static __attribute__((noinline))" },
    { "GM_CONSTANTS", "__constant const" },
    { "GM_KERNEL", "__kernel void" },
    { "GM_GLOBAL", "__global" },
    { "GM_LOCAL", "__local" },
    { "GM_BARRIER", "barrier(CLK_LOCAL_MEM_FENCE)" },
    { "GM_ITEM_X", "((int64_t)get_global_id(0))" },
    { "GM_ITEM_Y", "((int64_t)get_global_id(1))" },
    { "GM_GROUP_X", "((int64_t)get_group_id(0))" },
    { "GM_GROUP_Y", "((int64_t)get_group_id(1))" },
    { "GM_LANE_X", "((int)get_local_id(0))" },
    { "GM_LANE_Y", "((int)get_local_id(1))" },
    { "int8_t", "char" },
    { "uint8_t", "uchar" },
    { "int16_t", "short" },
    { "uint16_t", "ushort" },
    { "int32_t", "int" },
    { "uint32_t", "uint" },
    { "int64_t", "long" },
    { "uint64_t", "ulong" },
    { "INT32_MIN", "INT_MIN" },
    { "INT32_MAX", "INT_MAX" },
    { "INT64_MIN", "LONG_MIN" },
    { "INT64_MAX", "LONG_MAX" },
    { "__builtin_expect(x, y)", "(x)" },
    { "__builtin_clzll(x)", "((int)clz((ulong)(x)))" },
    { "__builtin_fmaf(x, y, z)", "fma((float)(x), (float)(y), (float)(z))" },
    { "__builtin_fma(x, y, z)", "fma((double)(x), (double)(y), (double)(z))" },
    { "__builtin_fabsf(x)", "fabs((float)(x))" },
    { "__builtin_fabs(x)", "fabs((double)(x))" },
    { "__builtin_sqrtf(x)", "sqrt((float)(x))" },
    { "__builtin_sqrt(x)", "sqrt((double)(x))" },
    { "__builtin_floorf(x)", "floor((float)(x))" },
    { "__builtin_floor(x)", "floor((double)(x))" },
    { "__builtin_ceilf(x)", "ceil((float)(x))" },
    { "__builtin_ceil(x)", "ceil((double)(x))" },
    { "__builtin_truncf(x)", "trunc((float)(x))" },
    { "__builtin_trunc(x)", "trunc((double)(x))" },
    { "__builtin_rintf(x)", "rint((float)(x))" },
    { "__builtin_rint(x)", "rint((double)(x))" },
    { "__builtin_inff()", "as_float(0x7f800000)" },
    { "__builtin_inf()", "as_float(0x7f800000)" }, /* converted to a double where one is wanted */
    { "__builtin_nanf(x)", "as_float(0x7fc00000)" },
    { "__builtin_nan(x)", "as_float(0x7fc00000)" },
    { NULL, NULL },
};

/* OpenCL C 1.2; without the extension for doubles the device's copy of the row says so. */
const gm__target gm__target_opencl = {
    .name = "opencl",
    .kernel = "__kernel void",
    .global = "__global ",
    .opening = "#pragma OPENCL FP_CONTRACT OFF\n"
               "#ifdef cl_khr_fp64\n#pragma OPENCL EXTENSION cl_khr_fp64 : enable\n#endif\n",
    .words = target_opencl_words,
    .items = true,
    .selects = true,
    .doubles = true,
};

void gm__target_open(gm__builder *t, const gm__target *target) {
    gm__builder_add(t, target->opening);
    for (const char *const (*w)[2] = target->words; w && (*w)[0]; w++)
        gm__builder_format(t, "#define %s %s\n", (*w)[0], (*w)[1]);
}
