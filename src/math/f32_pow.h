/* f32_pow.h: x^y = e^(y log x) in double, which has the bits to spare; IEEE 754-2019's special cases by selection. */

GM_INLINE float GM_K(pow_f32)(float x, float y) {
    float a = __builtin_fabsf(x), b = __builtin_fabsf(y);
    double l = GM_K(log_wide)((double)a);
    l = a == 0 ? -gm__infd : l;
    l = a == gm__inff ? gm__infd : l;
    double p = (double)y * l;
    p = p > 200.0 ? 200.0 : p;
    p = p < -200.0 ? -200.0 : p;
    float r = (float)GM_K(exp_wide)(p);
    r = ((y == 0) | (a == 1.0f)) ? 1.0f : r;
    int whole = (__builtin_floorf(b) == b), odd = whole & (__builtin_floorf(0.5f * b) != 0.5f * b);
    r = odd ? GM_K(copysign_f32)(r, x) : r;
    r = ((x < 0) & (a < gm__inff) & !whole) ? gm__nanf : r;
    int one = (x == 1.0f) | (y == 0);
    r = ((x != x) | (y != y)) ? gm__nanf : r;
    return one ? 1.0f : r;
}
