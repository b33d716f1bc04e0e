/* isa_plain.c: the kernels for the instruction set "plain". */
#include "../math/fp.h"
#include "kernels.h"
#if 1
#  define GM_ISA_PLAIN 1
#  include "isa_body.h"
#  undef GM_ISA_PLAIN
#endif
