/* hparams.c: hyper-parameters: messages of TensorBoard's plugin of that name inside a value's metadata.
 *
 * The hparams plugin wants three events in a run's folder: the experiment (which metrics are the table's columns;
 * written only if the caller names some, because TensorBoard takes the first experiment that it finds for all runs),
 * the start of the session with the values, and its end. Field numbers: plugins/hparams/{plugin_data,api}.proto of
 * TensorBoard. */
#include "../math/fp.h"
#include "events.h"

enum { HPARAMS_EXPERIMENT = 2, HPARAMS_SESSION_START = 3, HPARAMS_SESSION_END = 4 };
enum { HPARAMS_TEXT = 1, HPARAMS_BOOL = 2, HPARAMS_NUMBER = 3 }; /* DataType */
enum { HPARAMS_SUCCESS = 1, HPARAMS_FAILURE = 2 };               /* Status */

static int hparams_kind(const gm_hparam *h) {
    return h->text ? HPARAMS_TEXT : h->is_bool ? HPARAMS_BOOL : HPARAMS_NUMBER;
}

/* google.protobuf.Value */
static void hparams_value(gm__builder *p, int field, const gm_hparam *h) {
    size_t value = gm__proto_open(p, field);
    if (h->text) gm__proto_text(p, 3, h->text);
    else if (h->is_bool) gm__proto_bool(p, 4, h->number != 0);
    else gm__proto_double(p, 2, h->number);
    gm__proto_close(p, value);
}

static void hparams_experiment(gm__builder *p, double now, const gm_hparam *params, int64_t n,
                               const char *const *metrics, int64_t n_metrics) {
    size_t experiment = gm__proto_open(p, HPARAMS_EXPERIMENT);
    gm__proto_double(p, 3, now);
    for (int64_t i = 0; i < n; i++) {
        size_t info = gm__proto_open(p, 4);
        gm__proto_text(p, 1, params[i].name);
        gm__proto_int(p, 4, hparams_kind(&params[i]));
        gm__proto_close(p, info);
    }
    for (int64_t i = 0; i < n_metrics; i++) {
        size_t info = gm__proto_open(p, 5), name = gm__proto_open(p, 1);
        gm__proto_text(p, 2, metrics[i]);
        gm__proto_close(p, name);
        gm__proto_close(p, info);
    }
    gm__proto_close(p, experiment);
}

static void hparams_session_start(gm__builder *p, double now, const gm_hparam *params, int64_t n) {
    size_t start = gm__proto_open(p, HPARAMS_SESSION_START);
    for (int64_t i = 0; i < n; i++) {
        size_t entry = gm__proto_open(p, 1);
        gm__proto_text(p, 1, params[i].name);
        hparams_value(p, 2, &params[i]);
        gm__proto_close(p, entry);
    }
    gm__proto_double(p, 5, now);
    gm__proto_close(p, start);
}

static void hparams_session_end(gm__builder *p, double now, int status) {
    size_t end = gm__proto_open(p, HPARAMS_SESSION_END);
    gm__proto_int(p, 1, status);
    gm__proto_double(p, 2, now);
    gm__proto_close(p, end);
}

/* The content goes into the metadata of a value whose tensor is empty, as the plugin's own writer does it. */
static bool hparams_put(gm_events *e, const char *op, const char *tag, gm__builder *content) {
    gm__events_marks marks = gm__events_begin_raw(e, tag, 0);
    gm__events_empty_tensor(&e->record);
    gm__events_plugin(&e->record, "hparams", content, GM__DATA_TENSOR);
    bool whole = !content->failed;
    gm__builder_free(content);
    return whole && gm__events_end_value(e, op, marks);
}

bool gm__hparams_end(gm_events *e) {
    gm__builder content = { 0 };
    hparams_session_end(&content, gm__events_time(e), gm_ok() ? HPARAMS_SUCCESS : HPARAMS_FAILURE);
    e->has_session = false;
    return hparams_put(e, "events_close", "_hparams_/session_end_info", &content);
}

static bool hparams_check(const gm_events *e, const gm_hparam *params, int64_t n, const char *const *metrics,
                          int64_t n_metrics) {
    if (e->has_session) return gm_fail(GM_ERROR_STATE, "events_hparams: the hyper-parameters of this file are written");
    if (n < 0 || (n && !params) || n_metrics < 0 || (n_metrics && !metrics))
        return gm_fail(GM_ERROR_VALUE, "events_hparams: %lld parameters at %p, %lld metrics at %p", (long long)n,
                       (const void *)params, (long long)n_metrics, (const void *)metrics);
    for (int64_t i = 0; i < n; i++)
        if (!params[i].name) return gm_fail(GM_ERROR_VALUE, "events_hparams: parameter %lld has no name", (long long)i);
    for (int64_t i = 0; i < n_metrics; i++)
        if (!metrics[i]) return gm_fail(GM_ERROR_VALUE, "events_hparams: metric %lld is NULL", (long long)i);
    return true;
}

bool gm_events_hparams(gm_events *e, const gm_hparam *params, int64_t n, const char *const *metrics,
                       int64_t n_metrics) {
    if (!gm__events_usable(e, "events_hparams") || !hparams_check(e, params, n, metrics, n_metrics)) return false;
    double now = gm__events_time(e);
    if (n_metrics) {
        gm__builder content = { 0 };
        hparams_experiment(&content, now, params, n, metrics, n_metrics);
        if (!hparams_put(e, "events_hparams", "_hparams_/experiment", &content)) return false;
    }
    gm__builder content = { 0 };
    hparams_session_start(&content, now, params, n);
    return e->has_session = hparams_put(e, "events_hparams", "_hparams_/session_start_info", &content);
}
