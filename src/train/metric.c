/* metric.c: metrics: numbers that batches are added to. */
#include "../math/fp.h"
#include "gemel/extend.h"
#include "gemel/metrics.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct gm_metric {
    gm_object o;
    gm_metric_class class;
    char *name;
    double *numbers;
    int64_t n, capacity, option;
};

static void metric_destroy(void *object) {
    gm_metric *m = object;
    gm_free(m->name);
    gm_free(m->numbers);
}

static const gm_type metric_type = { "metric", sizeof(gm_metric), metric_destroy };

static bool metric_check(const gm_metric *m, const char *op) {
    return gm_ok() && gm_check_object(m, &metric_type, op, 1);
}

gm_metric *gm_metric_new(const gm_metric_class *c, int64_t option) {
    if (!gm_ok()) return NULL;
    if (!c || !c->size || !c->name || !c->update || !c->value)
        return gm_fail(GM_ERROR_VALUE, "metric_new: a class needs size, name, update and value"), NULL;
    gm_metric *m = gm_object_new(&metric_type);
    if (!m) return NULL;
    memcpy(&m->class, c, c->size < sizeof m->class ? c->size : sizeof m->class);
    m->option = option;
    m->name = gm_strdup(c->name);
    return m->name ? m : NULL;
}

double *gm_metric_numbers(gm_metric *m, int64_t n) {
    if (!metric_check(m, "metric_numbers")) return NULL;
    if (n > m->capacity) {
        int64_t capacity = 2 * m->capacity > n ? 2 * m->capacity : n;
        double *numbers = gm_realloc(m->numbers, (size_t)capacity * sizeof *numbers);
        if (!numbers) return NULL;
        m->numbers = numbers, m->capacity = capacity;
    }
    for (; m->n < n; m->n++) m->numbers[m->n] = 0;
    return m->numbers;
}

int64_t gm_n_metric_numbers(const gm_metric *m) { return metric_check(m, "n_metric_numbers") ? m->n : -1; }
int64_t gm_metric_option(const gm_metric *m) { return metric_check(m, "metric_option") ? m->option : -1; }
const char *gm_metric_name(const gm_metric *m) { return metric_check(m, "metric_name") ? m->name : NULL; }

bool gm_metric_update(gm_metric *m, gm_tensor *output, gm_tensor *target) {
    if (!metric_check(m, "metric_update")) return false;
    GM_SCOPE(s);
    return m->class.update(m, output, target) && gm_ok();
}

double gm_metric_value(const gm_metric *m) {
    return metric_check(m, "metric_value") ? m->class.value(m->numbers, m->n, m->option) : NAN;
}

bool gm_metric_reset(gm_metric *m) {
    if (!metric_check(m, "metric_reset")) return false;
    m->n = 0;
    return true;
}

gm_tensor *gm_metric_state(const gm_metric *m) {
    static const double none;
    return metric_check(m, "metric_state") ? gm_from_data(GM_SHAPE(m->n), GM_F64, m->n ? m->numbers : &none) : NULL;
}

bool gm_load_metric_state(gm_metric *m, gm_tensor *state) {
    if (!metric_check(m, "load_metric_state")) return false;
    if (gm_dtype_of(state) != GM_F64 || gm_n_dims(state) != 1)
        return gm_fail(GM_ERROR_SHAPE, "load_metric_state: the state of a metric is f64 [n]");
    int64_t n = gm_count(state), before = m->n;
    if (n && !gm_metric_numbers(m, n)) return m->n = before, false;
    m->n = n;
    return !n || gm_read(state, GM_F64, m->numbers, (size_t)n * sizeof *m->numbers);
}

gm_tensor *gm_metric_table(const gm_metric *m) {
    if (!metric_check(m, "metric_table")) return NULL;
    int64_t c = (int64_t)sqrt((double)m->n);
    if (!m->n || c * c != m->n)
        return gm_fail(GM_ERROR_STATE, "metric_table: \"%s\" has %lld numbers, no table", m->name, (long long)m->n),
               NULL;
    gm_tensor *t = gm_empty(GM_SHAPE(c, c), GM_I64);
    int64_t *to = t ? gm_mutable_data(t) : NULL;
    for (int64_t i = 0; to && i < m->n; i++) to[i] = (int64_t)m->numbers[i];
    return to ? t : NULL;
}
