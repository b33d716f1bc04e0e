/* optimize_body.h: the kernels of optimize.h for one type, OPTIMIZE_T. Options are loop-invariant conditions, which
 * both compilers move out of the loops. */

static void OPTIMIZE_K(sgd)(int64_t n, const double *s, int32_t flags, void *const *t) {
    OPTIMIZE_T *restrict p = t[0], *restrict b = t[2];
    const OPTIMIZE_T *restrict g = t[1];
    OPTIMIZE_T lr = (OPTIMIZE_T)s[0], mu = (OPTIMIZE_T)s[1], wd = (OPTIMIZE_T)s[2];
    bool decay = s[2] != 0, first = flags & 1, nesterov = flags & 2;
    for (int64_t i = 0; i < n; i++) {
        OPTIMIZE_T d = g[i], w = wd * p[i];
        d = decay ? d + w : d;
        if (b) {
            OPTIMIZE_T old = mu * b[i], next = first ? d : old + d;
            b[i] = next;
            OPTIMIZE_T ahead = mu * next;
            d = nesterov ? d + ahead : next;
        }
        OPTIMIZE_T move = lr * d;
        p[i] = p[i] - move;
    }
}

static void OPTIMIZE_K(adam)(int64_t n, const double *s, int32_t flags, void *const *t) {
    OPTIMIZE_T *restrict p = t[0], *restrict m = t[2], *restrict v = t[3];
    const OPTIMIZE_T *restrict g = t[1];
    OPTIMIZE_T k1 = (OPTIMIZE_T)s[0], k2 = (OPTIMIZE_T)s[1], b2 = (OPTIMIZE_T)s[2], root = (OPTIMIZE_T)s[3];
    OPTIMIZE_T eps = (OPTIMIZE_T)s[4], rate = (OPTIMIZE_T)s[5], wd = (OPTIMIZE_T)s[6], shrink = (OPTIMIZE_T)s[7];
    bool decay = s[6] != 0;
    (void)flags;
    for (int64_t i = 0; i < n; i++) {
        OPTIMIZE_T d = g[i], w = wd * p[i];
        d = decay ? d + w : d;
        OPTIMIZE_T old = b2 * v[i];
        m[i] = OPTIMIZE_FMA(k1, d - m[i], m[i]);
        v[i] = OPTIMIZE_FMA(k2, d * d, old);
        OPTIMIZE_T den = OPTIMIZE_SQRT(v[i]) / root;
        OPTIMIZE_T move = rate * (m[i] / (den + eps)), kept = p[i] * shrink;
        p[i] = kept - move;
    }
}

static void OPTIMIZE_K(adagrad)(int64_t n, const double *s, int32_t flags, void *const *t) {
    OPTIMIZE_T *restrict p = t[0], *restrict v = t[2];
    const OPTIMIZE_T *restrict g = t[1];
    OPTIMIZE_T rate = (OPTIMIZE_T)s[0], wd = (OPTIMIZE_T)s[1], eps = (OPTIMIZE_T)s[2];
    bool decay = s[1] != 0;
    (void)flags;
    for (int64_t i = 0; i < n; i++) {
        OPTIMIZE_T d = g[i], w = wd * p[i];
        d = decay ? d + w : d;
        v[i] = OPTIMIZE_FMA(d, d, v[i]);
        OPTIMIZE_T move = rate * (d / (OPTIMIZE_SQRT(v[i]) + eps));
        p[i] = p[i] - move;
    }
}

/* A loop for each choice: with the choices inside compilers make no vectors of it. */
GM_INLINE void OPTIMIZE_K(rmsprop_of)(int64_t n, const double *s, void *const *t, bool centered, bool heavy) {
    OPTIMIZE_T *restrict p = t[0], *restrict v = t[2], *restrict mean = t[3], *restrict b = t[4];
    const OPTIMIZE_T *restrict g = t[1];
    OPTIMIZE_T lr = (OPTIMIZE_T)s[0], keep = (OPTIMIZE_T)s[1], alpha = (OPTIMIZE_T)s[2], eps = (OPTIMIZE_T)s[3];
    OPTIMIZE_T mu = (OPTIMIZE_T)s[4], wd = (OPTIMIZE_T)s[5];
    bool decay = s[5] != 0;
    for (int64_t i = 0; i < n; i++) {
        OPTIMIZE_T d = g[i], w = wd * p[i];
        d = decay ? d + w : d;
        OPTIMIZE_T old = alpha * v[i], var = OPTIMIZE_FMA(keep, d * d, old);
        v[i] = var;
        if (centered) {
            OPTIMIZE_T m = OPTIMIZE_FMA(keep, d - mean[i], mean[i]);
            mean[i] = m;
            var = OPTIMIZE_FMA(-m, m, var);
            var = var < 0 ? 0 : var; /* rounding only */
        }
        d = d / (OPTIMIZE_SQRT(var) + eps);
        if (heavy) {
            OPTIMIZE_T before = mu * b[i];
            d = before + d;
            b[i] = d;
        }
        OPTIMIZE_T move = lr * d;
        p[i] = p[i] - move;
    }
}

