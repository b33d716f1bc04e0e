/* emit.c: groups of elementwise operations as C.
 *
 * An operation is a function of a few lines, made of the expression of its record; a group is a loop that calls them,
 * and its inputs and outputs are read and written once. Sizes and strides are arguments, so a text serves every shape
 * that is walked alike; only whether the innermost stride of an operand is 0, 1 or another one is in it. For a target
 * whose functions are run once for each element (target.h) the loops are left out. */
#include "../math/fp.h"
#include "fuse.h"
#include "prelude.inc"
#include "../ops/elementwise_ops.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- types ---- */

typedef struct { gm_dtype dtype; const char *c, *suffix, *load, *store; } emit_type;

/* What lies in memory: its C type, the type that is computed with, and the functions between the two. */
static const emit_type emit_types[] = {
    { GM_F32, "float", "f32", "", "" },
    { GM_F64, "double", "f64", "", "" },
    { GM_BF16, "uint16_t", "f32", "bf16_to_f32", "f32_to_bf16" },
    { GM_F16, "uint16_t", "f32", "f16_to_f32", "f32_to_f16" },
    { GM_BOOL, "uint8_t", "", "", "" },
    { GM_U8, "uint8_t", "", "", "" },
    { GM_I32, "int32_t", "", "", "" },
    { GM_I64, "int64_t", "", "", "" },
};

static const emit_type *emit_type_of(gm_dtype dtype) {
    for (size_t i = 0; i < sizeof emit_types / sizeof *emit_types; i++)
        if (emit_types[i].dtype == dtype) return &emit_types[i];
    return NULL;
}

static bool emit_is_float(gm_dtype dtype) { return emit_type_of(dtype) && *emit_type_of(dtype)->suffix; }

/* The type that values of a dtype have in the loop: floats are computed with, others kept as they are. */
static const char *emit_local(gm_dtype dtype) {
    const emit_type *t = emit_type_of(dtype);
    return !*t->suffix ? t->c : !strcmp(t->suffix, "f64") ? "double" : "float";
}

/* ---- which ---- */

static bool emit_is_cast(const gm__node *n) { return !strcmp(n->op->name, "cast"); }

/* The float type an operation computes in: its result's, or for a bool result that of its largest input. 0 for none. */
static gm_dtype emit_domain(const gm_graph *g, const gm__node *n) {
    gm_dtype out = g->value[n->out].dtype;
    if (emit_is_float(out)) return out == GM_F64 ? GM_F64 : GM_F32;
    gm_dtype found = GM_NO_DTYPE;
    for (int i = 0; i < n->n_in; i++) {
        gm_dtype d = g->value[n->in[i]].dtype;
        if (d != GM_F32 && d != GM_F64) return GM_NO_DTYPE;
        if (found && found != d) return GM_NO_DTYPE;
        found = d;
    }
    return out == GM_BOOL ? found : GM_NO_DTYPE;
}

/* Without doubles: floats, and functions of them that need none. */
static bool emit_is_narrow(const gm__target *target, const gm_graph *g, const gm__node *n) {
    const gm__ew *e = emit_is_cast(n) ? NULL : n->op->extra;
    for (int i = 0; i < n->n_in; i++)
        if (g->value[n->in[i]].dtype == GM_F64) return false;
    return emit_domain(g, n) == GM_F32 && (!e || gm__target_scalars(NULL, target, e->expression));
}

bool gm__emit_may(const gm__target *target, const gm_graph *g, const gm__node *n) {
    bool cast = emit_is_cast(n);
    if (!(n->op->flags & GM_OP_ELEMENTWISE) && !cast) return false;
    for (int i = 0; i < n->n_in; i++)
        if (!emit_type_of(g->value[n->in[i]].dtype)) return false;
    if (!emit_domain(g, n) || (cast && !emit_is_float(g->value[n->out].dtype))) return false;
    return target->doubles || emit_is_narrow(target, g, n);
}

double gm__emit_cost(const gm__node *n) {
    const gm__ew *e = n->op->flags & GM_OP_ELEMENTWISE ? n->op->extra : NULL;
    return e && strstr(e->expression, "M(") ? 12 : 1;
}

/* ---- the prelude ---- */

static void emit_text_of_type(gm__builder *t, const char *type, const char *suffix) {
    gm__builder_format(t, "#undef T\n#undef M\n#define T %s\n#define M(f) f##_%s\n", type, suffix);
}

static void emit_op(gm__builder *t, const gm__node *n, const char *suffix) {
    const gm__ew *e = n->op->extra;
    gm__builder_format(t, "GM_INLINE T ew_%s_%s(T a", n->op->name, suffix);
    for (int i = 1; i < e->n_in; i++) gm__builder_format(t, ", T %c", 'a' + i);
    for (int i = 0; i < e->n_par; i++) gm__builder_format(t, ", T p%d", i);
    gm__builder_format(t, ") { return (T)(%s); }\n", e->expression);
}

const char *gm__emit_text(size_t i) {
    return i < sizeof prelude_text / sizeof *prelude_text ? prelude_text[i] : NULL;
}

