/* templates_base.h: the templates of the group "base" (no include guard: see kernels.h). */
#include "probe.h"
#include "convert.h"
