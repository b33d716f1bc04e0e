/* gemel/watch.h: watching a run: TensorBoard event files, progress, CSV and JSON logs, profiles.
 *
 * None of these is for two threads at a time, except the profiler. Files are written at once unless the call says
 * otherwise, directories are made as needed, and what cannot be written is an IO error that names the file. All paths
 * and texts are UTF-8. Closing works while an error is pending; a scope closes what was left open in it. */
#ifndef GEMEL_WATCH_H
#define GEMEL_WATCH_H

#include "graph.h"
#include "tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- TensorBoard event files ---------------------------------------------------------------------------------
 * `tensorboard --logdir DIR` shows every folder under DIR that holds an event file as one run. A tag names a chart;
 * tags that begin alike ("loss/train", "loss/val") share a section. */

typedef struct gm_events gm_events;
typedef struct {
    size_t size;
    const char *suffix;   /* added to the file's name */
    double wall_time;     /* seconds since 1970 for every event, instead of the clock's; for files that must not vary */
    double flush_seconds; /* events may wait this long in memory; 0: each is written at once */
    gm_int purge_step;    /* a resumed run: TensorBoard forgets what earlier files of this folder say from here on */
} gm_events_open_args;

/* A new event file in the folder `logdir`. Errors: IO, VALUE, MEMORY. */
GM_API gm_events *gm_events_open_with(const char *logdir, const gm_events_open_args *args);
/* The name of the file, valid until it is closed. */
GM_API const char *gm_events_path(gm_events *events);
/* Write what waits in memory. Errors: IO; the file stays whole, and what did not fit is tried again by the next
 * call. */
GM_API bool gm_events_flush(gm_events *events);
/* Write the end of the session (if there were hyper-parameters: failed if an error is pending) and close the file. */
GM_API bool gm_events_close(gm_events *events);

/* A point of a curve, kept as f32. NaN and infinities are shown by TensorBoard as such. */
GM_API bool gm_events_scalar(gm_events *events, const char *tag, int64_t step, double value);
/* The distribution of n numbers, in TensorFlow's buckets (each 10 % wider than the last, from 1e-12 to 1e20, both
 * signs). NaN and infinities are not counted; the log says how many there were. */
GM_API bool gm_events_histogram(gm_events *events, const char *tag, int64_t step, const double *values, int64_t n);
GM_API bool gm_events_histogram_f32(gm_events *events, const char *tag, int64_t step, const float *values, int64_t n);
/* The same of a tensor's elements, of any type that converts to f64. */
GM_API bool gm_events_histogram_tensor(gm_events *events, const char *tag, int64_t step, const gm_tensor *values);
/* An image: pixels [height, width, channels]; channels 1 gray, 2 gray and alpha, 3 RGB, 4 RGBA. */
GM_API bool gm_events_image(gm_events *events, const char *tag, int64_t step, const uint8_t *pixels, int64_t height,
                            int64_t width, int64_t channels);
/* The same of a tensor [H, W], [C, H, W] or [N, C, H, W], C from 1 to 4; N images are laid out in rows of one picture,
 * two pixels apart. Elements are 0 to 255 in u8, else 0 to 1 (cut to that; NaN is 0). Errors: SHAPE. */
GM_API bool gm_events_image_tensor(gm_events *events, const char *tag, int64_t step, const gm_tensor *images);
/* Text, shown as Markdown. */
GM_API bool gm_events_text(gm_events *events, const char *tag, int64_t step, const char *markdown);

/* A hyper-parameter: `text` if that is given, else `number`, which `is_bool` shows as true or false. */
typedef struct { const char *name, *text; double number; int32_t is_bool, reserved; } gm_hparam;
/* The hyper-parameters of this run, once per file. `metrics` (n_metrics scalar tags, may be 0) are the columns of the
 * table; with none TensorBoard takes every scalar tag it finds. Errors: STATE when called twice. */
GM_API bool gm_events_hparams(gm_events *events, const gm_hparam *params, int64_t n, const char *const *metrics,
                              int64_t n_metrics);

/* A chart of several curves in the tab "custom scalars": the scalar tags that match `tag_pattern`, a regular
 * expression, in one frame. Charts that follow each other with the same category share a section. */
typedef struct { const char *category, *title, *tag_pattern; } gm_chart;
GM_API bool gm_events_charts(gm_events *events, const gm_chart *charts, int64_t n);

/* A graph, for the tab "graphs": a box for each call, named by its module's path and the number of its first result
 * ("layer1/0/conv_12" makes %12 of the graph's text), and for each input and tensor. One per folder is shown. */
GM_API bool gm_events_graph(gm_events *events, gm_graph *g);

