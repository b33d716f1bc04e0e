/* f32_wide.h: exponential and logarithm in double, as exact as a float result needs (2^-34 and 2^-51) and no more:
 * branch-free, no integer of 64 bits ever converted, so that loops vectorise where there is no AVX-512 either. Products
 * and sums are separate roundings: with 29 bits to spare a fused step would gain nothing and cost much without the
 * instruction. */

/* e^x, x in [-700, 700] */
GM_INLINE double GM_K(exp_wide)(double x) {
    double t = x * gm__log2e + 0x1.8p52, k = t - 0x1.8p52, r = x - k * 0x1.62e42fefa39efp-1;
    double p = gm_p6(r, 0x1.0000004344394p-1, 0x1.555555ab54be5p-3, 0x1.55547f5e5147ep-5, 0x1.11105c4c226b9p-7,
                     0x1.6d977f8c860a7p-10, 0x1.a1eaecae7c7aep-13);
    double y = 1.0 + (r + r * r * p);
    return gm_from_bitsd(gm_bitsd(y) + (gm_bitsd(t) << 52)); /* the low bits of t are k: add it to the exponent */
}

/* log x for x positive, normal and finite; nonsense elsewhere */
GM_INLINE double GM_K(log_wide)(double x) {
    uint64_t u = gm_bitsd(x) + (0x3ff0000000000000u - 0x3fe6a09e667f3bcdu);
    double k = gm_from_bitsd((u >> 52) | 0x4330000000000000u) - (0x1p52 + 1023.0);
    double f = gm_from_bitsd((u & 0xfffffffffffffu) + 0x3fe6a09e667f3bcdu) - 1.0;
    double s = f / (2.0 + f), z = s * s;
    double r = z * gm_p6(z, 0x1.555555555396cp-1, 0x1.999999a29218bp-2, 0x1.249241783bde2p-2, 0x1.c72277fe847fep-3,
                         0x1.732c22657efeap-3, 0x1.5877e717dd1b9p-3);
    return k * 0x1.62e42fefa39efp-1 + (2.0 * s + s * r);
}
