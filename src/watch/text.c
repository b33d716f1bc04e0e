/* text.c: small things about text. */
#include "../math/fp.h"
#include "text.h"

size_t gm__utf8_columns(const char *text) {
    size_t columns = 0;
    for (; *text; text++) columns += (*text & 0xc0) != 0x80;
    return columns;
}
