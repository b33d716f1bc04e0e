/* group_elementwise.c: the kernels of the group "elementwise", for every instruction set. */
#include "../math/fp.h"
#include "kernels.h"
#define GM_GROUP elementwise
#define GM_TEMPLATES "templates_elementwise.h"
#include "group.h"
