/* matmul.h: products of matrices in tiles of 16 by 16, an item for each result: chains of 256 fma, 64 of which are a
 * part. Behind the last k lie zeros in both, which change nothing. Numbers: places of c, a, b and the bias; m, n, k;
 * strides (row, column) of a and b, the row's of c; whether there is a bias; how many dimensions of products there are,
 * their sizes, and the strides of c, a, b in them. */
GM_KERNEL K(matmul)(GM_GLOBAL T *c, GM_GLOBAL const T *a, GM_GLOBAL const T *b, GM_GLOBAL const T *bias,
                    GM_GLOBAL const int64_t *n, int64_t at) {
    GM_LOCAL T ta[16][17], tb[16][17];
    n += at;
    const int64_t rows = n[4], columns = n[5], depth = n[6], down = (rows + 15) / 16, dims = n[13];
    const int x = GM_LANE_X, y = GM_LANE_Y;
    const int64_t i = GM_GROUP_Y % down * 16 + y, j = GM_GROUP_X * 16 + x;
    int64_t product = GM_GROUP_Y / down;
    c += n[0], a += n[1], b += n[2], bias += n[3];
    for (int64_t d = dims - 1; d >= 0; d--) {
        GM_GLOBAL const int64_t *size = n + 14 + d;
        c += product % size[0] * size[dims];
        a += product % size[0] * size[2 * dims];
        b += product % size[0] * size[3 * dims];
        product /= size[0];
    }
    T acc = 0, part = 0, total = 0;
    for (int64_t p = 0; p < depth; p += 16) {
        ta[y][x] = i < rows && p + x < depth ? a[i * n[7] + (p + x) * n[8]] : (T)0;
        tb[y][x] = j < columns && p + y < depth ? b[(p + y) * n[9] + j * n[10]] : (T)0;
        GM_BARRIER;
        for (int q = 0; q < 16; q++) acc = FMA(ta[y][q], tb[q][x], acc);
        GM_BARRIER;
        if ((p & 255) != 240) continue;
        part += acc, acc = 0;
        if ((p & 16383) == 16368) total += part, part = 0;
    }
    part += acc;
    total += part;
    if (i < rows && j < columns) c[i * n[11] + j] = n[12] ? total + bias[j] : total;
}
