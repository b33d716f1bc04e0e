/* The bits that the numerics contract promises: a hash of the results and gradients of every case, against
 * tests/golden.txt. `--add` writes lines for cases that have none and drops those of cases that are gone; it never
 * changes a line: that takes a hand, and a changed line in docs/numerics. Run for every compiler and instruction set.
 */
#include "op_cases.h"

enum { GOLDEN_MAX = 8192 };
static const char golden_path[] = "tests/golden.txt";
static char golden_key[GOLDEN_MAX][80];
static uint64_t golden_hash[GOLDEN_MAX];
static bool golden_seen[GOLDEN_MAX];
static int golden_n, golden_added;

static void golden_load(void) {
    FILE *f = fopen(golden_path, "r");
    unsigned long long h;
    while (f && golden_n < GOLDEN_MAX && fscanf(f, "%79s %llx", golden_key[golden_n], &h) == 2)
        golden_hash[golden_n++] = h;
    if (f) fclose(f);
}

/* FNV-1a over the values as doubles' bits: every dtype converts exactly; NaN is one value. */
static uint64_t golden_mix(uint64_t h, const gm_tensor *t) {
    int64_t n;
    double *x = case_read(t, &n);
    gm_shape s = gm_shape_of(t);
    h = (h ^ (uint64_t)gm_dtype_of(t)) * 0x100000001b3u;
    for (int d = 0; d < s.n; d++) h = (h ^ (uint64_t)s.d[d]) * 0x100000001b3u;
    for (int64_t i = 0; i < n; i++) {
        uint64_t bits = 0x7ff8000000000000u;
        if (x[i] == x[i]) memcpy(&bits, &x[i], 8);
        for (int b = 0; b < 64; b += 8) h = (h ^ (bits >> b & 255)) * 0x100000001b3u;
    }
    free(x);
    return h;
}

static uint64_t golden_gradients(uint64_t h, gm_tensor *const *out, int n, gm_pack *xs) {
    gm_tensor *l = NULL;
    for (int j = 0; j < n; j++) {
        if (!gm_is_float(gm_dtype_of(out[j])) || !gm_requires_grad(out[j])) continue;
        gm_tensor *w = gm_linspace(-0.7, 0.9, gm_count(out[j]), gm_dtype_of(out[j]));
        gm_tensor *t = gm_sum(gm_mul(out[j], gm_reshape(w, gm_shape_of(out[j]))));
        l = l ? gm_add(l, gm_cast(t, gm_dtype_of(l))) : t;
    }
    gm_pack *g = l ? gm_gradients(l, xs) : NULL;
    for (int64_t k = 0; g && k < gm_pack_count(g); k++) h = golden_mix(h, gm_pack_at(g, k));
    return h;
}

static uint64_t golden_case(const gm_op *op, int k) {
    GM_SCOPE(scope);
    case_inputs c = { 0 };
    gm_tensor *in[CASE_MAX_IN], *out[GM_OP_MAX_OUT];
    if (!case_make(op, k, &c)) return 0;
    gm_pack *xs = gm_pack_new();
    for (int i = 0; i < c.n; i++) {
        in[i] = c.in[i].t;
        if (!c.in[i].want_grad) continue;
        gm_set_requires_grad(in[i], true);
        gm_pack_set(xs, NULL, in[i]);
    }
    int n = gm_op_call(op, in, c.n, op->cases[k].attrs, out, GM_OP_MAX_OUT);
    uint64_t h = 0xcbf29ce484222325u;
    for (int j = 0; j < n; j++) h = golden_mix(h, out[j]);
    h = golden_gradients(h, out, n, xs);
    CHECK(n > 0 && gm_ok(), "%s case %d: %s", op->name, k, gm_error_message());
    gm_error_clear();
    return h;
}

static void golden_compare(const char *key, uint64_t h, bool add) {
    for (int i = 0; i < golden_n; i++) {
        if (strcmp(golden_key[i], key)) continue;
        golden_seen[i] = true;
        CHECK(golden_hash[i] == h, "%s: %016llx, golden %016llx (%s)", key, (unsigned long long)h,
              (unsigned long long)golden_hash[i], gm_isa());
        return;
    }
    CHECK(add, "%s has no line in %s: run test_golden --add", key, golden_path);
    if (!add || golden_n == GOLDEN_MAX) return;
    snprintf(golden_key[golden_n], sizeof golden_key[0], "%s", key);
    golden_hash[golden_n] = h;
    golden_seen[golden_n++] = true;
    golden_added++;
}

static int golden_order(const void *a, const void *b) {
    return strcmp(golden_key[*(const int *)a], golden_key[*(const int *)b]);
}

static void golden_write(void) {
    static int order[GOLDEN_MAX];
    int n = 0;
    for (int i = 0; i < golden_n; i++)
        if (golden_seen[i]) order[n++] = i;
    qsort(order, (size_t)n, sizeof *order, golden_order);
    if (!golden_added && n == golden_n) return;
    FILE *f = fopen(golden_path, "w");
    CHECK(f != NULL);
    for (int i = 0; f && i < n; i++)
        fprintf(f, "%s %016llx\n", golden_key[order[i]], (unsigned long long)golden_hash[order[i]]);
    if (f) fclose(f);
}

int main(int argc, char **argv) {
    bool add = argc > 1 && !strcmp(argv[1], "--add");
    int cases = 0;
    golden_load();
    for (int i = 0; gm_op_at(i); i++)
        for (int k = 0; gm_op_at(i)->cases && gm_op_at(i)->cases[k].in; k++, cases++) {
            char key[80];
            snprintf(key, sizeof key, "%s.%d", gm_op_at(i)->name, k);
            golden_compare(key, golden_case(gm_op_at(i), k), add);
        }
    if (add) golden_write();
    printf("%s: %d cases executed\n", gm_isa(), cases);
    CHECK(gm_exit_status() == 0);
    return check_done();
}
