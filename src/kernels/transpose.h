/* transpose.h: zips and square transposes of native vectors, part of the vocabulary (vocab.h includes it).
 *
 * gm_ziplo(a, b) is a0 b0 a1 b1 ..., gm_ziphi the same of the upper halves. log2(n) rounds in which row i is zipped
 * with row i + n / 2 transpose an n x n block: the one formula serves every vector length and both types. */

#if GM_VBYTES == 64
#  define gm_ziplo(a, b) \
    __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#  define gm_ziphi(a, b) \
    __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#  define gm_ziplod(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#  define gm_ziphid(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#elif GM_VBYTES == 32
#  define gm_ziplo(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#  define gm_ziphi(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#  define gm_ziplod(a, b) __builtin_shufflevector(a, b, 0, 4, 1, 5)
#  define gm_ziphid(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#else
#  define gm_ziplo(a, b) __builtin_shufflevector(a, b, 0, 4, 1, 5)
#  define gm_ziphi(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#  define gm_ziplod(a, b) __builtin_shufflevector(a, b, 0, 2)
#  define gm_ziphid(a, b) __builtin_shufflevector(a, b, 1, 3)
#endif

#define gm_vturn(v) GM_K(transpose)(v)
#define gm_vturnd(v) GM_K(transposed)(v)

/* v[GM_VF]: element j of vector i moves to element i of vector j. */
GM_INLINE void GM_K(transpose)(gm_v *v) {
    GM_UNROLL
    for (int n = 1; n < GM_VF; n *= 2) {
        gm_v w[GM_VF];
        GM_UNROLL
        for (int i = 0; i < GM_VF; i++) w[i] = v[i];
        GM_UNROLL
        for (int i = 0; i < GM_VF / 2; i++) {
            v[2 * i] = gm_ziplo(w[i], w[i + GM_VF / 2]);
            v[2 * i + 1] = gm_ziphi(w[i], w[i + GM_VF / 2]);
        }
    }
}

GM_INLINE void GM_K(transposed)(gm_vd *v) {
    GM_UNROLL
    for (int n = 1; n < GM_VD; n *= 2) {
        gm_vd w[GM_VD];
        GM_UNROLL
        for (int i = 0; i < GM_VD; i++) w[i] = v[i];
        GM_UNROLL
        for (int i = 0; i < GM_VD / 2; i++) {
            v[2 * i] = gm_ziplod(w[i], w[i + GM_VD / 2]);
            v[2 * i + 1] = gm_ziphid(w[i], w[i + GM_VD / 2]);
        }
    }
}
