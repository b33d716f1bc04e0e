/* fuse.c: which elementwise operations become one loop, and the graph in which they are.
 *
 * Nodes are taken in order. One joins the groups of the values it reads if they walk the same elements in the same
 * layout. */
#include "../math/fp.h"
#include "cluster.h"
#include "fuse.h"
#include "pass.h"
#include "../ops/ops.h"
#include "gemel/extend.h"

#include <stdio.h>
#include <string.h>

/* ---- groups ---- */

static bool fuse_same_walk(const gm__value *a, const gm__value *b) {
    if (a->shape.n != b->shape.n) return false;
    for (int d = 0; d < a->shape.n; d++)
        if (a->shape.d[d] != b->shape.d[d] || (a->shape.d[d] != 1 && a->stride[d] != b->stride[d])) return false;
    return true;
}

/* ---- products whose finished rows a loop takes ---- */

extern const gm_op gm__op_linear, gm__op_matmul;

/* A product of floats, its result dense and row-major. */
static bool fuse_is_head(const gm_graph *g, const gm__node *n) {
    if (n->op != &gm__op_linear && n->op != &gm__op_matmul) return false;
    const gm__value *y = &g->value[n->out];
    int64_t step = 1;
    for (int d = y->shape.n - 1; d >= 0; step *= y->shape.d[d--])
        if (y->shape.d[d] != 1 && y->stride[d] != step) return false;
    return step > 0 && (y->dtype == GM_F32 || y->dtype == GM_F64);
}

/* The product of a cluster, -1 for none. */
static int32_t fuse_head(const gm__clusters *c, int32_t cluster) {
    for (int32_t m = cluster; m >= 0; m = c->next[m])
        if (fuse_is_head(c->g, &c->g->node[m])) return m;
    return -1;
}

/* A member of one of two clusters makes v. */
static bool fuse_is_in(const gm__clusters *c, int32_t v, int32_t a, int32_t b) {
    const gm__value *x = &c->g->value[v];
    return x->kind == GM__VALUE_NODE && (c->group[x->from] == a || c->group[x->from] == b);
}

/* Two clusters may be one: they have one product at most, and none of its operands is made by them. */
static bool fuse_heads_fit(const gm__clusters *c, int32_t a, int32_t b) {
    const gm_graph *g = c->g;
    int32_t head = fuse_head(c, a), other = fuse_head(c, b);
    if (head >= 0 && other >= 0) return false;
    if (head < 0) head = other;
    for (int k = 0; head >= 0 && k < g->node[head].n_in; k++) {
        int32_t v = g->node[head].in[k];
        if (v >= 0 && fuse_is_in(c, gm__graph_root(g, v), a, b)) return false;
    }
    return true;
}

/* ---- operands ---- */

/* Values, each once; n is larger than there is room if they are too many. */
typedef struct { int32_t value[GM__FUSE_MAX_VALUES + 1]; int n; } fuse_values;

static void fuse_note(fuse_values *l, int32_t v) {
    int i = 0;
    while (i < l->n && l->value[i] != v) i++;
    if (i == l->n && i <= GM__FUSE_MAX_VALUES) l->value[l->n++] = v;
}

/* How often members of a group read v. */
static int32_t fuse_reads(const gm__clusters *c, int32_t group, int32_t v) {
    int32_t n = 0;
    for (int32_t m = group; m >= 0; m = c->next[m])
        for (int k = 0; k < c->g->node[m].n_in; k++) n += c->g->node[m].in[k] == v;
    return n;
}

/* What a loop of both groups would read and write: values that come from outside, and those that are used there; a
 * product is read in any case. */
static int fuse_operands(const gm__clusters *c, int32_t a, int32_t b) {
    const gm_graph *g = c->g;
    fuse_values in = { .n = 0 };
    int n = 0;
    for (int side = 0; side < 2; side++)
        for (int32_t m = side ? b : a; m >= 0 && n <= GM__FUSE_MAX_VALUES; m = c->next[m]) {
            const gm__node *node = &g->node[m];
            bool head = fuse_is_head(g, node);
            for (int k = 0; !head && k < node->n_in; k++)
                if (!fuse_is_in(c, node->in[k], a, b)) fuse_note(&in, node->in[k]);
            n += head || fuse_reads(c, a, node->out) + fuse_reads(c, b, node->out) < c->uses[node->out];
        }
    return n + in.n;
}

