/* templates.h: every kernel template, in no particular order (no include guard: see kernels.h). */
#include "map.h"
#include "probe.h"
#include "convert.h"
#include "matmul.h"
#include "conv.h"
