/* text.c: small things about text. */
#include "../math/fp.h"
#include "text.h"
#include "../base/decimal.h"

#include <math.h>

size_t gm__utf8_columns(const char *text) {
    size_t columns = 0;
    for (; *text; text++) columns += (*text & 0xc0) != 0x80;
    return columns;
}

/* 0.00123, 123.4, 12300: the point lies within or near the digits. */
static void text_positional(gm__builder *b, const gm__decimal *d) {
    if (d->exponent < 0) gm__builder_add(b, "0.");
    gm__builder_fill(b, '0', -d->exponent - 1);
    for (int i = 0; i < d->n; i++) {
        gm__builder_fill(b, d->digit[i], 1);
        if (i == d->exponent && i + 1 < d->n) gm__builder_add(b, ".");
    }
    gm__builder_fill(b, '0', d->exponent - d->n + 1);
}

void gm__builder_number(gm__builder *b, double value) {
    if (isnan(value)) {
        gm__builder_add(b, "nan");
        return;
    }
    if (signbit(value)) gm__builder_add(b, "-");
    if (isinf(value)) {
        gm__builder_add(b, "inf");
        return;
    }
    gm__decimal d = gm__decimal_shortest_f64(value);
    if (d.exponent >= -5 && d.exponent <= 15) {
        text_positional(b, &d);
        return;
    }
    gm__builder_bytes(b, d.digit, 1);
    if (d.n > 1) gm__builder_add(b, ".");
    gm__builder_bytes(b, d.digit + 1, (size_t)d.n - 1);
    gm__builder_format(b, "e%+d", d.exponent);
}
