/* dtype.c: names, sizes and promotion of data types. */
#include "../math/fp.h"
#include "dtype.h"

#include <ctype.h>
#include <string.h>

const gm__dtype_info gm__dtype_table[GM__N_DTYPES] = {
#define DTYPE_ROW(name, number, bits, kind, numpy) [number] = { #name, numpy, bits, #kind[0] },
    GM_DTYPES(DTYPE_ROW)
#undef DTYPE_ROW
};
_Static_assert(GM_C128 + 1 == GM__N_DTYPES, "a row for each dtype");

const char *gm_dtype_name(gm_dtype dtype) {
    static const char lower[][8] = { "?",
#define DTYPE_LOWER(name, number, bits, kind, numpy) #name,
        GM_DTYPES(DTYPE_LOWER)
#undef DTYPE_LOWER
    };
    static char names[GM__N_DTYPES][8];
    int i = dtype > 0 && dtype < GM__N_DTYPES ? dtype : 0;
    if (!names[i][0]) { /* several threads write the same bytes */
        char text[8] = { 0 };
        for (int j = 0; lower[i][j]; j++) text[j] = (char)tolower((unsigned char)lower[i][j]);
        memcpy(names[i], text, sizeof text);
    }
    return names[i];
}

gm_dtype gm_dtype_of_name(const char *name) {
    for (gm_dtype i = 1; name && i < GM__N_DTYPES; i++)
        if (!strcmp(name, gm_dtype_name(i)) || !strcmp(name, gm__dtype_table[i].numpy)) return i;
    return GM_NO_DTYPE;
}

int gm_dtype_bits(gm_dtype dtype) { return gm__dtype(dtype)->bits; }
bool gm_is_float(gm_dtype dtype) { return gm__is_float(dtype); }
bool gm_is_integer(gm_dtype dtype) { return gm__dtype(dtype)->kind == 'S' || gm__dtype(dtype)->kind == 'U'; }

gm_dtype gm__domain(gm_dtype dtype) {
    const gm__dtype_info *d = gm__dtype(dtype);
    if (d->bits < 8) return GM_NO_DTYPE; /* no loop takes elements that share a byte */
    switch (d->kind) {
    case 'F': return dtype == GM_F64 ? GM_F64 : GM_F32;
    case 'S': return dtype == GM_I64 ? GM_I64 : GM_I32;
    case 'U': return dtype == GM_U64 ? GM_U64 : dtype == GM_U32 ? GM_I64 : GM_I32;
    case 'B': return GM_I32;
    default: return GM_NO_DTYPE;
    }
}

/* Order of the kinds in promotion: bool, integers, floats, complex. */
static int dtype_rank(char kind) { return kind == 'B' ? 0 : kind == 'S' || kind == 'U' ? 1 : kind == 'F' ? 2 : 3; }

static gm_dtype dtype_signed(int bits) {
    return bits <= 8 ? GM_I8 : bits <= 16 ? GM_I16 : bits <= 32 ? GM_I32 : GM_I64;
}

static gm_dtype dtype_promote_integers(gm_dtype a, gm_dtype b) {
    const gm__dtype_info *x = gm__dtype(a), *y = gm__dtype(b);
    if (x->kind == y->kind) return x->bits >= y->bits ? a : b;
    int s = x->kind == 'S' ? x->bits : y->bits, u = x->kind == 'U' ? x->bits : y->bits;
    return dtype_signed(s > u ? s : 2 * u);
}

static gm_dtype dtype_promote_floats(gm_dtype a, gm_dtype b) {
    int x = gm_dtype_bits(a), y = gm_dtype_bits(b);
    if (x == y) return x >= 32 ? a : x == 16 ? GM_F32 : GM_F32; /* f16 with bf16, and the two f8, meet in f32 */
    return x > y ? a : b;
}

gm_dtype gm_promote(gm_dtype a, gm_dtype b) {
    if (a == b) return a;
    int x = dtype_rank(gm__dtype(a)->kind), y = dtype_rank(gm__dtype(b)->kind);
    if (x != y) return x > y ? a : b;
    return x == 1 ? dtype_promote_integers(a, b) : x == 2 ? dtype_promote_floats(a, b) : a > b ? a : b;
}
