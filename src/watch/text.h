/* text.h: small things about text. */
#ifndef GM_WATCH_TEXT_H
#define GM_WATCH_TEXT_H
#include "../base/builder.h"

/* Columns that valid UTF-8 takes on a terminal, one per code point. */
size_t gm__utf8_columns(const char *text);
/* The shortest decimal that reads back as `value`, whatever the locale; "nan", "inf", "-inf". */
void gm__builder_number(gm__builder *b, double value);

#endif
