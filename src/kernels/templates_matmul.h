/* templates_matmul.h: the templates of the group "matmul" (no include guard: see kernels.h). */
#include "matmul.h"
