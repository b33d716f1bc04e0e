/* isa_neon.c: the kernels for the instruction set "neon". */
#include "../math/fp.h"
#include "kernels.h"
#if defined(__aarch64__)
#  define GM_ISA_NEON 1
#  include "isa_body.h"
#  undef GM_ISA_NEON
#endif
