/* optimize.h: a step of one parameter. h: the hyper-parameters; step: the count of steps, then running products of
 * beta1 and beta2, all f64. */
FN void K(sgd)(int64_t n, const double *const *h, double *step, T *p, const T *g, T *b) {
    const T lr = (T)*h[0], mu = (T)*h[1], wd = (T)*h[2];
    const int decay = *h[2] != 0, first = (*step += 1) == 1, nesterov = *h[3] != 0;
    for (int64_t i = 0; i < n; i++) {
        T d = g[i], w = wd * p[i];
        d = decay ? d + w : d;
        if (b) {
            T old = mu * b[i], next = first ? d : old + d;
            b[i] = next;
            T ahead = mu * next;
            d = nesterov ? d + ahead : next;
        }
        T move = lr * d;
        p[i] = p[i] - move;
    }
}

FN void K(adam_any)(int decoupled, int64_t n, const double *const *h, double *step, T *p, const T *g, T *m, T *v) {
    const double lr = *h[0], b1 = *h[1], b2 = *h[2];
    step[0] += 1, step[1] *= b1, step[2] *= b2;
    const double product = lr * *h[4], kept1 = decoupled ? 1 - product : 1;
    const T k1 = (T)(1 - b1), k2 = (T)(1 - b2), beta = (T)b2, root = (T)sqrt_f64(1 - step[2]), eps = (T)*h[3];
    const T rate = (T)(lr / (1 - step[1])), wd = (T)*h[4], shrink = (T)kept1;
    const int decay = !decoupled && *h[4] != 0;
    for (int64_t i = 0; i < n; i++) {
        T d = g[i], w = wd * p[i];
        d = decay ? d + w : d;
        T old = beta * v[i];
        m[i] = FMA(k1, d - m[i], m[i]);
        v[i] = FMA(k2, d * d, old);
        T den = M(sqrt)(v[i]) / root;
        T move = rate * (m[i] / (den + eps)), kept = p[i] * shrink;
        p[i] = kept - move;
    }
}

FN void K(adam)(int64_t n, const double *const *h, double *step, T *p, const T *g, T *m, T *v) {
    K(adam_any)(0, n, h, step, p, g, m, v);
}

FN void K(adamw)(int64_t n, const double *const *h, double *step, T *p, const T *g, T *m, T *v) {
    K(adam_any)(1, n, h, step, p, g, m, v);
}
