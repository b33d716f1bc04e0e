/* templates_elementwise.h: the templates of the group "elementwise" (no include guard: see kernels.h). */
#include "elementwise.h"
