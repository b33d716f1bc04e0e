/* events.c: TensorBoard's event files.
 *
 * A file is a run of TFRecords {u64 length, masked CRC-32C of the length, data, masked CRC-32C of the data}, little
 * endian; the first holds the version "brain.Event:2", each later one an Event message. Scalars, histograms and images
 * are written in the first generation's form (simple_value, histo, image): TensorBoard turns them into tensors as it
 * loads, and every other reader of such files knows them. Text, hyper-parameters and chart layouts exist as tensors
 * with a plugin's name only.
 * Field numbers are those of event.proto, summary.proto, tensor.proto and histogram.proto of TensorFlow. */
#include "../math/fp.h"
#include "events.h"
#include "../base/args.h"
#include "../base/checksum.h"
#include "gemel/formats.h"
#include "histogram.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { EVENT_WALL_TIME = 1, EVENT_STEP = 2, EVENT_FILE_VERSION = 3, EVENT_SUMMARY = 5, EVENT_SESSION_LOG = 7 };
enum { EVENT_VALUE = 1, EVENT_VALUE_TAG = 1, EVENT_VALUE_SIMPLE = 2, EVENT_VALUE_IMAGE = 4, EVENT_VALUE_HISTO = 5,
       EVENT_VALUE_TENSOR = 8, EVENT_VALUE_METADATA = 9 };
enum { EVENT_DT_FLOAT = 1, EVENT_DT_STRING = 7, EVENT_SESSION_START = 1 };

/* ---- framing ---- */

static void events_store(uint8_t *at, uint64_t v, int bytes) {
    for (int i = 0; i < bytes; i++) at[i] = (uint8_t)(v >> 8 * i);
}

static uint32_t events_mask(uint32_t crc) { return (crc >> 15 | crc << 17) + 0xa282ead8u; }

enum { EVENT_FRAME = 12 };

/* The record's first 12 bytes are kept free for its head. */
static bool events_put(gm_events *e, const char *op) {
    gm__builder *p = &e->record;
    if (p->failed) return p->failed = false;
    size_t n = p->n - EVENT_FRAME;
    events_store((uint8_t *)p->text, n, 8);
    events_store((uint8_t *)p->text + 8, events_mask(gm__crc32c(0, p->text, 8)), 4);
    uint8_t tail[4];
    events_store(tail, events_mask(gm__crc32c(0, p->text + EVENT_FRAME, n)), 4);
    gm__builder_bytes(p, tail, 4);
    if (p->failed) return p->failed = false;
    return gm__sink_put(&e->sink, op, p->text, p->n);
}

/* ---- records ---- */

double gm__events_time(const gm_events *e) { return e->wall_time != 0 ? e->wall_time : gm__clock_seconds(); }

void gm__events_begin(gm_events *e, int64_t step) {
    e->record.n = 0;
    e->record.failed = false;
    gm__builder_bytes(&e->record, (uint8_t[EVENT_FRAME]){ 0 }, EVENT_FRAME);
    gm__proto_double(&e->record, EVENT_WALL_TIME, gm__events_time(e));
    gm__proto_int(&e->record, EVENT_STEP, step);
}

bool gm__events_end(gm_events *e, const char *op) { return events_put(e, op); }

gm__events_marks gm__events_begin_raw(gm_events *e, const char *tag, int64_t step) {
    gm__events_begin(e, step);
    gm__events_marks marks;
    marks.summary = gm__proto_open(&e->record, EVENT_SUMMARY);
    marks.value = gm__proto_open(&e->record, EVENT_VALUE);
    gm__proto_text(&e->record, EVENT_VALUE_TAG, tag);
    return marks;
}

bool gm__events_begin_value(gm_events *e, const char *op, const char *tag, int64_t step, gm__events_marks *marks) {
    *marks = (gm__events_marks){ 0, 0 };
    if (!gm__events_usable(e, op)) return false;
    if (!tag || !*tag) return gm_fail(GM_ERROR_VALUE, "%s: the tag is %s", op, tag ? "empty" : "NULL");
    *marks = gm__events_begin_raw(e, tag, step);
    return true;
}

bool gm__events_end_value(gm_events *e, const char *op, gm__events_marks marks) {
    gm__proto_close(&e->record, marks.value);
    gm__proto_close(&e->record, marks.summary);
    return gm__events_end(e, op);
}

void gm__events_plugin(gm__builder *p, const char *plugin, const gm__builder *content, int data_class) {
    size_t metadata = gm__proto_open(p, EVENT_VALUE_METADATA), data = gm__proto_open(p, 1);
    gm__proto_text(p, 1, plugin);
    if (content && content->n) gm__proto_bytes(p, 2, content->text, content->n);
    gm__proto_close(p, data);
    gm__proto_int(p, 4, data_class);
    gm__proto_close(p, metadata);
}

