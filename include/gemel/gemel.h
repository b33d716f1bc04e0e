/* gemel/gemel.h: all of Gemel. Each header stands alone, too, and is the manual of its part. */
#ifndef GEMEL_GEMEL_H
#define GEMEL_GEMEL_H

#include "autograd.h"
#include "base.h"
#include "extend.h"
#include "formats.h"
#include "op.h"
#include "ops.h"
#include "tensor.h"
#include "watch.h"

#endif
