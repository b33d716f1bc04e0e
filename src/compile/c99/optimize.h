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

FN void K(adagrad)(int64_t n, const double *const *h, double *step, T *p, const T *g, T *v) {
    step[0] += 1;
    const double slower = (step[0] - 1) * *h[1];
    const T rate = (T)(*h[0] / (1 + slower)), wd = (T)*h[2], eps = (T)*h[4];
    const int decay = *h[2] != 0;
    for (int64_t i = 0; i < n; i++) {
        T d = g[i], w = wd * p[i];
        d = decay ? d + w : d;
        v[i] = FMA(d, d, v[i]);
        T move = rate * (d / (M(sqrt)(v[i]) + eps));
        p[i] = p[i] - move;
    }
}

FN void K(rmsprop)(int64_t n, const double *const *h, double *step, T *p, const T *g, T *v, T *mean, T *b) {
    const T lr = (T)*h[0], keep = (T)(1 - *h[1]), alpha = (T)*h[1], eps = (T)*h[2], mu = (T)*h[3], wd = (T)*h[4];
    const int heavy = b && *h[3] != 0, decay = *h[4] != 0, centered = mean && *h[5] != 0;
    step[0] += 1;
    for (int64_t i = 0; i < n; i++) {
        T d = g[i], w = wd * p[i];
        d = decay ? d + w : d;
        T old = alpha * v[i], var = FMA(keep, d * d, old);
        v[i] = var;
        if (centered) {
            const T m = FMA(keep, d - mean[i], mean[i]);
            mean[i] = m;
            var = FMA(-m, m, var);
            var = var < 0 ? 0 : var;
        }
        d = d / (M(sqrt)(var) + eps);
        if (heavy) {
            T before = mu * b[i];
            d = before + d;
            b[i] = d;
        }
        T move = lr * d;
        p[i] = p[i] - move;
    }
}

FN void K(adadelta)(int64_t n, const double *const *h, double *step, T *p, const T *g, T *v, T *e) {
    const T lr = (T)*h[0], keep = (T)(1 - *h[1]), rho = (T)*h[1], eps = (T)*h[2], wd = (T)*h[3];
    const int decay = *h[3] != 0;
    step[0] += 1;
    for (int64_t i = 0; i < n; i++) {
        T d = g[i], w = wd * p[i];
        d = decay ? d + w : d;
        T old = rho * v[i];
        v[i] = FMA(keep, d * d, old);
        T ahead = M(sqrt)(e[i] + eps) / M(sqrt)(v[i] + eps) * d, before = rho * e[i];
        e[i] = FMA(keep, ahead * ahead, before);
        T move = lr * ahead;
        p[i] = p[i] - move;
    }
}

FN void K(lion)(int64_t n, const double *const *h, double *step, T *p, const T *g, T *m) {
    const double kept1 = 1 - *h[0] * *h[3];
    const T lr = (T)*h[0], k1 = (T)(1 - *h[1]), k2 = (T)(1 - *h[2]), shrink = (T)kept1;
    step[0] += 1;
    for (int64_t i = 0; i < n; i++) {
        T d = g[i] - m[i], c = FMA(k1, d, m[i]), sign = c > 0 ? 1 : c < 0 ? -1 : c;
        m[i] = FMA(k2, d, m[i]);
        T kept = p[i] * shrink, move = lr * sign;
        p[i] = kept - move;
    }
}
