/* templates_rest.h: the templates of the group "rest" (no include guard: see kernels.h). */
#include "index.h"
#include "random.h"
#include "optimize.h"
#include "pool.h"
#include "resample.h"
#include "attention.h"
