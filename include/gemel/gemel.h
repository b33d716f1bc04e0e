/* gemel/gemel.h: all of Gemel. Each header stands alone, too, and is the manual of its part. */
#ifndef GEMEL_GEMEL_H
#define GEMEL_GEMEL_H

#include "autograd.h"
#include "base.h"
#include "data.h"
#include "device.h"
#include "export.h"
#include "extend.h"
#include "formats.h"
#include "graph.h"
#include "metrics.h"
#include "nn.h"
#include "op.h"
#include "ops.h"
#include "optim.h"
#include "schedule.h"
#include "symbol.h"
#include "tensor.h"
#include "train.h"
#include "watch.h"
#include "zoo.h"

#endif