static void OPTIMIZE_K(rmsprop)(int64_t n, const double *s, int32_t flags, void *const *t) {
    (void)flags;
    if (t[3] && t[4]) OPTIMIZE_K(rmsprop_of)(n, s, t, true, true);
    else if (t[3]) OPTIMIZE_K(rmsprop_of)(n, s, t, true, false);
    else if (t[4]) OPTIMIZE_K(rmsprop_of)(n, s, t, false, true);
    else OPTIMIZE_K(rmsprop_of)(n, s, t, false, false);
}

static void OPTIMIZE_K(adadelta)(int64_t n, const double *s, int32_t flags, void *const *t) {
    OPTIMIZE_T *restrict p = t[0], *restrict v = t[2], *restrict e = t[3];
    const OPTIMIZE_T *restrict g = t[1];
    OPTIMIZE_T lr = (OPTIMIZE_T)s[0], keep = (OPTIMIZE_T)s[1], rho = (OPTIMIZE_T)s[2], eps = (OPTIMIZE_T)s[3];
    OPTIMIZE_T wd = (OPTIMIZE_T)s[4];
    bool decay = s[4] != 0;
    (void)flags;
    for (int64_t i = 0; i < n; i++) {
        OPTIMIZE_T d = g[i], w = wd * p[i];
        d = decay ? d + w : d;
        OPTIMIZE_T old = rho * v[i];
        v[i] = OPTIMIZE_FMA(keep, d * d, old);
        OPTIMIZE_T step = OPTIMIZE_SQRT(e[i] + eps) / OPTIMIZE_SQRT(v[i] + eps) * d;
        OPTIMIZE_T before = rho * e[i];
        e[i] = OPTIMIZE_FMA(keep, step * step, before);
        OPTIMIZE_T move = lr * step;
        p[i] = p[i] - move;
    }
}

static void OPTIMIZE_K(lion)(int64_t n, const double *s, int32_t flags, void *const *t) {
    OPTIMIZE_T *restrict p = t[0], *restrict m = t[2];
    const OPTIMIZE_T *restrict g = t[1];
    OPTIMIZE_T lr = (OPTIMIZE_T)s[0], k1 = (OPTIMIZE_T)s[1], k2 = (OPTIMIZE_T)s[2], shrink = (OPTIMIZE_T)s[3];
    (void)flags;
    for (int64_t i = 0; i < n; i++) {
        OPTIMIZE_T d = g[i] - m[i], c = OPTIMIZE_FMA(k1, d, m[i]);
        OPTIMIZE_T sign = c > 0 ? 1 : c < 0 ? -1 : c; /* 0 stays, and NaN */
        m[i] = OPTIMIZE_FMA(k2, d, m[i]);
        OPTIMIZE_T kept = p[i] * shrink, move = lr * sign;
        p[i] = kept - move;
    }
}

static void OPTIMIZE_K(lamb)(int64_t n, const double *s, int32_t flags, void *const *t) {
    const OPTIMIZE_T *restrict p = t[0], *restrict g = t[1];
    OPTIMIZE_T *restrict m = t[2], *restrict v = t[3], *restrict u = t[4];
    OPTIMIZE_T k1 = (OPTIMIZE_T)s[0], k2 = (OPTIMIZE_T)s[1], b2 = (OPTIMIZE_T)s[2], root = (OPTIMIZE_T)s[3];
    OPTIMIZE_T eps = (OPTIMIZE_T)s[4], grow = (OPTIMIZE_T)s[5], wd = (OPTIMIZE_T)s[6];
    (void)flags;
    for (int64_t i = 0; i < n; i++) {
        OPTIMIZE_T old = b2 * v[i];
        m[i] = OPTIMIZE_FMA(k1, g[i] - m[i], m[i]);
        v[i] = OPTIMIZE_FMA(k2, g[i] * g[i], old);
        OPTIMIZE_T den = OPTIMIZE_SQRT(v[i]) / root + eps, ahead = grow * m[i];
        u[i] = OPTIMIZE_FMA(wd, p[i], ahead / den);
    }
}

static void OPTIMIZE_K(move)(int64_t n, const double *s, int32_t flags, void *const *t) {
    OPTIMIZE_T *restrict p = t[0];
    const OPTIMIZE_T *restrict u = t[1];
    OPTIMIZE_T rate = (OPTIMIZE_T)s[0], shrink = (OPTIMIZE_T)s[1];
    (void)flags;
    for (int64_t i = 0; i < n; i++) {
        OPTIMIZE_T kept = p[i] * shrink, move = rate * u[i];
        p[i] = kept - move;
    }
}

static void OPTIMIZE_K(average)(int64_t n, const double *s, int32_t flags, void *const *t) {
    OPTIMIZE_T *restrict a = t[0];
    const OPTIMIZE_T *restrict p = t[1];
    OPTIMIZE_T w = (OPTIMIZE_T)s[0];
    (void)flags;
    for (int64_t i = 0; i < n; i++) a[i] = OPTIMIZE_FMA(w, p[i] - a[i], a[i]);
}
