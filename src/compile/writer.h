/* writer.h: what the emitter writes C with: indented lines, and the one way in which a name from a file gets into them.
 */
#ifndef GM_COMPILE_WRITER_H
#define GM_COMPILE_WRITER_H
#include "../base/builder.h"

/* A zeroed writer is an empty one. Free with gm__builder_free(&w.text). */
typedef struct { gm__builder text; int32_t depth, reserved; } gm__writer;

/* A line (or nothing but its end), four blanks for each open block before it. */
void gm__writer_line(gm__writer *w, const char *format, ...) GM_PRINTF(2, 3);
/* The same with " {" behind it, a block deeper from then on; and the block's "}", with `tail` behind it. */
void gm__writer_open(gm__writer *w, const char *format, ...) GM_PRINTF(2, 3);
void gm__writer_close(gm__writer *w, const char *tail);

/* `name` as it may stand in emitted text: letters, digits, '_' and '.' pass, any other byte becomes '_', what is longer
 * is cut; NULL gives "". Names that came from a file reach emitted text through this function and no other way: so
 * none can end a comment or a string, begin an escape or a trigraph, or splice a line. Returns `out`. */
enum { GM__EMITTED_NAME = 96 };
const char *gm__emitted_name(const char *name, char out[GM__EMITTED_NAME]);

#endif
