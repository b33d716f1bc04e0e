/* group_rest.c: the kernels of the group "rest", for every instruction set. */
#include "../math/fp.h"
#include "kernels.h"
#define GM_GROUP rest
#define GM_TEMPLATES "templates_rest.h"
#include "group.h"
