/* group_base.c: the kernels of the group "base", for every instruction set. */
#include "../math/fp.h"
#include "kernels.h"
#define GM_GROUP base
#define GM_TEMPLATES "templates_base.h"
#include "group.h"
