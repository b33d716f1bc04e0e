/* scalar.h: every scalar function, once per instruction set, after kernels/vocab.h. */
#include "bits.h"
#include "list.h"
#include "f64.h"
#include "f32.h"
#include "convert.h"
#include "philox.h"
