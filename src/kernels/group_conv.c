/* group_conv.c: the kernels of the group "conv", for every instruction set. */
#include "../math/fp.h"
#include "kernels.h"
#define GM_GROUP conv
#define GM_TEMPLATES "templates_conv.h"
#include "group.h"