static void fuse_try(gm__clusters *c, const gm__fuse_wish *wish, int32_t at, int32_t producer) {
    const gm_graph *g = c->g;
    int32_t a = c->group[producer], b = c->group[at];
    if (g->node[at].again && g->node[at].again != g->node[producer].again) return; /* it is to be made later */
    if (a == b || c->count[a] + c->count[b] > wish->most) return;
    if (!fuse_same_walk(&g->value[g->node[at].out], &g->value[g->node[producer].out])) return;
    if (fuse_operands(c, a, b) <= GM__FUSE_MAX_VALUES && fuse_heads_fit(c, a, b)) gm__clusters_join(c, a, b);
}

static void fuse_groups(gm__clusters *c, const gm__fuse_wish *wish) {
    const gm_graph *g = c->g;
    for (int32_t i = 0; i < g->n_nodes; i++) {
        bool may = gm__emit_may(wish->target, g, &g->node[i]);
        for (int k = 0; may && k < g->node[i].n_in; k++) {
            const gm__value *v = &g->value[g->node[i].in[k]];
            const gm__node *from = v->kind == GM__VALUE_NODE ? &g->node[v->from] : NULL;
            if (from && (gm__emit_may(wish->target, g, from) || (wish->heads && fuse_is_head(g, from))))
                fuse_try(c, wish, i, v->from);
        }
    }
}

/* ---- one group ---- */

static bool fuse_add_operand(gm__group *p, int32_t v, bool out) {
    for (int32_t i = out ? 0 : p->n_out; i < p->n_out + p->n_in; i++)
        if (p->operand[i] == v) return true;
    if (p->n_out + p->n_in == GM__FUSE_MAX_VALUES) return false;
    p->operand[p->n_out + p->n_in] = v;
    if (out) p->n_out++;
    else p->n_in++;
    return true;
}

static bool fuse_is_member(const gm__group *p, int32_t node) {
    for (int32_t i = 0; i < p->n_members; i++)
        if (p->member[i] == node) return true;
    return false;
}

static bool fuse_operands_of(const gm__clusters *c, gm__group *p) {
    const gm_graph *g = c->g;
    bool ok = true;
    for (int32_t i = 0; i < p->n_members && ok; i++)
        if (gm__clusters_used_outside(c, g->node[p->member[i]].out))
            ok = fuse_add_operand(p, g->node[p->member[i]].out, true);
    for (int32_t i = 0; i < p->n_members && ok; i++)
        for (int k = 0; k < g->node[p->member[i]].n_in && ok; k++) {
            int32_t v = g->node[p->member[i]].in[k];
            bool inside = g->value[v].kind == GM__VALUE_NODE && fuse_is_member(p, g->value[v].from);
            if (!inside) ok = fuse_add_operand(p, v, false);
        }
    return ok && p->n_out > 0;
}

/* ---- the iteration space ---- */

/* Dimensions of v0 from the widest stride to the narrowest, without those of size 1. */
static int fuse_order(const gm__value *v, int *order) {
    int n = 0;
    for (int d = 0; d < v->shape.n; d++) {
        if (v->shape.d[d] == 1) continue;
        int k = n++;
        for (; k > 0 && v->stride[order[k - 1]] < v->stride[d]; k--) order[k] = order[k - 1];
        order[k] = d;
    }
    return n;
}

static int64_t fuse_stride(const gm__value *v, int rank, int d) {
    int own = d - (rank - v->shape.n);
    return own < 0 || v->shape.d[own] == 1 ? 0 : v->stride[own];
}

static bool fuse_walks_on(const gm__space *s, int d, const int64_t *inner, int64_t inner_size) {
    for (int32_t k = 0; k < s->n_operands; k++)
        if (s->stride[k][d] != inner[k] * inner_size) return false;
    return true;
}

static void fuse_space(gm__group *p) {
    const gm__value *first = &p->g->value[p->operand[0]];
    gm__space *s = &p->space;
    int order[GM_MAX_DIMS], n = fuse_order(first, order);
    s->n = 0, s->n_operands = p->n_out + p->n_in;
    for (int i = 0; i < n; i++) {
        int64_t inner[GM__FUSE_MAX_VALUES], size = first->shape.d[order[i]];
        for (int32_t k = 0; k < s->n_operands; k++)
            inner[k] = fuse_stride(&p->g->value[p->operand[k]], first->shape.n, order[i]);
        bool merged = s->n && fuse_walks_on(s, s->n - 1, inner, size);
        int d = merged ? s->n - 1 : s->n++;
        s->size[d] = merged ? s->size[d] * size : size;
        for (int32_t k = 0; k < s->n_operands; k++) s->stride[k][d] = inner[k];
    }
    if (s->n) return;
    s->n = 1, s->size[0] = 1; /* a scalar */
    for (int32_t k = 0; k < s->n_operands; k++) s->stride[k][0] = 0;
    for (int32_t k = 0; k < p->n_out; k++) s->stride[k][0] = 1;
}

