/* log.h: sharing the terminal with log lines: whoever keeps something drawn at the bottom of standard error. */
#ifndef GM_BASE_LOG_H
#define GM_BASE_LOG_H
#include "gemel/base.h"

/* True if log lines go to standard error: not silenced, and no callback in place. */
bool gm__log_to_stderr(void);

/* What is drawn: hide() takes it off the screen, show() puts it back. Called with the lock held, around each line. */
typedef struct { void (*hide)(void *env), (*show)(void *env); void *env; } gm__log_drawing;
/* Become the one who draws, or (NULL) stop. False if another does. */
bool gm__log_set_drawing(const gm__log_drawing *drawing);
/* Standard error is the caller's between these. */
void gm__log_lock(void);
void gm__log_unlock(void);
/* As these, with the drawing off the screen: for output of other kinds on the same terminal (flush before the end). */
void gm__log_begin_output(void);
void gm__log_end_output(void);

#endif
