/* group_reduce.c: the kernels of the group "reduce", for every instruction set. */
#include "../math/fp.h"
#include "kernels.h"
#define GM_GROUP reduce
#define GM_TEMPLATES "templates_reduce.h"
#include "group.h"
