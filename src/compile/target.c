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
        "#else\n#define GM_LOOP _Pragma(\"GCC ivdep\")\n#endif\n",
    .doubles = true,
};

void gm__target_open(gm__builder *t, const gm__target *target) {
    gm__builder_add(t, target->opening);
    for (const char *const (*w)[2] = target->words; w && (*w)[0]; w++)
        gm__builder_format(t, "#define %s %s\n", (*w)[0], (*w)[1]);
}
