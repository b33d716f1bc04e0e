/* softmax.h: softmax of dense rows, a group of 32 items for each; its sum is in 32 lanes. Numbers: places of y and x,
 * the length of a row, whether the logarithm is wanted. */
GM_KERNEL K(softmax)(GM_GLOBAL T *y, GM_GLOBAL const T *x, GM_GLOBAL const int64_t *n, int64_t at) {
    GM_LOCAL T all[32];
    n += at;
    const int64_t count = n[2];
    const int lane = GM_LANE_X;
    y += n[0] + GM_GROUP_X * count, x += n[1] + GM_GROUP_X * count;
    T largest = lane < count ? x[lane] : x[0];
    for (int64_t r = lane; r < count; r += 32) largest = M(max)(largest, x[r]);
    all[lane] = largest;
    for (int s = 16; s; s /= 2) {
        GM_BARRIER;
        if (lane < s) all[lane] = M(max)(all[lane], all[lane + s]);
    }
    GM_BARRIER;
    largest = all[0];
    T sum = 0, part = 0, total = 0;
    int64_t k = 0;
    for (int64_t r = lane; r < count; r += 32) {
        const T e = M(exp)(x[r] - largest);
        y[r] = e;
        sum += e;
        if (++k & 127) continue;
        part += sum, sum = 0;
        if (!(k & 8191)) total += part, part = 0;
    }
    part += sum;
    GM_BARRIER;
    all[lane] = total + part;
    for (int s = 16; s; s /= 2) {
        GM_BARRIER;
        if (lane < s) all[lane] += all[lane + s];
    }
    GM_BARRIER;
    const T s = n[3] ? M(log)(all[0]) : all[0];
    for (int64_t r = lane; r < count; r += 32) y[r] = n[3] ? (x[r] - largest) - s : y[r] / s;
}