/* The members without the product. */
static void fuse_take_head(gm__group *p) {
    int32_t n = 0;
    p->head = -1;
    for (int32_t i = 0; i < p->n_members; i++) {
        if (fuse_is_head(p->g, &p->g->node[p->member[i]])) p->head = p->member[i];
        else p->member[n++] = p->member[i];
    }
    p->n_members = n;
}

/* Where the product is among the operands, and where it is written to: to an output of its own if others use it, else
 * where a result of the loop replaces it. */
static bool fuse_place_head(const gm__clusters *c, gm__group *p) {
    if (p->head < 0) return true;
    const gm__value *y = &p->g->value[p->g->node[p->head].out];
    p->head_at = p->n_out, p->head_out = 0;
    while (p->operand[p->head_at] != p->g->node[p->head].out) p->head_at++;
    p->head_stays = gm__clusters_used_outside(c, p->g->node[p->head].out);
    if (p->head_stays) return p->head_out = p->n_out, true;
    while (p->head_out < p->n_out && p->g->value[p->operand[p->head_out]].dtype != y->dtype) p->head_out++;
    return p->head_out < p->n_out;
}

/* The group of a cluster; false if it cannot be one loop. */
static bool fuse_describe(const gm__clusters *c, int32_t group, gm__group *p) {
    *p = (gm__group){ .g = c->g, .n_members = c->count[group] };
    gm__clusters_members(c, group, p->member);
    fuse_take_head(p);
    for (int32_t i = 0; i < p->n_members; i++) p->cost += gm__emit_cost(&c->g->node[p->member[i]]);
    if (!fuse_operands_of(c, p) || !fuse_place_head(c, p)) return false;
    fuse_space(p);
    return p->space.n <= GM__FUSE_MAX_DIMS;
}

/* ---- the new graph ---- */

static void fused_destroy(void *object) {
    gm__fused *x = object;
    gm_free(x->size);
    gm_release(x->build);
}

static const gm_type fused_type = { "fused loop", sizeof(gm__fused), fused_destroy };

static const gm_attr fused_fields[] = { GM_ATTR(gm__fused_attrs, loop, OBJECT), GM_ATTR_END };

gm__fused *gm__fused_of(const gm__node *n) {
    return n->op == &gm__op_fused ? ((const gm__fused_attrs *)n->attrs)->loop : NULL;
}

static gm__fused *fuse_loop(const gm__group *p, const char *name) {
    gm__fused *x = gm_object_new(&fused_type);
    const gm__space *s = &p->space;
    size_t row = (size_t)s->n * sizeof *x->size;
    if (!x || !(x->size = gm_alloc(row * (size_t)(1 + s->n_operands)))) return NULL;
    x->n = s->n, x->n_out = p->n_out, x->n_in = p->n_in, x->cost = p->cost;
    if (p->head >= 0) x->head = p->g->node[p->head].op, x->head_in = p->g->node[p->head].n_in;
    x->head_at = p->head_at, x->head_out = p->head_out;
    x->stride = x->size + s->n;
    memcpy(x->size, s->size, row);
    for (int32_t k = 0; k < s->n_operands; k++) memcpy(x->stride + k * s->n, s->stride[k], row);
    memcpy(x->name, name, strlen(name) + 1);
    return x;
}

gm__fused *gm__fused_part(const gm__fused *x, int64_t parts) {
    gm__fused *y = x ? gm_object_new(&fused_type) : NULL;
    size_t row = x ? (size_t)x->n * sizeof *x->size : 0, bytes = x ? row * (size_t)(1 + x->n_out + x->n_in) : 0;
    if (!y || !(y->size = gm_alloc(bytes))) return NULL;
    memcpy(y->size, x->size, bytes);
    y->size[0] /= parts;
    y->stride = y->size + x->n;
    y->build = gm_retain(x->build), y->run = x->run, y->cost = x->cost;
    y->n = x->n, y->n_out = x->n_out, y->n_in = x->n_in;
    y->head = x->head, y->head_in = x->head_in, y->head_at = x->head_at, y->head_out = x->head_out;
    memcpy(y->name, x->name, sizeof y->name);
    return y;
}

