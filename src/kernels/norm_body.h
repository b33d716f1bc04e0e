/* norm_body.h: one type's instance of the templates of norm.h. */
#define NR_SQRT NR_MATH(sqrt)
#define NR_EXP NR_MATH(exp)
#define NR_LOG NR_MATH(log)
#define NR_MAX_ROWS NR_MATH(reduce_max_rows)
#include "norm_rows.h"
#include "norm_channels.h"
#include "ctc.h"
#undef NR
#undef NR_MATH
#undef NR_T
#undef NR_V
#undef NR_VN
#undef NR_LOAD
#undef NR_STORE
#undef NR_SPLAT
#undef NR_FMA
#undef NR_VFMA
#undef NR_TRANSPOSE
#undef NR_SQRT
#undef NR_EXP
#undef NR_LOG
#undef NR_MAX_ROWS
