/* isa_body.h: instantiate the templates of one group (GM_TEMPLATES) for one instruction set. */
#include "isa_begin.h"
#include "../math/scalar.h"
#include "integer.h"
#include GM_TEMPLATES

static void GM_K(fill)(GM_TABLE *k) {
    k->name = GM__STRING(GM_ISA);
    k->vector_bytes = GM_VBYTES;
#define GM_KERNEL(ret, name, args) k->name = GM_K(name);
#define GM_KERNEL_DECLARE
#include GM_TEMPLATES
#undef GM_KERNEL_DECLARE
#undef GM_KERNEL
}
#include "isa_end.h"
