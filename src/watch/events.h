/* events.h: one record of an event file, for the files of src/watch that add kinds of events. */
#ifndef GM_WATCH_EVENTS_H
#define GM_WATCH_EVENTS_H
#include "gemel/watch.h"
#include "proto.h"
#include "sink.h"

struct gm_events {
    gm_object object;
    gm__sink sink;
    gm__builder record; /* the event being written; its memory is used again */
    double wall_time; /* 0: the clock's */
    bool has_session; /* hyper-parameters were written: closing writes the session's end */
};

/* True if `events` is an open event file and no error is pending; else the reason is. */
bool gm__events_usable(gm_events *events, const char *op);
double gm__events_time(const gm_events *events);

/* An event begins; fields of the Event message follow; gm__events_end puts it into the file. */
void gm__events_begin(gm_events *events, int64_t step);
bool gm__events_end(gm_events *events, const char *op);

/* As above, for an event of one Summary.Value: its fields follow. gm__events_begin_value first checks its arguments
 * and that no error is pending; gm__events_begin_raw does not. */
typedef struct { size_t summary, value; } gm__events_marks;
gm__events_marks gm__events_begin_raw(gm_events *events, const char *tag, int64_t step);
bool gm__events_begin_value(gm_events *events, const char *op, const char *tag, int64_t step, gm__events_marks *marks);
bool gm__events_end_value(gm_events *events, const char *op, gm__events_marks marks);

/* SummaryMetadata that hands the value to a plugin; `content` may be NULL. Classes as in summary.proto. */
enum { GM__DATA_SCALAR = 1, GM__DATA_TENSOR = 2, GM__DATA_BLOBS = 3 };
void gm__events_plugin(gm__builder *p, const char *plugin, const gm__builder *content, int data_class);
/* A TensorProto of one string, of shape [1], or [] with `scalar`. */
void gm__events_string_tensor(gm__builder *p, const void *bytes, size_t n, bool scalar);

/* An f32 tensor without elements: for values that say all in their metadata. */
void gm__events_empty_tensor(gm__builder *p);

/* The end of the session that hyper-parameters began. Works while an error is pending. */
bool gm__hparams_end(gm_events *events);

#endif
