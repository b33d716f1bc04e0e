/* gemel/ops.h: every operation, by family. All of them: take and return tensors owned by the innermost scope, return
 * NULL while an error is pending or after reporting one, never change their inputs, and can be differentiated unless
 * their line says otherwise. SHAPE and DTYPE errors name the operation, the argument and the values. */
#ifndef GEMEL_OPS_H
#define GEMEL_OPS_H

#include "ops/attention.h"
#include "ops/arrange.h"
#include "ops/conv.h"
#include "ops/create.h"
#include "ops/elementwise.h"
#include "ops/index.h"
#include "ops/join.h"
#include "ops/random.h"
#include "ops/linalg.h"
#include "ops/loss.h"
#include "ops/pool.h"
#include "ops/norm.h"
#include "ops/recurrent.h"
#include "ops/reduce.h"
#include "ops/resize.h"
#include "ops/scan.h"
#include "ops/softmax.h"
#include "ops/sort.h"
#include "ops/update.h"
#include "ops/view.h"

#endif
