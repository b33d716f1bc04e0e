/* group_matmul.c: the kernels of the group "matmul", for every instruction set. */
#include "../math/fp.h"
#include "kernels.h"
#define GM_GROUP matmul
#define GM_TEMPLATES "templates_matmul.h"
#include "group.h"
