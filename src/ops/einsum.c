/* einsum.c: Einstein's summation, as diagonals, sums, products and permutations.
 *
 * A term is a tensor with one label per dimension; no label occurs twice in it. Labels are 0..51 for letters and from
 * 52 on for the dimensions that "..." stands for, counted from the right. The terms are contracted from the left: in
 * each step a label is shared and still needed (batch), shared and not needed any more (contracted), or in one term
 * only. */
#include "../math/fp.h"
#include "ops.h"

#include <string.h>

enum { EINSUM_LETTERS = 52, EINSUM_LABELS = EINSUM_LETTERS + GM_MAX_DIMS, EINSUM_OPERANDS = 32 };

typedef struct { gm_tensor *t; int n, label[GM_MAX_DIMS]; } einsum_term;

typedef struct {
    const char *equation;
    int n_terms, n_out;
    einsum_term term[EINSUM_OPERANDS];
    int out[GM_MAX_DIMS];
    int64_t size[EINSUM_LABELS];
    int uses[EINSUM_LABELS]; /* terms that hold the label, plus one if the result does */
    int occurs[EINSUM_LABELS]; /* in the equation's left side, doubles counted */
} einsum_plan;

static int einsum_find(const int *label, int n, int wanted) {
    for (int i = 0; i < n; i++)
        if (label[i] == wanted) return i;
    return -1;
}

static int einsum_letter(char c) { return c >= 'A' && c <= 'Z' ? c - 'A' : c >= 'a' && c <= 'z' ? 26 + c - 'a' : -1; }

static bool einsum_bad(const einsum_plan *p, const char *what, const char *at) {
    return gm_fail(GM_ERROR_VALUE, "einsum: \"%s\": %s at position %d", p->equation, what, (int)(at - p->equation));
}

/* One term of the equation, up to ',' '-' or the end. `rank`: of its operand (-1: the result, whose "..." has `dots`
 * dimensions). Labels go to label[0..*n]. */
static const char *einsum_parse_term(const einsum_plan *p, const char *c, int rank, int dots, int *label, int *n) {
    int letters = 0;
    for (const char *s = c; *s && *s != ',' && *s != '-'; s++) letters += einsum_letter(*s) >= 0;
    if (rank >= 0) dots = rank - letters;
    bool dotted = false;
    for (*n = 0; *c && *c != ',' && *c != '-'; c++) {
        if (*c == ' ') continue;
        if (*n + (*c == '.' ? dots : 1) > GM_MAX_DIMS)
            return einsum_bad(p, "more dimensions than the operand has", c), NULL;
        if (einsum_letter(*c) >= 0) label[(*n)++] = einsum_letter(*c);
        else if (!strncmp(c, "...", 3) && !dotted && dots >= 0) {
            for (int i = 0; i < dots; i++) label[(*n)++] = EINSUM_LETTERS + dots - 1 - i;
            dotted = true, c += 2;
        } else return einsum_bad(p, "a letter, \"...\", \",\" or \"->\" is needed", c), NULL;
    }
    if (rank >= 0 && *n != rank) return einsum_bad(p, "not as many labels as the operand has dimensions", c), NULL;
    return c;
}

static bool einsum_note_size(einsum_plan *p, int label, int64_t size) {
    int64_t *s = &p->size[label];
    if (*s < 0 || *s == 1) *s = size;
    else if (size != *s && size != 1) {
        char name[2] = { (char)(label < 26 ? 'A' + label : 'a' + label - 26), 0 };
        return gm_fail(GM_ERROR_SHAPE, "einsum: \"%s\": %s is %lld and %lld", p->equation,
                       label < EINSUM_LETTERS ? name : "a dimension of \"...\"", (long long)*s, (long long)size);
    }
    return true;
}

