/* nan.c: one NaN for files. */
#include "../math/fp.h"
#include "nan.h"

#include <string.h>

/* A NaN is what lies above `infinity` once the sign is off. */
#define NAN_LOOP(type, infinity, canonical)                                                                            \
    for (size_t i = 0; i < bytes / sizeof(type); i++) {                                                                \
        type x;                                                                                                        \
        memcpy(&x, at + i * sizeof x, sizeof x);                                                                       \
        x = (type)((type)(x << 1) > (type)((type)(infinity) << 1) ? (type)(canonical) : x);                            \
        memcpy(at + i * sizeof x, &x, sizeof x);                                                                       \
    }                                                                                                                  \
    break

void gm__nan_canonical(gm_dtype dtype, void *data, size_t bytes) {
    char *at = data;
    switch (dtype) {
    case GM_F32: case GM_C64: NAN_LOOP(uint32_t, 0x7f800000, 0x7fc00000);
    case GM_F64: case GM_C128: NAN_LOOP(uint64_t, 0x7ff0000000000000, 0x7ff8000000000000);
    case GM_F16: NAN_LOOP(uint16_t, 0x7c00, 0x7e00);
    case GM_BF16: NAN_LOOP(uint16_t, 0x7f80, 0x7fc0);
    case GM_F8E4M3: NAN_LOOP(uint8_t, 0x7e, 0x7f);
    case GM_F8E5M2: NAN_LOOP(uint8_t, 0x7c, 0x7e);
    default: break;
    }
}

#undef NAN_LOOP
