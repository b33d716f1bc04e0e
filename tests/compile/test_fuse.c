/* Loops of emitted code against the library's kernels, bit for bit: random programs of elementwise operations over
 * broadcast, strided, channels-last and narrow operands, many in one program, every other one in strips of one entry.
 * GM_FUZZ_PROGRAMS: how many. */
#include "tensors.h"
#include "compile/strip.h"

#include <stdlib.h>

enum { POOL = 12, PER_PROGRAM = 40, OPERATIONS = 14 };

typedef struct { uint64_t state; int32_t n; gm_dtype dtype; bool last; } program;

static uint32_t draw(program *p, uint32_t below) {
    p->state = p->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(p->state >> 33) % below;
}

static gm_tensor *unary(program *p, gm_tensor *a) {
    switch (draw(p, 16)) {
    case 0: return gm_neg(a);
    case 1: return gm_relu(a);
    case 2: return gm_tanh(a);
    case 3: return gm_sigmoid(a);
    case 4: return gm_exp(gm_minimum_scalar(a, 4));
    case 5: return gm_square(a);
    case 6: return gm_abs(a);
    case 7: return gm_mul_scalar(a, 0.37);
    case 8: return gm_add_scalar(a, -1.25);
    case 9: return gm_clamp(a, -2, 2);
    case 10: return gm_silu(a);
    case 11: return gm_gelu(a);
    case 12: return gm_rsub_scalar(a, 0.5);
    case 13: return gm_floor(a);
    case 14: return gm_log(gm_add_scalar(gm_abs(a), 0.125));
    default: return gm_sqrt(gm_abs(a));
    }
}

static gm_tensor *binary(program *p, gm_tensor *a, gm_tensor *b) {
    switch (draw(p, 8)) {
    case 0: return gm_add(a, b);
    case 1: return gm_sub(a, b);
    case 2: return gm_mul(a, b);
    case 3: return gm_maximum(a, b);
    case 4: return gm_minimum(a, b);
    case 5: return gm_div(a, gm_add_scalar(gm_abs(b), 0.5));
    case 6: return gm_where(gm_gt(a, b), a, gm_mul_scalar(b, 0.5));
    default: return gm_fma(a, b, a);
    }
}

/* A view now and then; and a way through another dtype. */
static gm_tensor *change(program *p, gm_tensor *a) {
    int n = gm_n_dims(a);
    switch (draw(p, 6)) {
    case 0: return n > 1 ? gm_transpose(gm_contiguous(gm_transpose(a, 0, n - 1)), 0, n - 1) : a;
    case 1: return gm_cast(gm_cast(a, GM_F64), p->dtype);
    case 2: return n ? gm_flip(a, (int32_t[]){ n - 1 }, 1) : a;
    case 3: return gm_cast(gm_gt_scalar(a, 0.25), p->dtype);
    case 4: return n ? gm_sum_dim(a, n - 1, true) : a;
    default: return gm_cast(gm_cast(a, GM_BF16), p->dtype);
    }
}

/* The same operations for the same state, on whatever tensors. */
static gm_tensor *random_values(program *p, gm_tensor *const *in, int n_in) {
    gm_tensor *pool[POOL], *sum = NULL;
    for (int i = 0; i < POOL; i++) pool[i] = in[i % n_in];
    for (int i = 0; i < OPERATIONS; i++) {
        uint32_t kind = draw(p, 10), to = draw(p, POOL), a = draw(p, POOL), b = draw(p, POOL);
        pool[to] = kind < 4 ? unary(p, pool[a]) : kind < 8 ? binary(p, pool[a], pool[b]) : change(p, pool[a]);
    }
    for (int i = 0; i < POOL; i += 4) sum = sum ? gm_add(sum, pool[i]) : pool[i];
    return sum;
}

static gm_pack *body(void *env, gm_pack *in) {
    program p = *(const program *)env;
    gm_tensor *list[4];
    gm_pack *out = gm_pack_new();
    for (int i = 0; i < 4; i++) list[i] = gm_pack_at(in, i);
    for (int32_t k = 0; k < p.n; k++) {
        char name[16];
        snprintf(name, sizeof name, "%d", k);
        gm_pack_set(out, name, random_values(&p, list, 4));
    }
    return out;
}

static gm_tensor *input(program *p, gm_shape s) {
    gm_tensor *x = gm_cast(gm_randn(s, GM_F32), p->dtype);
    return p->last && s.n == 4 ? gm_channels_last(x) : x;
}

