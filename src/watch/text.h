/* text.h: small things about text. */
#ifndef GM_WATCH_TEXT_H
#define GM_WATCH_TEXT_H
#include "../base/builder.h"

/* Columns that valid UTF-8 takes on a terminal, one per code point. */
size_t gm__utf8_columns(const char *text);

#endif
