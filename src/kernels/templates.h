/* templates.h: every kernel template, by group (no include guard: see kernels.h). */
#include "templates_base.h"
#include "templates_elementwise.h"
#include "templates_matmul.h"
#include "templates_conv.h"
#include "templates_reduce.h"
#include "templates_rest.h"
