/* print.c: tensors as text, as NumPy 2 prints arrays with its default options: precision 8, threshold 1000, edge items
 * 3, line width 75 (numpy/_core/arrayprint.py is the definition; tests/tensor/text.txt holds what it printed).
 *
 * Two passes over the elements that are shown: the first finds the widths that all of them share and whether floats
 * need an exponent, the second writes. A float is its shortest decimal, cut to 8 digits behind the point if it has
 * more. f16, bf16 and the 8-bit floats print as the f32 they are. */
#include "../math/fp.h"
#include "tensor.h"
#include "../base/builder.h"
#include "../base/decimal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { PRINT_PRECISION = 8, PRINT_THRESHOLD = 1000, PRINT_EDGE = 3, PRINT_WIDTH = 75 };

typedef struct {
    const gm_tensor *t;
    gm__builder *out;
    char kind;      /* of the dtype */
    bool summary;   /* only the edges are shown */
    bool exponents; /* floats as 1.5e+10 */
    bool finite, infinite, negative_infinity; /* what there is among the elements */
    int left, right; /* columns before and behind the decimal point; of integers, `left` is all */
    int exponent_digits;
    double most, least; /* of the finite, non-zero magnitudes; 0 if there are none */
} print_state;

/* ---- elements ---- */

static int print_nibble(const gm_tensor *t, int64_t at) {
    int64_t i = t->offset + at;
    int v = ((const uint8_t *)t->storage->data)[i / 2] >> (i % 2 ? 4 : 0) & 15;
    return t->dtype == GM_I4 && v > 7 ? v - 16 : v;
}

static void print_integer_text(const gm_tensor *t, int64_t at, char text[24]) {
    int64_t v = gm_dtype_bits(t->dtype) == 4 ? print_nibble(t, at) : gm__element_i64(t, at);
    if (t->dtype == GM_U64) snprintf(text, 24, "%" PRIu64, (uint64_t)v);
    else snprintf(text, 24, "%" PRId64, v);
}

static gm__decimal print_shortest(const gm_tensor *t, double v) {
    return t->dtype == GM_F64 ? gm__decimal_shortest_f64(v) : gm__decimal_shortest_f32((float)v);
}

/* Digits of v behind the decimal point. */
static int print_fraction_digits(const gm__decimal *d) { return d->n - 1 > d->exponent ? d->n - 1 - d->exponent : 0; }

/* The digits that are shown, with an exponent or without. */
static gm__decimal print_digits(const print_state *p, double v) {
    gm__decimal d = print_shortest(p->t, v);
    if (p->exponents) return d.n > PRINT_PRECISION + 1 ? gm__decimal_rounded(v, PRINT_PRECISION + 1) : d;
    int n = PRINT_PRECISION + d.exponent + 1;
    return print_fraction_digits(&d) > PRINT_PRECISION && n > 0 ? gm__decimal_rounded(v, n) : d;
}

static int print_integer_columns(double v, const gm__decimal *d) {
    return (signbit(v) ? 1 : 0) + (d->exponent > 0 ? d->exponent + 1 : 1);
}

/* Digits `from`..`to` of the number d by place: place 0 stands before the point, 1 is the first behind it. */
static void print_places(gm__builder *out, const gm__decimal *d, int from, int to) {
    for (int place = from; place <= to; place++) {
        int i = place + d->exponent;
        gm__builder_fill(out, i >= 0 && i < d->n ? d->digit[i] : '0', 1);
    }
}

static void print_exponent(gm__builder *out, int exponent, int digits) {
    gm__builder_format(out, "e%c%0*d", exponent < 0 ? '-' : '+', digits, exponent < 0 ? -exponent : exponent);
}

static int print_exponent_digits(int exponent) { return exponent <= -100 || exponent >= 100 ? 3 : 2; }

/* Columns of the exponent and what marks it. */
static int print_exponent_columns(const print_state *p) {
    return p->exponents && p->finite ? p->exponent_digits + 2 : 0;
}

