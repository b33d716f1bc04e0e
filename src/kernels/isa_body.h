/* isa_body.h: instantiate every template for one instruction set and define its table. */
#include "isa_begin.h"
#include "../math/scalar.h"
#include "templates.h"
const gm_kernels GM__PASTE(gm__kernels, GM_ISA) = {
    .name = GM__STRING(GM_ISA),
    .vector_bytes = GM_VBYTES,
#define GM_KERNEL(ret, name, args) .name = GM_K(name),
#define GM_KERNEL_DECLARE
#include "templates.h"
#undef GM_KERNEL_DECLARE
#undef GM_KERNEL
};
#include "isa_end.h"
