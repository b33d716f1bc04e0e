/* proto.h: writing protocol buffers: fields are appended in order to a growing block of bytes.
 *
 * A message inside a message is written between gm__proto_open and gm__proto_close, to any depth. Integers of value 0
 * are left out, as proto3 does; doubles, floats, text and bytes are written whatever they hold. */
#ifndef GM_WATCH_PROTO_H
#define GM_WATCH_PROTO_H
#include "../base/builder.h"

void gm__proto_int(gm__builder *p, int field, int64_t value);
void gm__proto_bool(gm__builder *p, int field, bool value); /* written when false too: for a oneof */
void gm__proto_float(gm__builder *p, int field, float value);
void gm__proto_double(gm__builder *p, int field, double value);
void gm__proto_doubles(gm__builder *p, int field, const double *values, size_t n); /* packed */
void gm__proto_bytes(gm__builder *p, int field, const void *bytes, size_t n);
/* UTF-8 text (NULL: nothing is written). Bytes that are not UTF-8 become U+FFFD: one bad tag would make readers refuse
 * the whole record. */
void gm__proto_text(gm__builder *p, int field, const char *text);
size_t gm__proto_open(gm__builder *p, int field);
void gm__proto_close(gm__builder *p, size_t mark);

#endif