static bool emit_was_before(const gm__group *groups, int64_t group, int32_t member, gm_dtype domain) {
    const gm__node *n = &groups[group].g->node[groups[group].member[member]];
    for (int64_t i = 0; i <= group; i++)
        for (int32_t k = 0; k < (i < group ? groups[i].n_members : member); k++) {
            const gm__node *m = &groups[i].g->node[groups[i].member[k]];
            if (m->op == n->op && emit_domain(groups[i].g, m) == domain) return true;
        }
    return false;
}

static void emit_ops(gm__builder *t, const gm__group *groups, int64_t n, gm_dtype domain) {
    const char *suffix = domain == GM_F64 ? "f64" : "f32";
    emit_text_of_type(t, domain == GM_F64 ? "double" : "float", suffix);
    for (int64_t i = 0; i < n; i++)
        for (int32_t k = 0; k < groups[i].n_members; k++) {
            const gm__node *node = &groups[i].g->node[groups[i].member[k]];
            if (emit_is_cast(node) || emit_domain(groups[i].g, node) != domain) continue;
            if (!emit_was_before(groups, i, k, domain)) emit_op(t, node, suffix);
        }
}

void gm__emit_prelude(gm__builder *t, const gm__target *target, const gm__group *groups, int64_t n) {
    if (!target->selects) {
        gm__builder_add(t, prelude_text[0]);
        gm__target_open(t, target);
        for (size_t i = 1; i < sizeof prelude_text / sizeof *prelude_text; i++) gm__builder_add(t, prelude_text[i]);
    }
    emit_ops(t, groups, n, GM_F32);
    if (target->doubles) emit_ops(t, groups, n, GM_F64);
}

/* ---- a group ---- */

/* The place of a node among the members: names depend on nothing outside of the group, so that equal loops are one. */
static int emit_place(const gm__group *p, int32_t node) {
    int i = 0;
    while (i + 1 < p->n_members && p->member[i] != node) i++;
    return i;
}

/* The name of value v in the loop: an input, or what a member makes. */
static void emit_name(const gm__group *p, int32_t v, char *name) {
    for (int32_t i = 0; i < p->n_in; i++)
        if (p->operand[p->n_out + i] == v) {
            snprintf(name, 16, "x%d", i);
            return;
        }
    snprintf(name, 16, "t%d", emit_place(p, p->g->value[v].from));
}

static int emit_stride_kind(const gm__group *p, int32_t operand) {
    int64_t s = p->space.stride[operand][p->space.n - 1];
    return s == 0 ? 0 : s == 1 ? 1 : 2;
}

static void emit_index(gm__builder *t, const gm__group *p, int32_t operand) {
    int kind = emit_stride_kind(p, operand);
    if (kind == 0) gm__builder_add(t, "[0]");
    else if (kind == 1) gm__builder_add(t, "[i]");
    else gm__builder_format(t, "[i * s[%d]]", operand * p->space.n + p->space.n - 1);
}

/* A pointer to the operand's first element of the row. Functions of items have pointers of their own for the operands,
 * and the operands' places behind the strides. */
static void emit_pointer(gm__builder *t, const gm__target *target, const gm__group *p, int32_t operand) {
    bool out = operand < p->n_out;
    int32_t number = out ? operand : operand - p->n_out;
    const char *c = emit_type_of(p->g->value[p->operand[operand]].dtype)->c, *held = out ? "" : "const ";
    gm__builder_format(t, "        %s%s%s *%s%d = ", target->global, held, c, out ? "y" : "p", number);
    if (target->items) gm__builder_format(t, "o%d + s[%d]", operand, (p->n_out + p->n_in) * p->space.n + operand);
    else gm__builder_format(t, "(%s%s *)o[%d]", held, c, operand);
    for (int d = 0; d + 1 < p->space.n; d++) gm__builder_format(t, " + i%d * s[%d]", d, operand * p->space.n + d);
    gm__builder_add(t, ";\n");
}

static void emit_load(gm__builder *t, const gm__group *p, int32_t input) {
    int32_t operand = p->n_out + input;
    gm_dtype dtype = p->g->value[p->operand[operand]].dtype;
    gm__builder_format(t, "            const %s x%d = %s(p%d", emit_local(dtype), input, emit_type_of(dtype)->load,
                       input);
    emit_index(t, p, operand);
    gm__builder_add(t, ");\n");
}

static void emit_argument(gm__builder *t, const gm__group *p, int32_t v, const char *type) {
    char name[16];
    emit_name(p, v, name);
    gm__builder_format(t, "(%s)%s", type, name);
}

static void emit_number(gm__builder *t, double x, const char *type) {
    bool f = !strcmp(type, "float");
    if (x != x) gm__builder_add(t, "__builtin_nan(\"\")");
    else if (x - x != 0) gm__builder_format(t, "%s__builtin_inf()", x < 0 ? "-" : "");
    else if (f) gm__builder_format(t, "%af", (double)(float)x);
    else gm__builder_format(t, "%a", x);
}

