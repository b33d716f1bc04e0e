/* isa_avx2.c: the kernels for the instruction set "avx2". */
#include "../math/fp.h"
#include "kernels.h"
#if defined(__x86_64__) || defined(__i386__)
#  define GM_ISA_AVX2 1
#  include "isa_body.h"
#  undef GM_ISA_AVX2
#endif