static bool einsum_parse_left(einsum_plan *p, gm_tensor *const *operands, int n, const char **rest) {
    const char *c = p->equation;
    for (int i = 0; i < EINSUM_LABELS; i++) p->size[i] = -1;
    for (int i = 0; i < n; i++) {
        einsum_term *t = &p->term[i];
        t->t = operands[i];
        if (!(c = einsum_parse_term(p, c, t->t->shape.n, 0, t->label, &t->n))) return false;
        for (int d = 0; d < t->n; d++) {
            if (!einsum_note_size(p, t->label[d], t->t->shape.d[d])) return false;
            p->occurs[t->label[d]]++;
            if (einsum_find(t->label, d, t->label[d]) < 0) p->uses[t->label[d]]++;
        }
        bool more = i + 1 < n;
        if ((*c == ',') != more) return einsum_bad(p, "not as many terms as there are operands", c);
        c += more;
    }
    p->n_terms = n;
    *rest = c;
    return true;
}

static bool einsum_parse_right(einsum_plan *p, const char *c) {
    int dots = 0;
    while (dots < GM_MAX_DIMS && p->occurs[EINSUM_LETTERS + dots]) dots++;
    if (!*c) { /* implicit: "..." and what occurs once */
        for (int i = 0; i < dots; i++) p->out[p->n_out++] = EINSUM_LETTERS + dots - 1 - i;
        for (int l = 0; l < EINSUM_LETTERS; l++) {
            if (p->occurs[l] != 1) continue;
            if (p->n_out == GM_MAX_DIMS) return einsum_bad(p, "a result of too many dimensions", c);
            p->out[p->n_out++] = l;
        }
    } else {
        if (c[0] != '-' || c[1] != '>') return einsum_bad(p, "\"->\" is needed", c);
        if (!(c = einsum_parse_term(p, c + 2, -1, dots, p->out, &p->n_out))) return false;
        if (*c) return einsum_bad(p, "nothing may follow the result", c);
    }
    for (int i = 0; i < p->n_out; i++) {
        if (!p->occurs[p->out[i]]) return einsum_bad(p, "the result has a label that no operand has", c);
        if (einsum_find(p->out, i, p->out[i]) >= 0) return einsum_bad(p, "the result has a label twice", c);
        p->uses[p->out[i]]++;
    }
    return true;
}

/* ---- single terms ---- */

/* A label that occurs twice in a term means the diagonal. */
static void einsum_take_diagonals(einsum_term *t) {
    for (int i = 0; i < t->n && t->t; i++) {
        int j = einsum_find(t->label + i + 1, t->n - i - 1, t->label[i]) + i + 1;
        if (j == i) continue;
        int label = t->label[i], n = 0;
        t->t = gm_diagonal(t->t, 0, i, j);
        for (int d = 0; d < t->n; d++)
            if (d != i && d != j) t->label[n++] = t->label[d];
        t->label[n++] = label;
        t->n = n;
        i = -1; /* dimensions have moved: begin again */
    }
}

static void einsum_sum_private(const einsum_plan *p, einsum_term *t) {
    int32_t dims[GM_MAX_DIMS];
    int n = 0, kept = 0;
    if (!t->t) return;
    gm_dtype dtype = t->t->dtype;
    for (int d = 0; d < t->n; d++)
        if (p->uses[t->label[d]] == 1) dims[n++] = d;
        else t->label[kept++] = t->label[d];
    t->n = kept;
    if (n) t->t = gm_cast(gm_sum_dims(t->t, dims, n, false), dtype);
}

/* t with its dimensions in the order of `label`, all of which it has; sizes of 1 stretch to the label's. */
static gm_tensor *einsum_arranged(const einsum_plan *p, const einsum_term *t, const int *label, int n) {
    int32_t order[GM_MAX_DIMS];
    gm_shape s = { .n = n };
    for (int i = 0; i < n; i++) {
        order[i] = einsum_find(t->label, t->n, label[i]);
        s.d[i] = p->size[label[i]];
    }
    gm_tensor *x = t->t ? gm_permute(t->t, order, n) : NULL;
    return x && !gm_shape_equal(x->shape, s) ? gm_expand(x, s) : x;
}

/* ---- pairs ---- */

/* Labels by role: batch, rows (left only), cols (right only), inner (contracted), in order of appearance. */
typedef struct { int n[4], label[4][GM_MAX_DIMS]; } einsum_roles;
enum { EINSUM_BATCH, EINSUM_ROWS, EINSUM_COLS, EINSUM_INNER };

static void einsum_role_add(einsum_roles *r, int role, int label) { r->label[role][r->n[role]++] = label; }

