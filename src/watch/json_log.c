/* json_log.c: one JSON object per line. */
#include "../math/fp.h"
#include "../base/args.h"
#include "rows.h"
#include "text.h"

#include <math.h>
#include <string.h>

struct gm_json_log { gm_object object; gm__rows rows; };

static void json_log_destroy(void *object) { gm_json_log_close(object); }
static const gm_type json_log_type = { "JSON log", sizeof(gm_json_log), json_log_destroy };

gm_json_log *gm_json_log_open_with(const char *path, const gm_json_log_args *args) {
    gm_json_log_args o;
    if (!gm_ok() || !gm__args_take("json_log_open", &o, sizeof o, args)) return NULL;
    gm_json_log *log = gm_object_new(&json_log_type);
    return log && gm__rows_open(&log->rows, "json_log_open", path, o.append) ? log : NULL;
}

static void json_log_compose(gm__builder *line, const gm_log_value *values, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        gm__builder_add(line, i ? ", " : "{");
        gm__builder_json(line, values[i].name);
        gm__builder_add(line, ": ");
        if (isfinite(values[i].value)) gm__builder_number(line, values[i].value);
        else gm__builder_add(line, "null");
    }
    gm__builder_add(line, "}\n");
}

/* The key stands first: {"epoch": 3, ... `env` is that front part, up to the number. */
static size_t json_log_key(const void *env, const char *line, size_t length) {
    const gm__builder *front = env;
    return length > front->n && memcmp(line, front->text, front->n) == 0 ? front->n : length;
}

static bool json_log_resume(gm_json_log *log, const gm_log_value *key) {
    gm__builder front = { 0 };
    gm__builder_add(&front, "{");
    gm__builder_json(&front, key->name);
    gm__builder_add(&front, ": ");
    bool done = !front.failed && gm__rows_cut(&log->rows, "json_log_row", 0, key->value, json_log_key, &front);
    gm__builder_free(&front);
    log->rows.resumes = !done;
    return done;
}

bool gm_json_log_row(gm_json_log *log, const gm_log_value *values, int64_t n) {
    if (!gm_ok() || !gm_check_object(log, &json_log_type, "json_log_row", 1)) return false;
    if (!gm__rows_check(&log->rows, "json_log_row", values, n)) return false;
    if (log->rows.resumes && !json_log_resume(log, values)) return false;
    gm__builder line = { 0 };
    json_log_compose(&line, values, n);
    bool written = !line.failed && gm__sink_put_whole(&log->rows.sink, "json_log_row", line.text, line.n);
    gm__builder_free(&line);
    return written;
}

bool gm_json_log_close(gm_json_log *log) {
    if (!gm_check_object(log, &json_log_type, "json_log_close", 1)) return false;
    return gm__sink_close(&log->rows.sink, "json_log_close");
}