/* ---- Progress ------------------------------------------------------------------------------------------------
 * On a terminal one line at the bottom of standard error, drawn anew in place; log lines pass above it. Elsewhere (a
 * pipe, a log callback, TERM=dumb) plain lines now and then, through the log. GM_LOG=0 silences both. */

typedef struct gm_progress gm_progress;
typedef struct {
    size_t size;
    const char *unit;  /* of the counts, for the rate: "images" gives "512 images/s" */
    double interval;   /* seconds between plain lines, default 10 */
    int32_t utf8;      /* draw with block characters */
    int32_t reserved;
    gm_int terminal;   /* 1 or 0 instead of looking at standard error */
} gm_progress_args;

/* `total` 0: unknown, no bar and no time left. `label` (may be NULL) stands in front. */
GM_API gm_progress *gm_progress_new_with(int64_t total, const char *label, const gm_progress_args *args);
/* `done` of the total are done; `text` (NULL: as before) stands behind. Cheap: draws at most ten times a second. */
GM_API bool gm_progress_step(gm_progress *progress, int64_t done, const char *text);
/* The last line, with the time it took and `summary` (may be NULL); the object is finished. Works while an error is
 * pending, and then takes the bar away without a line. */
GM_API bool gm_progress_done(gm_progress *progress, const char *summary);

/* ---- Logs of numbers -----------------------------------------------------------------------------------------
 * One row per epoch (or step). The first pair of a row is its key, ascending from row to row. Opened to append (a
 * resumed run), a log loses the rows whose keys come again, and a half line that a crash left. A row that cannot be
 * written whole is taken back. */

typedef struct { const char *name; double value; } gm_log_value;
typedef struct { size_t size; int32_t append, reserved; } gm_csv_log_args;
typedef struct { size_t size; int32_t append, reserved; } gm_json_log_args;

/* Comma-separated values with a line of names. A name that comes up later becomes a column, with empty fields above. */
typedef struct gm_csv_log gm_csv_log;
GM_API gm_csv_log *gm_csv_log_open_with(const char *path, const gm_csv_log_args *args);
GM_API bool gm_csv_log_row(gm_csv_log *log, const gm_log_value *values, int64_t n);
GM_API bool gm_csv_log_close(gm_csv_log *log);

/* One JSON object per line; NaN and infinities are null. */
typedef struct gm_json_log gm_json_log;
GM_API gm_json_log *gm_json_log_open_with(const char *path, const gm_json_log_args *args);
GM_API bool gm_json_log_row(gm_json_log *log, const gm_log_value *values, int64_t n);
GM_API bool gm_json_log_close(gm_json_log *log);

/* ---- Profile -------------------------------------------------------------------------------------------------
 * What ran when, on which thread, as a file that chrome://tracing and ui.perfetto.dev show. From any thread. */

/* Begin to record into the file `path`. A child of fork records nothing, unless it starts a profile of its own. Errors:
 * IO, VALUE, STATE if a profile is being recorded. */
GM_API bool gm_profile_start(const char *path);
/* Finish the file. Errors: STATE if none is being recorded; IO, also for what failed while recording. Works while an
 * error is pending. */
GM_API bool gm_profile_stop(void);
/* A stretch of the caller's: t = gm_profile_begin(); ...; gm_profile_end(t, "data", "decode"). Nearly free while
 * nothing is recorded. */
GM_API int64_t gm_profile_begin(void);
GM_API void gm_profile_end(int64_t begin, const char *category, const char *name);
/* A stretch that was measured elsewhere (on a device): nanoseconds of gm_profile_now; `thread` names its row. */
GM_API void gm_profile_event(const char *category, const char *name, int64_t start_ns, int64_t duration_ns,
                             const char *thread);
GM_API int64_t gm_profile_now(void);

#ifdef __cplusplus
}
#else
#  define gm_csv_log_open(...) gm__csv_log_open(__VA_ARGS__, .size = sizeof(gm_csv_log_args))
#  define gm__csv_log_open(path, ...) gm_csv_log_open_with(path, &(gm_csv_log_args){ __VA_ARGS__ })
#  define gm_json_log_open(...) gm__json_log_open(__VA_ARGS__, .size = sizeof(gm_json_log_args))
#  define gm__json_log_open(path, ...) gm_json_log_open_with(path, &(gm_json_log_args){ __VA_ARGS__ })
#  define gm_progress_new(...) gm__progress_new(__VA_ARGS__, .size = sizeof(gm_progress_args))
#  define gm__progress_new(total, label, ...) gm_progress_new_with(total, label, &(gm_progress_args){ __VA_ARGS__ })
#  define gm_events_open(...) gm__events_open(__VA_ARGS__, .size = sizeof(gm_events_open_args))
#  define gm__events_open(logdir, ...) gm_events_open_with(logdir, &(gm_events_open_args){ __VA_ARGS__ })
#endif
#endif