static einsum_roles einsum_assign(einsum_plan *p, const einsum_term *a, const einsum_term *b) {
    einsum_roles r = { .n = { 0 } };
    for (int i = 0; i < a->n; i++) {
        int l = a->label[i];
        bool both = einsum_find(b->label, b->n, l) >= 0;
        if (both) p->uses[l]--;
        einsum_role_add(&r, !both ? EINSUM_ROWS : p->uses[l] > 1 ? EINSUM_BATCH : EINSUM_INNER, l);
    }
    for (int i = 0; i < b->n; i++)
        if (einsum_find(a->label, a->n, b->label[i]) < 0) einsum_role_add(&r, EINSUM_COLS, b->label[i]);
    return r;
}

static int64_t einsum_volume(const einsum_plan *p, const einsum_roles *r, int role) {
    int64_t n = 1;
    for (int i = 0; i < r->n[role]; i++) n *= p->size[r->label[role][i]];
    return n;
}

/* The term as [batch, second, third] by roles. */
static gm_tensor *einsum_matrix(const einsum_plan *p, const einsum_term *t, const einsum_roles *r, int second,
                                int third) {
    int label[3 * GM_MAX_DIMS], n = 0, roles[3] = { EINSUM_BATCH, second, third };
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < r->n[roles[k]]; i++) label[n++] = r->label[roles[k]][i];
    gm_tensor *x = einsum_arranged(p, t, label, n);
    gm_shape s = { 3,
                   { 0 },
                   { einsum_volume(p, r, EINSUM_BATCH), einsum_volume(p, r, second), einsum_volume(p, r, third) } };
    return x ? gm_reshape(x, s) : NULL;
}

static bool einsum_pair(einsum_plan *p, einsum_term *a, const einsum_term *b) {
    einsum_roles r = einsum_assign(p, a, b);
    if (r.n[EINSUM_BATCH] + r.n[EINSUM_ROWS] + r.n[EINSUM_COLS] > GM_MAX_DIMS)
        return gm_fail(GM_ERROR_SHAPE, "einsum: \"%s\": a product of more than %d dimensions", p->equation,
                       GM_MAX_DIMS);
    gm_tensor *x = einsum_matrix(p, a, &r, EINSUM_ROWS, EINSUM_INNER),
              *y = einsum_matrix(p, b, &r, EINSUM_INNER, EINSUM_COLS);
    if (!x || !y) return false;
    gm_tensor *z =
        r.n[EINSUM_INNER] ? gm_matmul(x, y) : gm_mul(x, y); /* no inner labels: [batch, rows, 1] * [batch, 1, cols] */
    gm_shape s = { .n = 0 };
    for (int role = EINSUM_BATCH; role <= EINSUM_COLS; role++)
        for (int i = 0; i < r.n[role]; i++) {
            a->label[s.n] = r.label[role][i];
            s.d[s.n++] = p->size[r.label[role][i]];
        }
    a->n = s.n;
    a->t = z ? gm_reshape(z, s) : NULL;
    return a->t != NULL;
}

gm_tensor *gm_einsum(const char *equation, gm_tensor *const *operands, int n) {
    einsum_plan p = { .equation = equation };
    const char *rest = equation;
    if (!gm_ok()) return NULL;
    if (!equation || n < 1 || n > EINSUM_OPERANDS) {
        gm_fail(GM_ERROR_VALUE, "einsum: an equation and 1 to %d operands are needed, not %d", EINSUM_OPERANDS, n);
        return NULL;
    }
    for (int i = 0; i < n; i++)
        if (!gm__check_tensor(operands[i], "einsum", i + 2)) return NULL;
    if (!einsum_parse_left(&p, operands, n, &rest) || !einsum_parse_right(&p, rest)) return NULL;
    for (int i = 0; i < n; i++) {
        einsum_take_diagonals(&p.term[i]);
        einsum_sum_private(&p, &p.term[i]);
    }
    for (int i = 1; i < n; i++)
        if (!einsum_pair(&p, &p.term[0], &p.term[i])) return NULL;
    return gm_ok() ? einsum_arranged(&p, &p.term[0], p.out, p.n_out) : NULL;
}
