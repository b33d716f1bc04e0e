/* writer.c: indented text. */
#include "../math/fp.h"
#include "writer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void writer_indented(gm__writer *w, const char *tail, const char *format, va_list args) {
    char line[1024], *text = line;
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(line, sizeof line, format, args);
    if (n >= (int)sizeof line && (text = gm_alloc((size_t)n + 1))) vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    if (n > 0) gm__builder_fill(&w->text, ' ', 4 * w->depth);
    if (text) gm__builder_add(&w->text, text);
    else w->text.failed = true;
    gm__builder_add(&w->text, tail);
    if (text != line) gm_free(text);
}

void gm__writer_line(gm__writer *w, const char *format, ...) {
    va_list args;
    va_start(args, format);
    writer_indented(w, "\n", format, args);
    va_end(args);
}

void gm__writer_open(gm__writer *w, const char *format, ...) {
    va_list args;
    va_start(args, format);
    writer_indented(w, " {\n", format, args);
    va_end(args);
    w->depth++;
}

void gm__writer_close(gm__writer *w, const char *tail) {
    w->depth--;
    gm__writer_line(w, "}%s", tail);
}

static bool writer_passes(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

const char *gm__emitted_name(const char *name, char out[GM__EMITTED_NAME]) {
    size_t n = 0;
    for (; name && name[n] && n < GM__EMITTED_NAME - 1; n++) out[n] = writer_passes(name[n]) ? name[n] : '_';
    out[n] = 0;
    return out;
}
