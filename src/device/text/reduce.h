/* reduce.h: sums in 32 lanes, a group of 32 items for each; chains and choosing, an item for each. The orders are those
 * of docs/numerics.md. Numbers: places of y and x, dimensions kept and reduced, elements reduced, elements to divide by
 * or 0, results; then sizes and strides of the kept dimensions, sizes and strides of the reduced ones. */

/* Where element `at` of n dimensions lies: sizes, then strides. */
GM_INLINE int64_t K(walk)(int64_t at, int64_t n, GM_GLOBAL const int64_t *size) {
    int64_t off = 0;
    for (int64_t d = n - 1; d >= 0; d--) {
        off += at % size[d] * size[n + d];
        at /= size[d];
    }
    return off;
}

GM_KERNEL K(sum_lanes)(GM_GLOBAL T *y, GM_GLOBAL const T *x, GM_GLOBAL const int64_t *n, int64_t at) {
    GM_LOCAL T all[32];
    n += at;
    const int64_t o = GM_GROUP_X, kept = n[2], reduced = n[3], count = n[4];
    GM_GLOBAL const int64_t *inner = n + 7 + 2 * kept;
    const int lane = GM_LANE_X;
    T sum = 0, part = 0, total = 0;
    int64_t k = 0;
    x += n[1] + K(walk)(o, kept, n + 7);
    for (int64_t r = lane; r < count; r += 32) {
        sum += x[K(walk)(r, reduced, inner)];
        if (++k & 127) continue;
        part += sum, sum = 0;
        if (!(k & 8191)) total += part, part = 0;
    }
    part += sum;
    all[lane] = total + part;
    for (int s = 16; s; s /= 2) {
        GM_BARRIER;
        if (lane < s) all[lane] += all[lane + s];
    }
    if (!lane) y[n[0] + o] = n[5] ? all[0] / (T)n[5] : all[0];
}

GM_KERNEL K(sum_chain)(GM_GLOBAL T *y, GM_GLOBAL const T *x, GM_GLOBAL const int64_t *n, int64_t at) {
    n += at;
    const int64_t o = GM_ITEM_X, kept = n[2], reduced = n[3], count = n[4];
    GM_GLOBAL const int64_t *inner = n + 7 + 2 * kept;
    T sum = 0, part = 0, total = 0;
    if (o >= n[6]) return;
    x += n[1] + K(walk)(o, kept, n + 7);
    for (int64_t r = 0; r < count; r++) {
        sum += x[K(walk)(r, reduced, inner)];
        if ((r & 255) != 255) continue;
        part += sum, sum = 0;
        if ((r & 16383) == 16383) total += part, part = 0;
    }
    part += sum;
    total += part;
    y[n[0] + o] = n[5] ? total / (T)n[5] : total;
}

GM_KERNEL K(largest)(GM_GLOBAL T *y, GM_GLOBAL const T *x, GM_GLOBAL const int64_t *n, int64_t at) {
    n += at;
    const int64_t o = GM_ITEM_X, kept = n[2];
    if (o >= n[6]) return;
    x += n[1] + K(walk)(o, kept, n + 7);
    T best = x[0];
    for (int64_t r = 1; r < n[4]; r++) best = M(max)(best, x[K(walk)(r, n[3], n + 7 + 2 * kept)]);
    y[n[0] + o] = best;
}

GM_KERNEL K(smallest)(GM_GLOBAL T *y, GM_GLOBAL const T *x, GM_GLOBAL const int64_t *n, int64_t at) {
    n += at;
    const int64_t o = GM_ITEM_X, kept = n[2];
    if (o >= n[6]) return;
    x += n[1] + K(walk)(o, kept, n + 7);
    T best = x[0];
    for (int64_t r = 1; r < n[4]; r++) best = M(min)(best, x[K(walk)(r, n[3], n + 7 + 2 * kept)]);
    y[n[0] + o] = best;
}

/* The first place of the largest, or (n[5]) the smallest; a NaN is both. */
GM_KERNEL K(where_best)(GM_GLOBAL int64_t *y, GM_GLOBAL const T *x, GM_GLOBAL const int64_t *n, int64_t at) {
    n += at;
    const int64_t o = GM_ITEM_X, kept = n[2];
    if (o >= n[6]) return;
    x += n[1] + K(walk)(o, kept, n + 7);
    int64_t best = 0;
    T a = x[0];
    for (int64_t r = 1; r < n[4]; r++) {
        const T b = x[K(walk)(r, n[3], n + 7 + 2 * kept)];
        if (a == a && (b != b || (n[5] ? b < a : b > a))) best = r, a = b;
    }
    y[n[0] + o] = best;
}