/* Inputs: those of the product, then those of the loop but for the product. Outputs: the loop's, then the product if it
 * stays. */
static bool fuse_add(gm__graph_copy *c, const gm__group *p, const char *name) {
    gm__fused *x = fuse_loop(p, name);
    const gm__node *head = p->head < 0 ? NULL : &p->g->node[p->head];
    int32_t in[GM__FUSE_MAX_VALUES + 4], out[GM__FUSE_MAX_VALUES + 1], n = 0;
    for (; head && n < head->n_in; n++) in[n] = head->in[n];
    for (int32_t i = p->n_out; i < p->n_out + p->n_in; i++)
        if (!head || i != p->head_at) in[n++] = p->operand[i];
    memcpy(out, p->operand, (size_t)p->n_out * sizeof *out);
    if (p->head_stays) out[p->n_out] = head->out;
    return x && gm__copy_new(c, &gm__op_fused, &(gm__fused_attrs){ x }, in, n, out, p->n_out + p->head_stays);
}

typedef struct {
    gm__clusters c;
    const gm__fuse_wish *wish;
    gm__group *groups;
    int64_t n;
    int32_t *of;      /* [n_nodes], of clusters: its number in `groups` */
    bool *wanted;     /* [n_nodes], of clusters */
    char (*name)[24]; /* of groups: the function's */
} fuse_state;

static bool fuse_write(void *env, gm__graph_copy *copy, int32_t cluster) {
    const fuse_state *f = env;
    return fuse_add(copy, &f->groups[f->of[cluster]], f->name[f->of[cluster]]);
}

/* Groups that cannot be written as a loop fall apart again. */
static void fuse_collect(fuse_state *f) {
    for (int32_t i = 0; i < f->c.g->n_nodes; i++) {
        bool one = f->c.group[i] == i && f->c.count[i] >= f->wish->least;
        if (!one || (f->c.count[i] == 1 && !gm__emit_may(f->wish->target, f->c.g, &f->c.g->node[i]))) continue;
        f->wanted[i] = fuse_describe(&f->c, i, &f->groups[f->n]);
        if (f->wanted[i]) f->of[i] = (int32_t)f->n++;
        else gm__clusters_dissolve(&f->c, i);
    }
}

/* Texts of the groups; those that are the same text get one function. */
static bool fuse_emit(const gm__target *target, const gm__group *groups, int64_t n, char (*name)[24],
                      gm__builder *text) {
    gm__emit_prelude(text, target, groups, n);
    char **body = gm_alloc((size_t)(n + 1) * sizeof *body);
    for (int64_t i = 0, used = 0; body && i < n; i++) {
        gm__builder b = { 0 };
        gm__emit_group(&b, target, "#", &groups[i]);
        body[i] = b.text;
        int64_t same = 0;
        while (same < i && !(body[same] && b.text && !strcmp(body[same], b.text))) same++;
        if (same < i) memcpy(name[i], name[same], sizeof *name);
        else snprintf(name[i], sizeof *name, "loop%lld", (long long)used++);
        if (same == i) gm__emit_group(text, target, name[i], &groups[i]);
    }
    for (int64_t i = 0; body && i < n; i++) gm_free(body[i]);
    gm_free(body);
    return gm_ok() && !text->failed;
}

/* What the compiler is told about the machine: what the library's own kernels were made for. */
static const char *fuse_flags(void) {
    const char *isa = gm_isa();
    if (!strcmp(isa, "avx512"))
        return "-mavx512f -mavx512dq -mavx512bw -mavx512vl -mavx2 -mfma -mf16c -mprefer-vector-width=512";
    return !strcmp(isa, "avx2") ? "-mavx2 -mfma -mf16c" : NULL;
}

static gm_graph *fuse_write_all(fuse_state *f, gm__builder *text) {
    bool ok = fuse_emit(f->wish->target, f->groups, f->n, f->name, text);
    gm_graph *made = ok ? gm__clusters_write(&f->c, f->wanted, fuse_write, f) : NULL;
    if (made) gm__debug_lines("emit", "loops", strstr(text->text, " loop0("));
    return made;
}

