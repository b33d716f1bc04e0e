/* sum.h: the two orders of sums: 32 lanes, and chains of fma in chunks. */
typedef struct { T lane[32], part[32], total[32]; int64_t n; } K(lanes);
typedef struct { T acc, part, total; int64_t n; } K(chain);

FN void K(lanes_fold)(T *to, T *from) {
    for (int i = 0; i < 32; i++) to[i] += from[i], from[i] = 0;
}

FN void K(lanes_add)(K(lanes) *s, T v) {
    s->lane[s->n++ & 31] += v;
    if (s->n & 4095) return;
    K(lanes_fold)(s->part, s->lane);
    if (!(s->n & 262143)) K(lanes_fold)(s->total, s->part);
}

FN T K(lanes_end)(K(lanes) *s) {
    K(lanes_fold)(s->part, s->lane);
    K(lanes_fold)(s->total, s->part);
    for (int w = 16; w; w /= 2)
        for (int i = 0; i < w; i++) s->total[i] += s->total[i + w];
    return s->total[0];
}

FN void K(chain_fma)(K(chain) *s, T a, T b) {
    s->acc = FMA(a, b, s->acc);
    if (++s->n & 255) return;
    s->part += s->acc, s->acc = 0;
    if (!(s->n & 16383)) s->total += s->part, s->part = 0;
}

FN T K(chain_end)(K(chain) *s) {
    s->part += s->acc;
    return s->total + s->part;
}

/* The sum of x[0], x[step] ..., n of them. */
FN T K(row_sum)(int lanes, int64_t n, const T *x, int64_t step) {
    K(lanes) s = { { 0 }, { 0 }, { 0 }, 0 };
    K(chain) c = { 0, 0, 0, 0 };
    for (int64_t i = 0; i < n; i++)
        if (lanes) K(lanes_add)(&s, x[i * step]);
        else K(chain_fma)(&c, x[i * step], 1);
    return lanes ? K(lanes_end)(&s) : K(chain_end)(&c);
}

/* op 0: sum / count, 1: max, 2: min; y is dense. */
FN T K(reduce_one)(const gm_walk *w, int op, int lanes, const T *x) {
    int64_t at[16] = { 0 }, off = 0, n = gm_product(w->n_reduced, w->reduced);
    K(lanes) s = { { 0 }, { 0 }, { 0 }, 0 };
    K(chain) c = { 0, 0, 0, 0 };
    T best = n ? x[0] : 0;
    for (int64_t i = 0; i < n; i++) {
        if (op) best = op == 1 ? M(max)(best, x[off]) : M(min)(best, x[off]);
        else if (lanes) K(lanes_add)(&s, x[off]);
        else K(chain_fma)(&c, x[off], 1);
        gm_next(w->n_reduced, w->reduced, w->reduced_stride, at, &off);
    }
    return op ? best : lanes ? K(lanes_end)(&s) : K(chain_end)(&c);
}

FN void K(reduce)(const gm_walk *w, int op, int lanes, int64_t count, const T *x, T *y) {
    int64_t at[16] = { 0 }, off = 0, n = gm_product(w->n_kept, w->kept);
    for (int64_t i = 0; i < n; i++) {
        y[i] = K(reduce_one)(w, op, lanes, x + off);
        if (count) y[i] /= (T)count;
        gm_next(w->n_kept, w->kept, w->kept_stride, at, &off);
    }
}
