/* conv.h: convolution and pooling, an item for each result. Three spatial dimensions, the first ones 1 where there are
 * fewer. Numbers: places of y, x, w, bias; results; channels in and out of a group, groups; sizes of y (5) and of x,
 * the window, strides, dilations, padding (3 each); strides of y, x and w (5 each); whether there is a bias. */

/* The places of an item in five dimensions; returns where it lies, with these steps. */
GM_INLINE int64_t K(place)(int64_t item, GM_GLOBAL const int64_t *size, GM_GLOBAL const int64_t *step, int64_t *place) {
    int64_t off = 0;
    for (int d = 4; d >= 0; d--) {
        place[d] = item % size[d];
        item /= size[d];
        off += place[d] * step[d];
    }
    return off;
}

/* The dot-like sum over (window position, channel); taps outside are products with zero. */
GM_KERNEL K(conv)(GM_GLOBAL T *y, GM_GLOBAL const T *x, GM_GLOBAL const T *w, GM_GLOBAL const T *bias,
                  GM_GLOBAL const int64_t *n, int64_t at) {
    n += at;
    GM_GLOBAL const int64_t *size = n + 8, *in = n + 13, *window = n + 16, *stride = n + 19, *dilation = n + 22;
    GM_GLOBAL const int64_t *pad = n + 25, *sy = n + 28, *sx = n + 33, *sw = n + 38;
    int64_t place[5], count = 0;
    if (GM_ITEM_X >= n[4]) return;
    y += n[0], x += n[1], w += n[2];
    y += K(place)(GM_ITEM_X, size, sy, place);
    x += place[0] * sx[0] + place[1] / n[6] * n[5] * sx[1];
    w += place[1] * sw[0];
    T acc = 0, part = 0, total = 0;
    for (int64_t a = 0; a < window[0]; a++)
        for (int64_t b = 0; b < window[1]; b++)
            for (int64_t c = 0; c < window[2]; c++) {
                const int64_t p = place[2] * stride[0] - pad[0] + a * dilation[0];
                const int64_t q = place[3] * stride[1] - pad[1] + b * dilation[1];
                const int64_t r = place[4] * stride[2] - pad[2] + c * dilation[2];
                const int inside = p >= 0 && p < in[0] && q >= 0 && q < in[1] && r >= 0 && r < in[2];
                for (int64_t k = 0; k < n[5]; k++) {
                    const T v = inside ? x[k * sx[1] + p * sx[2] + q * sx[3] + r * sx[4]] : (T)0;
                    acc = FMA(v, w[k * sw[1] + a * sw[2] + b * sw[3] + c * sw[4]], acc);
                    if (++count & 255) continue;
                    part += acc, acc = 0;
                    if (!(count & 16383)) total += part, part = 0;
                }
            }
    part += acc;
    total += part;
    *y = n[43] ? total + bias[n[3] + place[1]] : total;
}

/* The first maximum of a window; a NaN is the largest. The numbers of a convolution, of which those of w are not used.
 */
GM_KERNEL K(max_pool)(GM_GLOBAL T *y, GM_GLOBAL const T *x, GM_GLOBAL const int64_t *n, int64_t at) {
    n += at;
    GM_GLOBAL const int64_t *size = n + 8, *in = n + 13, *window = n + 16, *stride = n + 19, *dilation = n + 22;
    GM_GLOBAL const int64_t *pad = n + 25, *sy = n + 28, *sx = n + 33;
    int64_t place[5];
    if (GM_ITEM_X >= n[4]) return;
    y += n[0], x += n[1];
    y += K(place)(GM_ITEM_X, size, sy, place);
    x += place[0] * sx[0] + place[1] * sx[1];
    T best = -(T)__builtin_inf();
    int any = 0;
    for (int64_t a = 0; a < window[0]; a++)
        for (int64_t b = 0; b < window[1]; b++)
            for (int64_t c = 0; c < window[2]; c++) {
                const int64_t p = place[2] * stride[0] - pad[0] + a * dilation[0];
                const int64_t q = place[3] * stride[1] - pad[1] + b * dilation[1];
                const int64_t r = place[4] * stride[2] - pad[2] + c * dilation[2];
                if (p < 0 || p >= in[0] || q < 0 || q >= in[1] || r < 0 || r >= in[2]) continue;
                const T v = x[p * sx[2] + q * sx[3] + r * sx[4]];
                if (!any || v > best || (v != v && best == best)) best = v, any = 1;
            }
    *y = best;
}