static void emit_member(gm__builder *t, const gm__group *p, int32_t at) {
    const gm__node *n = &p->g->node[at];
    const gm__ew *e = n->op->extra;
    gm_dtype dtype = p->g->value[n->out].dtype;
    const emit_type *type = emit_type_of(dtype);
    bool wide = emit_domain(p->g, n) == GM_F64, rounded = *type->store;
    const char *domain = wide ? "double" : "float";
    gm__builder_format(t, "            const %s t%d = ", emit_local(dtype), emit_place(p, at));
    if (rounded) gm__builder_format(t, "%s(%s(", type->load, type->store);
    if (dtype == GM_BOOL) gm__builder_add(t, "(uint8_t)(0 != ");
    if (emit_is_cast(n)) {
        emit_argument(t, p, n->in[0], domain);
    } else {
        gm__builder_format(t, "ew_%s_%s(", n->op->name, wide ? "f64" : "f32");
        for (int i = 0; i < n->n_in; i++) {
            if (i) gm__builder_add(t, ", ");
            emit_argument(t, p, n->in[i], domain);
        }
        for (int i = 0; i < e->n_par; i++) {
            gm__builder_add(t, ", ");
            emit_number(t, ((const gm__ew_attrs *)n->attrs)->p[i], domain);
        }
        gm__builder_add(t, ")");
    }
    if (dtype == GM_BOOL) gm__builder_add(t, ")");
    gm__builder_add(t, rounded ? "));\n" : ";\n");
}

static void emit_store(gm__builder *t, const gm__group *p, int32_t output) {
    int32_t v = p->operand[output];
    gm__builder_format(t, "            y%d", output);
    emit_index(t, p, output);
    gm__builder_format(t, " = %s(t%d);\n", emit_type_of(p->g->value[v].dtype)->store,
                       emit_place(p, p->g->value[v].from));
}

/* Row r of the outer dimensions, taken apart. */
static void emit_row(gm__builder *t, const gm__group *p) {
    int last = p->space.n - 1;
    gm__builder_add(t, "        int64_t left = r;\n");
    for (int d = last - 1; d > 0; d--)
        gm__builder_format(t, "        const int64_t i%d = left %% n[%d];\n        left /= n[%d];\n", d, d, d);
    gm__builder_add(t, "        const int64_t i0 = left;\n");
}

static void emit_rows(gm__builder *t, const gm__group *p) {
    if (p->space.n == 1) {
        gm__builder_add(t, "    (void)n, (void)s;\n    {\n");
        return;
    }
    int last = p->space.n - 1;
    gm__builder_format(t, "    for (int64_t at = begin; at < end;) {\n"
                          "        const int64_t r = at / n[%d], first = at - r * n[%d];\n"
                          "        const int64_t past = n[%d] - first < end - at ? n[%d] : first + end - at;\n"
                          "        at += past - first;\n", last, last, last, last);
    emit_row(t, p);
}

/* The element of an item; there may be more items than elements. */
static void emit_item(gm__builder *t, const gm__group *p) {
    int last = p->space.n - 1;
    gm__builder_format(t, "    const GM_GLOBAL int64_t *s = n + %d;\n", p->space.n);
    gm__builder_format(t, "    const int64_t i = GM_ITEM_X;\n    if (i < n[%d]) {\n", last);
    if (!last) return;
    gm__builder_add(t, "        const int64_t r = GM_ITEM_Y;\n");
    emit_row(t, p);
    gm__builder_add(t, "        if (i0 >= n[0]) return;\n");
}

static void emit_parameters(gm__builder *t, const gm__target *target, const gm__group *p) {
    for (int32_t k = 0; k < p->n_out + p->n_in; k++)
        gm__builder_format(t, "%s%s%s *o%d, ", target->global, k < p->n_out ? "" : "const ",
                           emit_type_of(p->g->value[p->operand[k]].dtype)->c, k);
    gm__builder_add(t, "GM_GLOBAL const int64_t *n, int64_t at) {\n    n += at;\n");
}

void gm__emit_group(gm__builder *t, const gm__target *target, const char *name, const gm__group *p) {
    gm__builder_format(t, "\n%s %s(", target->kernel, name);
    if (target->items) {
        emit_parameters(t, target, p);
        emit_item(t, p);
    } else {
        gm__builder_add(t, "int64_t begin, int64_t end, void *const *o, const int64_t *n, const int64_t *s) {\n");
        emit_rows(t, p);
    }
    for (int32_t k = 0; k < p->n_out + p->n_in; k++) emit_pointer(t, target, p, k);
    if (target->items) gm__builder_add(t, "        {\n");
    else if (p->space.n == 1) gm__builder_add(t, "        GM_LOOP\n        for (int64_t i = begin; i < end; i++) {\n");
    else
        gm__builder_add(t, "        GM_LOOP\n        for (int64_t i = first; i < past; i++) {\n");
    for (int32_t i = 0; i < p->n_in; i++) emit_load(t, p, i);
    for (int32_t i = 0; i < p->n_members; i++) emit_member(t, p, p->member[i]);
    for (int32_t i = 0; i < p->n_out; i++) emit_store(t, p, i);
    gm__builder_add(t, "        }\n    }\n}\n");
}