/* With exponents all have as many digits as the longest, and those past the shortest form are the value's own. */
static gm__decimal print_digits_padded(const print_state *p, double v) {
    gm__decimal d = print_digits(p, v);
    return p->exponents && d.n < p->right + 1 ? gm__decimal_rounded(v, p->right + 1) : d;
}

static void print_float(const print_state *p, double v) {
    int width = p->left + p->right + 1 + print_exponent_columns(p);
    if (!isfinite(v)) {
        gm__builder_format(p->out, "%*s", width, isnan(v) ? "nan" : v < 0 ? "-inf" : "inf");
        return;
    }
    gm__decimal d = print_digits_padded(p, v);
    int exponent = d.exponent, before = p->exponents ? 1 + !!signbit(v) : print_integer_columns(v, &d);
    gm__builder_fill(p->out, ' ', p->left - before);
    if (signbit(v)) gm__builder_add(p->out, "-");
    if (p->exponents) d.exponent = 0;
    print_places(p->out, &d, d.exponent > 0 ? -d.exponent : 0, 0);
    gm__builder_add(p->out, ".");
    int shown = p->exponents ? p->right : print_fraction_digits(&d);
    print_places(p->out, &d, 1, shown);
    if (p->exponents) print_exponent(p->out, exponent, p->exponent_digits);
    else gm__builder_fill(p->out, ' ', p->right - shown);
}

/* As Python's repr: single quotes, unless the text holds them and no double ones. */
static void print_string(gm__builder *out, const char *s) {
    static const char plain[] = "\n\r\t\\", letter[] = "nrt\\";
    char quote = strchr(s, '\'') && !strchr(s, '"') ? '"' : '\'';
    gm__builder_fill(out, quote, 1);
    for (; *s; s++) {
        const char *found = strchr(plain, *s);
        if (found) gm__builder_format(out, "\\%c", letter[found - plain]);
        else if (*s == quote) gm__builder_format(out, "\\%c", quote);
        else if ((unsigned char)*s < 32 || *s == 127) gm__builder_format(out, "\\x%02x", *s);
        else gm__builder_fill(out, *s, 1);
    }
    gm__builder_fill(out, quote, 1);
}

static void print_element(const print_state *p, int64_t at) {
    char text[24];
    switch (p->kind) {
    case 'F': print_float(p, gm__element_f64(p->t, at)); break;
    case 'B': gm__builder_add(p->out, gm__element_i64(p->t, at) ? " True" : "False"); break;
    case 'T': print_string(p->out, gm__string_at(p->t, at)); break;
    default:
        print_integer_text(p->t, at, text);
        gm__builder_format(p->out, "%*s", p->left, text);
    }
}

/* ---- the first pass ---- */

typedef void (*print_visit)(print_state *p, int64_t at);

/* Every element that is shown. */
static void print_each(print_state *p, int axis, int64_t at, print_visit visit) {
    if (axis == p->t->shape.n) {
        visit(p, at);
        return;
    }
    int64_t n = p->t->shape.d[axis];
    for (int64_t i = 0; i < n; i++) {
        if (p->summary && n > 2 * PRINT_EDGE && i == PRINT_EDGE) i = n - PRINT_EDGE;
        print_each(p, axis + 1, at + i * p->t->stride[axis], visit);
    }
}

static void print_widen(int *width, int n) {
    if (n > *width) *width = n;
}

static void print_measure_integer(print_state *p, int64_t at) {
    char text[24];
    print_integer_text(p->t, at, text);
    print_widen(&p->left, (int)strlen(text));
}

static void print_measure_range(print_state *p, int64_t at) {
    double v = gm__element_f64(p->t, at), size = fabs(v);
    if (!isfinite(v)) {
        p->infinite = true;
        p->negative_infinity |= isinf(v) && v < 0;
        return;
    }
    p->finite = true;
    if (size > p->most) p->most = size;
    if (size > 0 && (!p->least || size < p->least)) p->least = size;
}

