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

/* n elements of a line, where s is at the beginning of a group of lanes. */
FN void K(lanes_line)(K(lanes) *s, int64_t n, const T *x) {
    int64_t i = 0;
    while (n - i >= 32) {
        const int64_t left = 4096 - (s->n & 4095), end = i + gm_least(left, (n - i) / 32 * 32);
        s->n += end - i;
        for (; i < end; i += 32)
            for (int l = 0; l < 32; l++) s->lane[l] += x[i + l];
        if (s->n & 4095) continue;
        K(lanes_fold)(s->part, s->lane);
        if (!(s->n & 262143)) K(lanes_fold)(s->total, s->part);
    }
    for (; i < n; i++) K(lanes_add)(s, x[i]);
}

/* The sum of x[0], x[step] ..., n of them. */
FN T K(row_sum)(int lanes, int64_t n, const T *x, int64_t step) {
    K(lanes) s = { { 0 }, { 0 }, { 0 }, 0 };
    K(chain) c = { 0, 0, 0, 0 };
    if (lanes && step == 1) {
        K(lanes_line)(&s, n, x);
        return K(lanes_end)(&s);
    }
    for (int64_t i = 0; i < n; i++)
        if (lanes) K(lanes_add)(&s, x[i * step]);
        else K(chain_fma)(&c, x[i * step], 1);
    return lanes ? K(lanes_end)(&s) : K(chain_end)(&c);
}

/* Chains of x, or of x * y, for m <= 64 neighbours in the last dimension that is kept. */
FN void K(column_chains)(const gm_walk *w, const gm_walk *v, int64_t m, const T *x, const T *y, T *out) {
    int64_t at[16] = { 0 }, also[16] = { 0 }, off = 0, other = 0, n = gm_product(w->n_reduced, w->reduced);
    const int64_t s = w->kept_stride[w->n_kept - 1], u = y ? v->kept_stride[v->n_kept - 1] : 0;
    T acc[64], part[64], total[64];
    for (int64_t j = 0; j < m; j++) acc[j] = part[j] = total[j] = 0;
    for (int64_t i = 0; i < n;) {
        const T *a = x + off, *b = y ? y + other : NULL;
        if (y)
            for (int64_t j = 0; j < m; j++) acc[j] = FMA(a[j * s], b[j * u], acc[j]);
        else if (s == 1)
            for (int64_t j = 0; j < m; j++) acc[j] += a[j];
        else
            for (int64_t j = 0; j < m; j++) acc[j] += a[j * s];
        gm_next(w->n_reduced, w->reduced, w->reduced_stride, at, &off);
        if (y) gm_next(v->n_reduced, v->reduced, v->reduced_stride, also, &other);
        if (++i & 255 && i < n) continue;
        for (int64_t j = 0; j < m; j++) part[j] += acc[j], acc[j] = 0;
        for (int64_t j = 0; j < m && !(i & 16383); j++) total[j] += part[j], part[j] = 0;
    }
    for (int64_t j = 0; j < m; j++) out[j] = total[j] + part[j];
}

/* Up to 16 chunks of 256 elements side by side, b[i * 16 + chunk], from a walk's place on; what is missing is 0. */
FN void K(chunks)(const gm_walk *w, int64_t *at, int64_t *off, int64_t n, const T *x, T *b) {
    const int64_t last = w->n_reduced - 1, s = w->reduced_stride[last];
    int64_t q = 0;
    while (q < n) {
        const int64_t run = gm_least(gm_least(w->reduced[last] - at[last], 256 - q % 256), n - q);
        T *to = b + q % 256 * 16 + q / 256;
        for (int64_t j = 0; j < run; j++) to[j * 16] = x[*off + j * s];
        q += run, at[last] += run - 1, *off += (run - 1) * s;
        gm_next(w->n_reduced, w->reduced, w->reduced_stride, at, off);
    }
    for (; q % 256; q++) b[q % 256 * 16 + q / 256] = 0;
}

/* op 0: sum / count, 1: max, 2: min; y is dense. */
FN T K(reduce_one)(const gm_walk *w, int op, int lanes, const T *x) {
    int64_t at[16] = { 0 }, off = 0, n = gm_product(w->n_reduced, w->reduced);
    const int64_t run = w->reduced[w->n_reduced - 1], step = w->reduced_stride[w->n_reduced - 1];
    K(lanes) s = { { 0 }, { 0 }, { 0 }, 0 };
    K(chain) c = { 0, 0, 0, 0 };
    T best = n ? x[0] : 0;
    for (int64_t i = 0; i < n;) {
        if (!op && lanes && step == 1 && !(s.n & 31) && !at[w->n_reduced - 1]) {
            K(lanes_line)(&s, run, x + off);
            i += run, at[w->n_reduced - 1] = run - 1, off += run - 1;
            gm_next(w->n_reduced, w->reduced, w->reduced_stride, at, &off);
            continue;
        }
        if (op) best = op == 1 ? M(max)(best, x[off]) : M(min)(best, x[off]);
        else if (lanes) K(lanes_add)(&s, x[off]);
        else K(chain_fma)(&c, x[off], 1);
        gm_next(w->n_reduced, w->reduced, w->reduced_stride, at, &off);
        i++;
    }
    return op ? best : lanes ? K(lanes_end)(&s) : K(chain_end)(&c);
}

FN void K(reduce)(const gm_walk *w, int op, int lanes, int64_t count, const T *x, T *y) {
    int64_t at[16] = { 0 }, off = 0, n = gm_product(w->n_kept, w->kept), last = w->kept[w->n_kept - 1];
    for (int64_t i = 0; i < n;) {
        int64_t m = 1;
        if (!op && !lanes && last > 1) {
            m = gm_least(64, last - at[w->n_kept - 1]);
            K(column_chains)(w, NULL, m, x + off, NULL, y + i);
            at[w->n_kept - 1] += m - 1, off += (m - 1) * w->kept_stride[w->n_kept - 1];
        } else y[i] = K(reduce_one)(w, op, lanes, x + off);
        for (int64_t j = 0; count && j < m; j++) y[i + j] /= (T)count;
        gm_next(w->n_kept, w->kept, w->kept_stride, at, &off);
        i += m;
    }
}
