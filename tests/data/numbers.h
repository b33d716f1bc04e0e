/* numbers.h: data sets of numbers, whose order can be read off, for the tests of pipelines. */
#ifndef TESTS_DATA_NUMBERS_H
#define TESTS_DATA_NUMBERS_H
#include "check.h"
#include "gemel/gemel.h"

#include <stdatomic.h>

/* 0..n-1 as tensors in memory. */
static inline gm_dataset *numbers(int64_t n) {
    return gm_dataset_of_pack(GM_PACK({ "x", gm_arange(0, (double)n, 1, GM_I64), NULL }));
}

/* The same from a generator, whose number is not known. */
typedef struct {
    int64_t at, n;
} counting;
static _Atomic int counting_open, counting_freed;
static inline void *counting_begin(void *env, int64_t epoch) {
    (void)epoch;
    counting *c = malloc(sizeof *c);
    *c = (counting){ 0, *(int64_t *)env };
    counting_open++;
    return c;
}
static inline gm_pack *counting_next(void *state) {
    counting *c = state;
    return c->at < c->n ? GM_PACK({ "x", gm_scalar_i64(c->at++, GM_I64), NULL }) : NULL;
}
static inline void counting_close(void *state) {
    counting_open--;
    free(state);
}
static inline void counting_free(void *env) {
    counting_freed++;
    free(env);
}
static inline gm_dataset *generated(int64_t n) {
    int64_t *env = malloc(sizeof *env);
    *env = n;
    gm_generator g = { counting_begin, counting_next, counting_close, env, counting_free };
    return gm_dataset_generator(&g);
}

/* The elements of an epoch, comma-separated; batches in brackets. At most `most` are looked at. */
static inline const char *listed_some(gm_dataset *d, int64_t epoch, int64_t most) {
    static char text[4][4096];
    static int turn;
    char *to = text[turn = (turn + 1) % 4];
    size_t n = 0;
    *to = 0;
    GM_EACH_ELEMENT(at, d, epoch) {
        gm_tensor *x = gm_get(at.e, "x");
        const int64_t *v = gm_data(gm_contiguous(x));
        n += (size_t)snprintf(to + n, sizeof text[0] - n, "%s%s", at.index ? "," : "", gm_n_dims(x) ? "[" : "");
        for (int64_t i = 0; v && i < gm_count(x); i++)
            n += (size_t)snprintf(to + n, sizeof text[0] - n, "%s%lld", i ? "," : "", (long long)v[i]);
        if (gm_n_dims(x)) n += (size_t)snprintf(to + n, sizeof text[0] - n, "]");
        if (at.index + 1 == most) break;
    }
    return to;
}
static inline const char *listed(gm_dataset *d, int64_t epoch) { return listed_some(d, epoch, INT64_MAX); }

#define CHECK_LIST(d, epoch, want)                                                                 \
    do {                                                                                           \
        const char *got_ = listed(d, epoch);                                                       \
        CHECK(gm_ok() && !strcmp(got_, want), "%s, wanted %s %s", got_, want, gm_error_message()); \
    } while (0)

#define CHECK_ERROR(code, text)                                                                                  \
    do {                                                                                                         \
        CHECK(gm_error_code() == GM_ERROR_##code && strstr(gm_error_message(), text), "%s", gm_error_message()); \
        gm_error_clear();                                                                                        \
    } while (0)

#endif