gm_graph *gm__fuse_text(gm_graph *g, const gm__fuse_wish *wish, gm__builder *text) {
    size_t nodes = (size_t)g->n_nodes + 1;
    fuse_state f = { .wish = wish };
    gm_graph *made = NULL;
    f.groups = gm_alloc(nodes * sizeof *f.groups);
    f.of = gm_alloc(nodes * sizeof *f.of);
    f.wanted = gm_alloc(nodes);
    f.name = gm_alloc(nodes * sizeof *f.name);
    if (gm__clusters_begin(&f.c, g) && gm_ok()) {
        fuse_groups(&f.c, wish);
        fuse_collect(&f);
        if (f.n) made = fuse_write_all(&f, text);
    }
    gm__clusters_end(&f.c);
    gm_free(f.groups);
    gm_free(f.of);
    gm_free(f.wanted);
    gm_free(f.name);
    return made;
}

gm_graph *gm__fuse(gm_graph *g, gm__build **build) {
    gm__builder text = { 0 };
    gm_graph *made = gm__fuse_text(g, &(gm__fuse_wish){ &gm__target_c, 2, GM__FUSE_MAX_NODES, true }, &text);
    *build = made ? gm__build_start(text.text, text.n, fuse_flags()) : NULL;
    gm__builder_free(&text);
    return *build ? made : NULL;
}

bool gm__fuse_link(gm_graph *g, gm__build *build) {
    for (int64_t i = 0; i < g->n_nodes; i++) {
        gm__fused *x = gm__fused_of(&g->node[i]);
        if (!x) continue;
        void *address = gm__build_symbol(build, x->name);
        if (!address) return false;
        memcpy(&x->run, &address, sizeof address);
        gm_release(x->build);
        x->build = gm_retain(build);
    }
    return true;
}

/* ---- running ---- */

typedef struct { const gm__fused *loop; int64_t bytes; void *operand[GM__FUSE_MAX_VALUES]; } fused_job;

static void fused_range(void *env, int64_t begin, int64_t end) {
    const fused_job *j = env;
    j->loop->run(begin, end, j->operand, j->loop->size, j->loop->stride);
}

static int32_t fused_infer(const gm_op_args *a, gm_spec *out) {
    (void)out;
    return gm_fail(GM_ERROR_INTERNAL, "%s: not for the dispatcher", a->op->name), -1;
}

static void fused_operands(const gm__fused *x, const gm_op_args *a, gm_tensor **out, void **operand) {
    int32_t from = x->head_in;
    for (int32_t k = 0; k < x->n_out; k++) operand[k] = gm__data(out[k]);
    for (int32_t k = x->n_out; k < x->n_out + x->n_in; k++)
        operand[k] = gm__data(x->head && k == x->head_at ? out[x->head_out] : a->in[from++]);
}

/* Rows of a product, in the order of its memory. */
static void fused_rows(void *env, int64_t batch, int64_t row, int64_t col, int64_t n, void *values, int64_t stride) {
    const fused_job *j = env;
    int64_t at = ((char *)values - (char *)j->operand[j->loop->head_at]) / j->bytes;
    (void)batch, (void)row, (void)col, (void)stride;
    j->loop->run(at, at + n, j->operand, j->loop->size, j->loop->stride);
}

static bool fused_product(const gm_op_args *a, gm_tensor **out, fused_job *j) {
    const gm__fused *x = j->loop;
    gm_op_args head = { x->head, x->head_in, 1, a->in, NULL };
    j->bytes = gm__element_bytes(out[x->head_out]->dtype);
    if (x->head == &gm__op_linear) return gm__linear_run(&head, out[x->head_out], fused_rows, j);
    return gm__matmul_run(&head, out[x->head_out], fused_rows, j);
}

static bool fused_kernel(const gm_op_args *a, gm_tensor **out) {
    const gm__fused *x = ((const gm__fused_attrs *)a->attrs)->loop;
    fused_job j = { .loop = x };
    int64_t count = 1;
    fused_operands(x, a, out, j.operand);
    if (x->head) return fused_product(a, out, &j);
    for (int d = 0; d < x->n; d++) count *= x->size[d];
    double work = x->cost + 2 * (x->n_out + x->n_in); /* 20 us are about 100,000 of these */
    gm_parallel_for(count, (int64_t)(1e5 / work) + 1, fused_range, &j);
    return true;
}

const gm_op gm__op_fused = {
    .size = sizeof(gm_op),
    .name = "fused",
    .version = 1,
    .min_in = 0,
    .max_in = -1,
    .n_out = -1,
    .flags = GM_OP_NO_GRAD,
    .attrs_bytes = sizeof(gm__fused_attrs),
    .attrs = fused_fields,
    .infer = fused_infer,
    .kernel = fused_kernel,
    .doc = "a loop of emitted code",
};