/* NaNs have many bits: as numbers they are one. */
static gm_tensor *settle(gm_tensor *x) { return gm_where(gm_isnan(x), gm_full_like(x, 12345), x); }

static void compare(program p, int64_t *loops) {
    GM_SCOPE(s);
    gm_pack *in = gm_pack_new();
    gm_shape shapes[] = { GM_SHAPE(2, 3, 4, 5), GM_SHAPE(3, 1, 1), GM_SHAPE(4, 5), { 0 } };
    char name[2] = "a";
    for (int i = 0; i < 4; i++, name[0]++) gm_pack_set(in, name, input(&p, shapes[i]));
    gm_fn *f = gm_jit(gm_function(body, (void *)&p));
    gm_pack *eager = body(&p, in), *first = gm_call_pack(f, in);
    CHECK(gm_jit_wait(f), "%s", gm_ok() ? "not built" : gm_error_message());
    gm_pack *built = gm_call_pack(f, in);
    gm_jit_stats t = gm_jit_statistics(f);
    CHECK(t.runs == 2 && t.built == 1 && t.last_kernels > 0);
    *loops += t.last_kernels;
    for (int64_t i = 0; gm_ok() && i < p.n; i++) {
        gm_tensor *want = settle(gm_pack_at(eager, i));
        CHECK(same_bits(want, settle(gm_pack_at(first, i))) && same_bits(want, settle(gm_pack_at(built, i))),
              "program %lld of state %llu, %s%s", (long long)i, (unsigned long long)p.state, gm_dtype_name(p.dtype),
              p.last ? ", channels-last" : "");
    }
    CHECK(gm_ok(), "%s", gm_ok() ? "" : gm_error_message());
    gm_error_clear();
}

static void random_programs(void) {
    const char *wanted = getenv("GM_FUZZ_PROGRAMS");
    int64_t n = wanted ? atoll(wanted) : 240, made = 0, loops = 0;
    static const gm_dtype dtypes[] = { GM_F32, GM_F32, GM_F64, GM_BF16, GM_F16 };
    for (uint64_t seed = 1; made < n; seed++, made += PER_PROGRAM) {
        gm__strips_limit(seed % 2 ? (gm__strip_limits){ 0 } : (gm__strip_limits){ 1, 0, 1 });
        compare((program){ seed * 7919, PER_PROGRAM, dtypes[seed % 5], seed % 3 == 0 }, &loops);
    }
    gm__strips_limit((gm__strip_limits){ 0 });
    printf("%lld random programs, %lld kernels\n", (long long)made, (long long)loops);
}

/* Sixty operations in a row are one loop; a sum of forty tensors is a few, for want of room for so many operands. */
static gm_pack *long_chain(void *env, gm_pack *in) {
    gm_tensor *x = gm_pack_at(in, 0), *sum = gm_pack_at(in, 0);
    (void)env;
    for (int i = 0; i < 30; i++) x = gm_add_scalar(gm_mul_scalar(x, 0.75), 0.125 * i);
    for (int i = 1; i < 40; i++) sum = gm_add(sum, gm_pack_at(in, i));
    return GM_PACK({ "chain", x, NULL }, { "sum", sum, NULL });
}

static void long_chains(void) {
    GM_SCOPE(s);
    gm_pack *in = gm_pack_new();
    for (int i = 0; i < 40; i++) {
        char name[8];
        snprintf(name, sizeof name, "%d", i);
        gm_pack_set(in, name, gm_randn(GM_SHAPE(7, 9), GM_F32));
    }
    gm_fn *f = gm_jit(gm_functionp(long_chain, NULL, NULL));
    gm_pack *eager = long_chain(NULL, in);
    gm_call_pack(f, in), gm_call_pack(f, in);
    CHECK(gm_jit_wait(f));
    gm_pack *built = gm_call_pack(f, in);
    for (int i = 0; i < 2; i++) CHECK(same_bits(gm_pack_at(eager, i), gm_pack_at(built, i)), "%d", i);
    gm_jit_stats t = gm_jit_statistics(f);
    CHECK(t.last_kernels >= 2 && t.last_kernels <= 4, "%lld kernels", (long long)t.last_kernels);
}

int main(void) {
    long_chains();
    RUN(random_programs);
    CHECK(gm_exit_status() == 0);
    return check_done();
}