static void print_measure_digits(print_state *p, int64_t at) {
    double v = gm__element_f64(p->t, at);
    if (!isfinite(v)) return;
    gm__decimal d = print_digits(p, v);
    if (p->exponents) {
        print_widen(&p->left, 1 + !!signbit(v));
        print_widen(&p->right, d.n - 1);
        print_widen(&p->exponent_digits, print_exponent_digits(d.exponent));
    } else {
        print_widen(&p->left, print_integer_columns(v, &d));
        print_widen(&p->right, print_fraction_digits(&d));
    }
}

/* The comparisons are made in the elements' own precision, as NumPy's are. */
static bool print_wants_exponents(const print_state *p) {
    if (!p->most) return false;
    if (p->t->dtype == GM_F64) return p->most >= 1e8 || p->least < 1e-4 || p->most / p->least > 1000;
    float most = (float)p->most, least = (float)p->least;
    return most >= 1e6f || least < 1e-4f || most / least > 1000;
}

static void print_measure_floats(print_state *p) {
    print_each(p, 0, 0, print_measure_range);
    p->exponents = print_wants_exponents(p);
    if (p->finite) print_each(p, 0, 0, print_measure_digits);
    if (!p->infinite) return;
    print_widen(&p->left, 3 + p->negative_infinity - (p->right + 1 + print_exponent_columns(p)));
}

static void print_measure(print_state *p) {
    if (p->kind == 'F') print_measure_floats(p);
    else if (p->kind == 'S' || p->kind == 'U') print_each(p, 0, 0, print_measure_integer);
}

/* ---- the second pass: lines ---- */

static int print_columns(const char *text, size_t n) {
    int columns = 0;
    for (size_t i = 0; i < n; i++) columns += (text[i] & 0xc0) != 0x80;
    return columns;
}

static void print_line_end(gm__builder *out) {
    while (out->n && out->text[out->n - 1] == ' ') out->n--;
    gm__builder_add(out, "\n");
}

/* Put what was written since `start` on a new line if it went over `width`; *column is where it ends. */
static void print_wrap(print_state *p, size_t start, int indent, int width, int *column) {
    int columns = print_columns(p->out->text + start, p->out->n - start);
    if (*column + columns > width && *column > indent) {
        gm__builder word = { 0 };
        gm__builder_bytes(&word, p->out->text + start, p->out->n - start);
        p->out->n = start;
        print_line_end(p->out);
        gm__builder_fill(p->out, ' ', indent);
        if (!word.failed) gm__builder_bytes(p->out, word.text, word.n);
        p->out->failed |= word.failed;
        gm__builder_free(&word);
        *column = indent;
    }
    *column += columns;
}

/* The last dimension: elements one behind the other. */
static void print_row(print_state *p, int64_t at, int indent, int width) {
    int axis = p->t->shape.n - 1, column = indent;
    int64_t n = p->t->shape.d[axis];
    for (int64_t i = 0; i < n && !p->out->failed; i++) {
        size_t start = p->out->n;
        if (p->summary && n > 2 * PRINT_EDGE && i == PRINT_EDGE) {
            gm__builder_add(p->out, "...");
            i = n - PRINT_EDGE - 1;
        } else print_element(p, at + i * p->t->stride[axis]);
        if (p->out->failed) return;
        print_wrap(p, start, indent, width - 1, &column);
        if (i == n - 1) return;
        gm__builder_add(p->out, " ");
        column++;
    }
}

static void print_block(print_state *p, int axis, int64_t at, int indent, int width) {
    int below = p->t->shape.n - axis - 1;
    int64_t n = p->t->shape.d[axis];
    gm__builder_add(p->out, "[");
    if (!below) print_row(p, at, indent, width);
    for (int64_t i = 0; below && i < n; i++) {
        if (i) {
            gm__builder_fill(p->out, '\n', below);
            gm__builder_fill(p->out, ' ', indent);
        }
        if (p->summary && n > 2 * PRINT_EDGE && i == PRINT_EDGE) {
            gm__builder_add(p->out, "...");
            i = n - PRINT_EDGE - 1;
        } else print_block(p, axis + 1, at + i * p->t->stride[axis], indent + 1, width - 1);
    }
    gm__builder_add(p->out, "]");
}