void gm__events_string_tensor(gm__builder *p, const void *bytes, size_t n, bool scalar) {
    size_t tensor = gm__proto_open(p, EVENT_VALUE_TENSOR);
    gm__proto_int(p, 1, EVENT_DT_STRING);
    size_t shape = gm__proto_open(p, 2);
    if (!scalar) {
        size_t dim = gm__proto_open(p, 2);
        gm__proto_int(p, 1, 1);
        gm__proto_close(p, dim);
    }
    gm__proto_close(p, shape);
    gm__proto_bytes(p, 8, bytes, n);
    gm__proto_close(p, tensor);
}

void gm__events_empty_tensor(gm__builder *p) {
    size_t tensor = gm__proto_open(p, EVENT_VALUE_TENSOR);
    gm__proto_int(p, 1, EVENT_DT_FLOAT);
    size_t shape = gm__proto_open(p, 2), dim = gm__proto_open(p, 2);
    gm__proto_close(p, dim);
    gm__proto_close(p, shape);
    gm__proto_close(p, tensor);
}

/* ---- the file ---- */

static void events_destroy(void *object) {
    gm_events_close(object);
    gm__builder_free(&((gm_events *)object)->record);
}

static const gm_type events_type = { "event file", sizeof(gm_events), events_destroy };

bool gm__events_usable(gm_events *e, const char *op) {
    if (!gm_ok() || !gm_check_object(e, &events_type, op, 1)) return false;
    return e->sink.fd >= 0 || gm_fail(GM_ERROR_STATE, "%s: the event file is closed", op);
}

/* events.out.tfevents.SECONDS.HOST.PID.COUNT: TensorBoard wants "tfevents" in it and reads a folder's files by name. */
static bool events_name(char *path, size_t bytes, const char *logdir, const gm_events_open_args *o) {
    static _Atomic int count;
    char host[256] = "";
    if (gethostname(host, sizeof host - 1) || !*host) strcpy(host, "localhost");
    double now = o->wall_time != 0 ? o->wall_time : gm__clock_seconds();
    int n = snprintf(path, bytes, "%s/events.out.tfevents.%010lld.%s.%lld.%d%s", logdir, (long long)now, host,
                     (long long)getpid(), atomic_fetch_add(&count, 1), o->suffix ? o->suffix : "");
    return n > 0 && (size_t)n < bytes;
}

static bool events_open_sink(gm_events *e, const char *logdir, const gm_events_open_args *o) {
    for (int attempt = 0; attempt < 100; attempt++) {
        char path[4096];
        if (!events_name(path, sizeof path, logdir, o))
            return gm_fail(GM_ERROR_VALUE, "events_open: the path is too long: %.200s...", logdir);
        if (gm__sink_open(&e->sink, "events_open", path, GM__SINK_NEW)) return true;
        if (!e->sink.existed) return false;
    }
    return gm_fail(GM_ERROR_IO, "events_open: no free file name in %s", logdir);
}

static bool events_put_start(gm_events *e, int64_t step) {
    gm__events_begin(e, step);
    size_t log = gm__proto_open(&e->record, EVENT_SESSION_LOG);
    gm__proto_int(&e->record, 1, EVENT_SESSION_START);
    gm__proto_close(&e->record, log);
    return gm__events_end(e, "events_open");
}

/* TensorBoard takes the first start that it sees in a folder for the run's own and forgets nothing; a file that was
 * opened without a purge step has none, so the start is written twice. */
static bool events_put_head(gm_events *e, const gm_events_open_args *o) {
    gm__events_begin(e, 0);
    gm__proto_text(&e->record, EVENT_FILE_VERSION, "brain.Event:2");
    if (!gm__events_end(e, "events_open")) return false;
    return !o->purge_step.set || (events_put_start(e, o->purge_step.v) && events_put_start(e, o->purge_step.v));
}

static bool events_check_args(const char *logdir, const gm_events_open_args *o) {
    if (!logdir || !*logdir) return gm_fail(GM_ERROR_VALUE, "events_open: logdir is %s", logdir ? "empty" : "NULL");
    if (o->suffix && strchr(o->suffix, '/'))
        return gm_fail(GM_ERROR_VALUE, "events_open: suffix \"%s\" has a '/'", o->suffix);
    if (!(o->flush_seconds >= 0)) return gm_fail(GM_ERROR_VALUE, "events_open: flush_seconds is %g", o->flush_seconds);
    if (!(o->wall_time >= 0 && o->wall_time < 1e15))
        return gm_fail(GM_ERROR_VALUE, "events_open: wall_time is %g seconds", o->wall_time);
    return true;
}

gm_events *gm_events_open_with(const char *logdir, const gm_events_open_args *args) {
    gm_events_open_args o;
    if (!gm_ok() || !gm__args_take("events_open", &o, sizeof o, args) || !events_check_args(logdir, &o)) return NULL;
    gm_events *e = gm_object_new(&events_type);
    if (!e) return NULL;
    e->sink.fd = -1;
    e->wall_time = o.wall_time;
    if (!events_open_sink(e, logdir, &o) || !events_put_head(e, &o)) return NULL;
    gm__sink_hold(&e->sink, o.flush_seconds);
    return e;
}

const char *gm_events_path(gm_events *e) {
    return gm__events_usable(e, "events_path") ? e->sink.path : NULL;
}

