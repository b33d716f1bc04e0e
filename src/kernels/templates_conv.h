/* templates_conv.h: the templates of the group "conv" (no include guard: see kernels.h). */
#include "conv.h"
