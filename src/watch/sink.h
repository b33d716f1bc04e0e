/* sink.h: a file that is only appended to: event files, logs and traces end here.
 *
 * Bytes are handed over in whole records. A record is written with one call where the system allows it; if a write
 * stops half way (a full disk), the rest stays in memory, so that the next flush goes on at the very byte and the file
 * is never broken in the middle. Open sinks that hold bytes back are flushed when the process ends. */
#ifndef GM_WATCH_SINK_H
#define GM_WATCH_SINK_H
#include "gemel/extend.h"

typedef struct gm__sink gm__sink;
struct gm__sink {
    char *path;
    uint8_t *data; /* not yet in the file */
    size_t n, capacity;
    int fd; /* -1 when closed */
    bool existed; /* gm__sink_open failed because a GM__SINK_NEW file was there already; no error is reported then */
    bool listed;
    int64_t process; /* that opened it: a child of fork must not write what its parent holds */
    int64_t hold_ns, flushed_ns; /* bytes may wait this long; when the last ones left */
    gm__sink *next;
};

/* How a file is opened: made new, and an error if it is there; emptied; or kept, writing at its end. */
typedef enum { GM__SINK_NEW, GM__SINK_EMPTY, GM__SINK_APPEND } gm__sink_mode;

/* Open `path` (copied), making the directories above it. Errors: IO, naming the path and the directory. */
bool gm__sink_open(gm__sink *sink, const char *op, const char *path, gm__sink_mode mode);
/* Let records wait up to this long before they are written (0: none waits). */
void gm__sink_hold(gm__sink *sink, double seconds);
/* Add a record, and write what is due. */
bool gm__sink_put(gm__sink *sink, const char *op, const void *bytes, size_t n);
/* Write a record now, or none of it: what a failure leaves is cut off again. For a sink that holds nothing back. */
bool gm__sink_put_whole(gm__sink *sink, const char *op, const void *bytes, size_t n);
/* Cut the file to so many bytes. */
bool gm__sink_cut(gm__sink *sink, const char *op, size_t bytes);
bool gm__sink_flush(gm__sink *sink, const char *op);
/* Flush and close. Works while an error is pending. Closing twice is harmless. */
bool gm__sink_close(gm__sink *sink, const char *op);

/* Make ready for the first sink, its lock among those that are held while the process forks. */
void gm__sink_prepare(void);

/* mkdir -p. Errors: IO, naming the directory that could not be made. */
bool gm__make_dirs(const char *op, const char *path);
int64_t gm__clock_ns(void);    /* monotonic */
double gm__clock_seconds(void); /* since 1970 */

#endif