bool gm_events_flush(gm_events *e) {
    return gm__events_usable(e, "events_flush") && gm__sink_flush(&e->sink, "events_flush");
}

bool gm_events_close(gm_events *e) {
    if (!gm_check_object(e, &events_type, "events_close", 1)) return false;
    if (e->sink.fd < 0) return true;
    bool ended = !e->has_session || gm__hparams_end(e);
    return gm__sink_close(&e->sink, "events_close") && ended;
}

/* ---- kinds of events ---- */

bool gm_events_scalar(gm_events *e, const char *tag, int64_t step, double value) {
    gm__events_marks marks;
    if (!gm__events_begin_value(e, "events_scalar", tag, step, &marks)) return false;
    gm__proto_float(&e->record, EVENT_VALUE_SIMPLE, (float)value);
    return gm__events_end_value(e, "events_scalar", marks);
}

static bool events_put_histogram(gm_events *e, const char *tag, int64_t step, const gm__histogram *h) {
    gm__events_marks marks;
    if (!gm__events_begin_value(e, "events_histogram", tag, step, &marks)) return false;
    size_t histo = gm__proto_open(&e->record, EVENT_VALUE_HISTO);
    if (!gm__histogram_encode(h, &e->record)) return false;
    gm__proto_close(&e->record, histo);
    if (h->n_skipped)
        gm_log_line(GM_LOG_WARNING, "histogram %s at step %lld: %lld of %lld values are NaN or infinite", tag,
                    (long long)step, (long long)h->n_skipped, (long long)(h->n + h->n_skipped));
    return gm__events_end_value(e, "events_histogram", marks);
}

/* Numbers of one of the two types: exactly one of d and f is given. */
static bool events_histogram_of(gm_events *e, const char *tag, int64_t step, const double *d, const float *f,
                                int64_t n) {
    if (!gm__events_usable(e, "events_histogram")) return false;
    if (n < 0 || (n && !d && !f))
        return gm_fail(GM_ERROR_VALUE, "events_histogram: %lld values, %s", (long long)n,
                       d || f ? "a negative number" : "NULL");
    gm__histogram h;
    if (!gm__histogram_open(&h)) return false;
    for (int64_t i = 0; i < n; i++) gm__histogram_add(&h, d ? d[i] : (double)f[i]);
    bool written = events_put_histogram(e, tag, step, &h);
    gm__histogram_close(&h);
    return written;
}

bool gm_events_histogram(gm_events *e, const char *tag, int64_t step, const double *values, int64_t n) {
    return events_histogram_of(e, tag, step, values, NULL, n);
}

bool gm_events_histogram_f32(gm_events *e, const char *tag, int64_t step, const float *values, int64_t n) {
    return events_histogram_of(e, tag, step, NULL, values, n);
}

bool gm_events_histogram_tensor(gm_events *e, const char *tag, int64_t step, const gm_tensor *values) {
    if (!gm__events_usable(e, "events_histogram")) return false;
    int64_t n = gm_count(values);
    if (n < 0) return false;
    gm_dtype type = gm_dtype_of(values);
    if (!gm_is_float(type) && !gm_is_integer(type) && type != GM_BOOL)
        return gm_fail(GM_ERROR_DTYPE, "events_histogram: %s is of %s, real numbers are needed", tag ? tag : "(no tag)",
                       gm_dtype_name(type));
    if (type == GM_F32 && gm_is_contiguous(values))
        return gm_events_histogram_f32(e, tag, step, gm_data(values), n);
    double *copy = gm_alloc((size_t)n * sizeof *copy);
    bool done = copy && gm_read(values, GM_F64, copy, (size_t)n * sizeof *copy);
    done = done && gm_events_histogram(e, tag, step, copy, n);
    gm_free(copy);
    return done;
}

bool gm_events_image(gm_events *e, const char *tag, int64_t step, const uint8_t *pixels, int64_t height, int64_t width,
                     int64_t channels) {
    gm__events_marks marks;
    if (!gm__events_begin_value(e, "events_image", tag, step, &marks)) return false;
    size_t n = 0, image = gm__proto_open(&e->record, EVENT_VALUE_IMAGE);
    uint8_t *png = gm_png_encode(pixels, height, width, channels, &n);
    if (!png) return false;
    gm__proto_int(&e->record, 1, height);
    gm__proto_int(&e->record, 2, width);
    gm__proto_int(&e->record, 3, channels);
    gm__proto_bytes(&e->record, 4, png, n);
    gm_png_free(png);
    gm__proto_close(&e->record, image);
    return gm__events_end_value(e, "events_image", marks);
}

bool gm_events_text(gm_events *e, const char *tag, int64_t step, const char *markdown) {
    gm__events_marks marks;
    if (!gm__events_begin_value(e, "events_text", tag, step, &marks)) return false;
    if (!markdown) return gm_fail(GM_ERROR_VALUE, "events_text: the text of %s is NULL", tag);
    gm__events_string_tensor(&e->record, markdown, strlen(markdown), false);
    gm__events_plugin(&e->record, "text", NULL, GM__DATA_TENSOR);
    return gm__events_end_value(e, "events_text", marks);
}
