/* templates_reduce.h: the templates of the group "reduce" (no include guard: see kernels.h). */
#include "reduce.h"
#include "scan.h"
#include "norm.h"
