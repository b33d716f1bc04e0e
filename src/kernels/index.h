/* index.h: rows of elements by index. gather: other = data; scatter: data = other; add: data += other, j ascending.
 * Values that only move are moved as raw elements of their size; integers add wrapping. */
#ifdef GM_KERNEL_DECLARE
#define INDEX_MOVES(bits)                                                                                              \
    GM_KERNEL(void, index_gather_##bits, (const gm__index_row *r, void *data, void *other))                           \
    GM_KERNEL(void, index_scatter_##bits, (const gm__index_row *r, void *data, void *other))
INDEX_MOVES(8)
INDEX_MOVES(16)
INDEX_MOVES(32)
INDEX_MOVES(64)
#undef INDEX_MOVES
GM_KERNEL(void, index_add_f32, (const gm__index_row *r, void *data, void *other))
GM_KERNEL(void, index_add_f64, (const gm__index_row *r, void *data, void *other))
GM_KERNEL(void, index_add_u8, (const gm__index_row *r, void *data, void *other))
GM_KERNEL(void, index_add_u16, (const gm__index_row *r, void *data, void *other))
GM_KERNEL(void, index_add_u32, (const gm__index_row *r, void *data, void *other))
GM_KERNEL(void, index_add_u64, (const gm__index_row *r, void *data, void *other))
/* y[dim] = the chain from +0 over table rows at[i] (times scale[i], two roundings; NULL: 1), i < n, rows `skip` left
 * out. Returns how many were added. */
GM_KERNEL(int64_t, index_bag_f32,
          (int64_t n, const int64_t *at, const void *scale, int64_t skip, int64_t dim, const void *table, void *y))
GM_KERNEL(int64_t, index_bag_f64,
          (int64_t n, const int64_t *at, const void *scale, int64_t skip, int64_t dim, const void *table, void *y))
#else

/* One index for a whole row of neighbours is the row of a table: a loop without indices. */
#define INDEX_ROW(name, T, statement)                                                                                  \
    static void GM_K(index_##name)(const gm__index_row *r, void *data, void *other) {                                  \
        const int64_t n = r->n, *index = r->index, at = r->index_step, dim = r->dim_step, dj = r->data_step;           \
        const int64_t oj = r->other_step;                                                                              \
        if (at == 0 && dj == 1 && oj == 1) {                                                                           \
            T *restrict d = (T *)data + index[0] * dim, *restrict o = other;                                           \
            for (int64_t j = 0; j < n; j++) {                                                                          \
                T *a = d + j, *b = o + j;                                                                              \
                statement;                                                                                             \
            }                                                                                                          \
            return;                                                                                                    \
        }                                                                                                              \
        for (int64_t j = 0; j < n; j++) {                                                                              \
            T *a = (T *)data + index[j * at] * dim + j * dj, *b = (T *)other + j * oj;                                 \
            statement;                                                                                                 \
        }                                                                                                              \
    }
#define INDEX_MOVES(bits, T)                                                                                           \
    INDEX_ROW(gather_##bits, T, *b = *a)                                                                               \
    INDEX_ROW(scatter_##bits, T, *a = *b)
INDEX_MOVES(8, uint8_t)
INDEX_MOVES(16, uint16_t)
INDEX_MOVES(32, uint32_t)
INDEX_MOVES(64, uint64_t)
INDEX_ROW(add_f32, float, *a = *a + *b)
INDEX_ROW(add_f64, double, *a = *a + *b)
INDEX_ROW(add_u8, uint8_t, *a = (uint8_t)(*a + *b))
INDEX_ROW(add_u16, uint16_t, *a = (uint16_t)(*a + *b))
INDEX_ROW(add_u32, uint32_t, *a = *a + *b)
INDEX_ROW(add_u64, uint64_t, *a = *a + *b)
#define INDEX_BAG(name, T)                                                                                             \
    static int64_t GM_K(index_bag_##name)(int64_t n, const int64_t *at, const void *scale, int64_t skip, int64_t dim,  \
                                          const void *table, void *to) {                                               \
        T *restrict y = to;                                                                                            \
        int64_t added = 0;                                                                                             \
        for (int64_t d = 0; d < dim; d++) y[d] = 0;                                                                    \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            const T *restrict row = (const T *)table + at[i] * dim;                                                    \
            if (at[i] == skip) continue;                                                                               \
            added++;                                                                                                   \
            if (!scale) {                                                                                              \
                for (int64_t d = 0; d < dim; d++) y[d] = y[d] + row[d];                                                \
                continue;                                                                                              \
            }                                                                                                          \
            const T by = ((const T *)scale)[i];                                                                        \
            for (int64_t d = 0; d < dim; d++) {                                                                        \
                T product = by * row[d];                                                                               \
                y[d] = y[d] + product;                                                                                 \
            }                                                                                                          \
        }                                                                                                              \
        return added;                                                                                                  \
    }
INDEX_BAG(f32, float)
INDEX_BAG(f64, double)
#undef INDEX_BAG
#undef INDEX_ROW
#undef INDEX_MOVES
#endif