/* ---- a tensor of no dimensions prints as NumPy's scalars do: all digits ---- */

static void print_scalar_float(const print_state *p, double v) {
    gm__decimal d = print_shortest(p->t, v);
    double size = fabs(v);
    if (!isfinite(v)) {
        gm__builder_add(p->out, isnan(v) ? "nan" : v < 0 ? "-inf" : "inf");
        return;
    }
    bool plain = size == 0 || (size >= 1e-4 && size < (p->t->dtype == GM_F64 ? 1e16 : 1e6));
    int exponent = d.exponent;
    if (signbit(v)) gm__builder_add(p->out, "-");
    if (!plain) d.exponent = 0;
    print_places(p->out, &d, d.exponent > 0 ? -d.exponent : 0, 0);
    int behind = print_fraction_digits(&d);
    if (behind || plain) gm__builder_add(p->out, ".");
    print_places(p->out, &d, 1, behind || !plain ? behind : 1);
    if (!plain) print_exponent(p->out, exponent, print_exponent_digits(exponent));
}

static void print_scalar(print_state *p) {
    if (p->kind == 'F') print_scalar_float(p, gm__element_f64(p->t, 0));
    else if (p->kind == 'B') gm__builder_add(p->out, gm__element_i64(p->t, 0) ? "True" : "False");
    else if (p->kind == 'T') gm__builder_add(p->out, gm__string_at(p->t, 0));
    else print_element(p, 0);
}

/* ---- what the world sees ---- */

/* Behind a label of `label` columns. */
static bool print_tensor(const gm_tensor *t, gm__builder *out, int label, const char *op) {
    if (!gm_ok() || !gm__check_tensor(t, op, 1)) return false;
    if (t->symbol) {
        gm__builder_add(out, "symbolic ");
        gm__builder_add(out, gm_dtype_name(t->dtype));
        gm__builder_add(out, " ");
        gm__builder_add(out, gm__tensor_shape_str(t));
        return !out->failed;
    }
    if (!t->storage) return gm_fail(GM_ERROR_STATE, "%s: the tensor has no value here, only a shape", op);
    if (!gm__has_data(t)) return false;
    print_state p = { .t = t, .out = out, .kind = gm__dtype(t->dtype)->kind };
    if (p.kind == 'C') return gm_fail(GM_ERROR_DTYPE, "%s: %s does not print yet", op, gm_dtype_name(t->dtype));
    int64_t n = gm_shape_count(t->shape);
    p.summary = n > PRINT_THRESHOLD;
    if (n == 0) gm__builder_add(out, "[]");
    else if (t->shape.n == 0) print_scalar(&p);
    else {
        print_measure(&p);
        print_block(&p, 0, 0, label + 1, PRINT_WIDTH);
    }
    return !out->failed;
}

size_t gm_text(const gm_tensor *t, char *text, size_t bytes) {
    gm__builder out = { 0 };
    bool ok = print_tensor(t, &out, 0, "text");
    size_t n = ok ? out.n : 0, fits = n < bytes ? n : bytes ? bytes - 1 : 0;
    if (bytes) {
        if (fits) memcpy(text, out.text, fits);
        text[fits] = 0;
    }
    gm__builder_free(&out);
    return n;
}

bool (*gm__print_traced)(const char *label, const gm_tensor *t);

void gm_print(const char *label, const gm_tensor *t) {
    gm__builder out = { 0 };
    if (gm__context()->trace && t && gm__print_traced(label, t)) return;
    if (label && *label) gm__builder_format(&out, "%s = ", label);
    int columns = out.n ? print_columns(out.text, out.n) : 0;
    if (print_tensor(t, &out, columns, "print")) {
        gm__builder_add(&out, "\n");
        if (!out.failed) fputs(out.text, stdout);
    }
    gm__builder_free(&out);
}
