/* ctc.h: connectionist temporal classification (Graves 2006), one entry of the batch at a time, for one type; the
 * macros are norm.h's.
 *
 * The label sequence is widened by blanks around every label: 2 l + 1 states. alpha[t][s]: the logarithm of the
 * probability of all paths that are in state s at time t. A sum of logarithms is m + log(exp(a - m) + exp(b - m) +
 * exp(c - m)). */

GM_INLINE NR_T NR(log_sum3)(NR_T a, NR_T b, NR_T c) {
    const NR_T ab = a > b ? a : b, m = ab > c ? ab : c, low = -(NR_T)__builtin_inf();
    const NR_T shift = m == low ? 0 : m;
    return shift + NR_LOG((NR_EXP(a - shift) + NR_EXP(b - shift)) + NR_EXP(c - shift));
}

GM_INLINE int64_t NR(ctc_label)(const gm_ctc_job *job, int64_t n, int64_t s) {
    return s % 2 ? job->label[n * job->s + s / 2] : job->blank;
}

/* True if the path may come to state s from s - 2: over a blank between two labels that differ. */
GM_INLINE bool NR(ctc_skips)(const gm_ctc_job *job, int64_t n, int64_t s) {
    return s % 2 && s > 1 && NR(ctc_label)(job, n, s) != NR(ctc_label)(job, n, s - 2);
}

static void NR(ctc_alpha)(const gm_ctc_job *job, int64_t n0, int64_t n1) {
    const NR_T low = -(NR_T)__builtin_inf();
    int64_t wide = 2 * job->s + 1;
    for (int64_t n = n0; n < n1; n++) {
        int64_t states = 2 * job->label_length[n] + 1, times = job->input_length[n];
        NR_T *alpha = (NR_T *)job->alpha + n * job->t * wide, *loss = (NR_T *)job->loss + n;
        const NR_T *logp = (const NR_T *)job->logp + n * job->c;
        for (int64_t t = 0; t < job->t; t++, logp += job->n * job->c) {
            NR_T *now = alpha + t * wide, *before = now - wide;
            for (int64_t s = 0; s < wide; s++) {
                now[s] = low;
                if (s >= states || t >= times || (t == 0 && s > 1)) continue;
                NR_T from = t == 0 ? 0 : NR(log_sum3)(before[s], s > 0 ? before[s - 1] : low,
                                                      NR(ctc_skips)(job, n, s) ? before[s - 2] : low);
                now[s] = from + logp[NR(ctc_label)(job, n, s)];
            }
        }
        const NR_T *end = alpha + (times - 1) * wide + states;
        if (times == 0) *loss = states == 1 ? 0 : -low;
        else *loss = -NR(log_sum3)(end[-1], states > 1 ? end[-2] : low, low);
        if (job->zero_infinity && *loss == -low) *loss = 0;
    }
}

/* beta[s]: the same from behind, without the present step; the probability of being in s at t given the labels is
 * exp(alpha + beta + loss), and the gradient of the loss in logp the negative sum of that over the states of a label.
 */
GM_INLINE void NR(ctc_step)(const gm_ctc_job *job, int64_t n, int64_t t, int64_t states, const NR_T *after, NR_T *now) {
    const NR_T low = -(NR_T)__builtin_inf(), *logp = (const NR_T *)job->logp + ((t + 1) * job->n + n) * job->c;
    for (int64_t s = 0; s < states; s++) {
        NR_T a = after[s] + logp[NR(ctc_label)(job, n, s)], b = low, c = low;
        if (s + 1 < states) b = after[s + 1] + logp[NR(ctc_label)(job, n, s + 1)];
        if (s + 2 < states && NR(ctc_skips)(job, n, s + 2)) c = after[s + 2] + logp[NR(ctc_label)(job, n, s + 2)];
        now[s] = NR(log_sum3)(a, b, c);
    }
}

static void NR(ctc_grad)(const gm_ctc_job *job, int64_t n0, int64_t n1) {
    const NR_T low = -(NR_T)__builtin_inf();
    int64_t wide = 2 * job->s + 1;
    for (int64_t n = n0; n < n1; n++) {
        int64_t states = 2 * job->label_length[n] + 1, times = job->input_length[n];
        const NR_T *alpha = (const NR_T *)job->alpha + n * job->t * wide;
        const NR_T *end = alpha + (times - 1) * wide + states, g = ((const NR_T *)job->g)[n];
        NR_T *beta[2] = { (NR_T *)job->work + 2 * n * wide, (NR_T *)job->work + (2 * n + 1) * wide };
        for (int64_t t = 0; t < job->t; t++)
            memset((NR_T *)job->grad + (t * job->n + n) * job->c, 0, (size_t)job->c * sizeof(NR_T));
        if (times == 0) continue;
        NR_T loss = -NR(log_sum3)(end[-1], states > 1 ? end[-2] : low, low);
        if (job->zero_infinity && loss == -low) continue;
        for (int64_t s = 0; s < states; s++) beta[(times - 1) % 2][s] = s + 2 >= states ? 0 : low;
        for (int64_t t = times - 1; t >= 0; t--) {
            NR_T *grad = (NR_T *)job->grad + (t * job->n + n) * job->c, *now = beta[t % 2];
            if (t < times - 1) NR(ctc_step)(job, n, t, states, beta[(t + 1) % 2], now);
            for (int64_t s = 0; s < states; s++)
                grad[NR(ctc_label)(job, n, s)] -= g * NR_EXP((alpha[t * wide + s] + now[s]) + loss);
        }
    }
}
