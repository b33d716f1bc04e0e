/* op_cases.h: makes the inputs that an operation's cases describe (gemel/op.h), the same on every machine. */
#ifndef OP_CASES_H
#define OP_CASES_H

#include "check.h"
#include "gemel/gemel.h"

#include <math.h>

enum { CASE_MAX_IN = 16 };

typedef struct {
    gm_tensor *t;   /* NULL: an optional input that is not given */
    bool want_grad; /* a float that the case lets be checked */
} case_input;

typedef struct { case_input in[CASE_MAX_IN]; int n; } case_inputs;

typedef struct { gm_dtype dtype; gm_shape shape; char fill[16]; int64_t below; bool absent, no_grad; } case_words;

static uint64_t case_random(uint64_t *state) { /* SplitMix64 (Steele, Lea, Flood 2014) */
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static double case_uniform(uint64_t *state) { return (double)(case_random(state) >> 40) * 0x1p-24; }

/* Near enough to normal: the sum of four uniforms. */
static double case_normal(uint64_t *state) {
    double s = 0;
    for (int i = 0; i < 4; i++) s += case_uniform(state);
    return (s - 2) * 1.7320508;
}

static double case_value(const case_words *w, uint64_t *state, int64_t i, int64_t n) {
    double u = case_uniform(state), v = case_normal(state);
    if (!strcmp(w->fill, "positive")) return 0.1 + 1.9 * u;
    if (!strcmp(w->fill, "unit")) return 0.05 + 0.9 * u;
    if (!strcmp(w->fill, "pm1")) return -0.95 + 1.9 * u;
    if (!strcmp(w->fill, "above1")) return 1.1 + 2 * u;
    if (!strcmp(w->fill, "near")) return v < 0 ? v - 0.1 : v + 0.1;
    if (!strcmp(w->fill, "bits")) return (double)(case_random(state) & 1);
    if (!strcmp(w->fill, "below")) return (double)(case_random(state) % (uint64_t)w->below);
    if (!strcmp(w->fill, "distinct")) { /* a step that shares no factor with n walks through all of a ramp */
        int64_t step = n * 5 / 8 | 1;
        for (int64_t a = step, b = n; b; ) { /* gcd */
            int64_t r = a % b;
            a = b, b = r;
            if (!b && a != 1) step += 2, a = step, b = n;
        }
        return (double)(i * step % n) / (double)n * 2 - 1;
    }
    return v;
}

static gm_tensor *case_tensor(const case_words *w, uint64_t *state) {
    int64_t n = gm_shape_count(w->shape);
    double *x = malloc((size_t)(n ? n : 1) * sizeof *x);
    for (int64_t i = 0; x && i < n; i++)
        x[i] = (float)case_value(w, state, i, n); /* a float, so that f64 runs see the same */
    gm_tensor *t = gm_cast(gm_from_data(w->shape, GM_F64, x), w->dtype);
    free(x);
    return t;
}

static bool case_parse_shape(const char **at, gm_shape *shape) {
    *shape = (gm_shape){ 0 };
    if (**at != '[') return false;
    for (++*at; **at && **at != ']';) {
        char *end;
        shape->d[shape->n++] = strtoll(*at, &end, 10);
        if (end == *at) return false;
        *at = end + (*end == ',');
    }
    return *(*at)++ == ']';
}

static bool case_parse_word(const char *word, case_words *w) {
    if (!strcmp(word, "-")) return w->absent = true;
    if (!strcmp(word, "grad:no")) return w->no_grad = true;
    if (word[0] >= '0' && word[0] <= '9') return (w->below = strtoll(word, NULL, 10)) > 0;
    static const char *const fills[] = { "normal", "positive", "unit",  "pm1",     "above1",
                                         "near",   "bits",     "below", "distinct" };
    for (size_t i = 0; i < sizeof fills / sizeof *fills; i++)
        if (!strcmp(word, fills[i])) return strcpy(w->fill, word) != NULL;
    return false;
}

/* One input of the list, up to ';' or the end. */
static bool case_parse_input(const char **at, case_words *w) {
    *w = (case_words){ .dtype = GM_F32, .below = 8 };
    while (**at && **at != ';') {
        char word[24] = { 0 };
        int n = 0;
        if (**at == ' ') { ++*at; continue; }
        if (**at == '[') {
            if (!case_parse_shape(at, &w->shape)) return false;
            continue;
        }
        while (**at && !strchr(" ;[", **at) && n < 23) word[n++] = *(*at)++;
        if (gm_dtype_of_name(word)) w->dtype = gm_dtype_of_name(word);
        else if (!case_parse_word(word, w)) return false;
    }
    if (**at == ';') ++*at;
    if (!w->fill[0]) strcpy(w->fill, gm_is_float(w->dtype) ? "normal" : w->dtype == GM_BOOL ? "bits" : "below");
    return true;
}

/* The inputs of case `k` of `op`; false (and a failed check) if its text is not understood. */
static inline bool case_make(const gm_op *op, int k, case_inputs *c) {
    const char *at = op->cases[k].in;
    uint64_t state = 0;
    for (const char *s = op->name; *s; s++) state = state * 31 + (uint8_t)*s;
    state += (uint64_t)k * 1000003;
    c->n = 0;
    while (*at && c->n < CASE_MAX_IN) {
        case_words w;
        if (!case_parse_input(&at, &w)) {
            CHECK(false, "%s case %d: \"%s\" is not understood", op->name, k, op->cases[k].in);
            return false;
        }
        case_input *in = &c->in[c->n++];
        in->t = w.absent ? NULL : case_tensor(&w, &state);
        bool differentiable = !op->diff_in || (op->diff_in >> (c->n - 1) & 1);
        in->want_grad =
            in->t && gm_is_float(w.dtype) && !w.no_grad && differentiable && !(op->cases[k].flags & GM_CASE_NO_GRAD);
    }
    return true;
}

/* t's elements as doubles; the caller frees. */
static double *case_read(const gm_tensor *t, int64_t *n) {
    *n = gm_count(t);
    double *x = malloc((size_t)(*n > 0 ? *n : 1) * sizeof *x);
    if (*n > 0 && !gm_read(t, GM_F64, x, (size_t)*n * sizeof *x)) *n = -1;
    return x;
}

static inline bool case_same_bits(const gm_tensor *a, const gm_tensor *b) {
    if (!a || !b || gm_dtype_of(a) != gm_dtype_of(b) || !gm_shape_equal(gm_shape_of(a), gm_shape_of(b))) return false;
    int64_t n, m;
    double *x = case_read(a, &n), *y = case_read(b, &m);
    bool same = n == m;
    for (int64_t i = 0; i < n && same; i++)
        same = x[i] != x[i] ? y[i] != y[i] : x[i] == y[i] && signbit(x[i]) == signbit(y[i]);
    free(x), free(y);
    return same;
}

/* Whether a is b, but for `tolerance` of b's largest finite value. */
static inline bool case_close(const gm_tensor *a, const gm_tensor *b, double tolerance, double *worst) {
    int64_t n, m;
    double *x = case_read(a, &n), *y = case_read(b, &m), largest = 0;
    bool ok = n == m && n >= 0;
    for (int64_t i = 0; i < m; i++)
        if (isfinite(y[i]) && fabs(y[i]) > largest) largest = fabs(y[i]);
    *worst = 0;
    for (int64_t i = 0; i < n && ok; i++) {
        double d = x[i] == y[i] || (x[i] != x[i] && y[i] != y[i]) ? 0 : fabs(x[i] - y[i]);
        if (!(d <= *worst)) *worst = d;
    }
    ok = ok && *worst <= tolerance * (largest > 0 ? largest : 1);
    free(x), free(y);
    return ok;
}

/* The same values with gaps between them and dimensions stored in reverse order. */
static inline gm_tensor *case_spread(gm_tensor *t) {
    int r = gm_n_dims(t);
    int32_t order[GM_MAX_DIMS];
    if (r <= 0 || r >= GM_MAX_DIMS) return t;
    for (int i = 0; i < r; i++) order[i] = r - 1 - i;
    gm_tensor *reversed = gm_copy(gm_permute(t, order, r));
    gm_tensor *twice = gm_stack((gm_tensor *[]){ reversed, reversed }, 2, r); /* every other element */
    return gm_permute(gm_select(twice, r, 1), order, r);
}

/* f64 numbers in y's shape, others for each seed. */
static inline gm_tensor *case_weights(const gm_tensor *y, int seed) {
    gm_shape s = gm_shape_of(y);
    uint64_t state = 77 + (uint64_t)seed;
    int64_t n = gm_shape_count(s);
    double *x = malloc((size_t)(n ? n : 1) * sizeof *x);
    for (int64_t i = 0; x && i < n; i++) x[i] = case_uniform(&state) - 0.4;
    gm_tensor *w = gm_from_data(s, GM_F64, x);
    free(x);
    return w;
}

#endif
