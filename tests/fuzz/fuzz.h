/* fuzz.h: what fuzz targets of readers share: whatever the bytes are, the reader returns something or an error, and
 * when the scope is closed nothing of either is left. */
#ifndef FUZZ_H
#define FUZZ_H
#include "base/object.h"
#include "gemel/tensor.h"

#include <stdio.h>
#include <stdlib.h>

#define FUZZ_EXPECT(condition)                                                                                         \
    do {                                                                                                               \
        if (!(condition)) fprintf(stderr, "not true: %s: %s\n", #condition, gm_error_message()), abort();              \
    } while (0)

/* Looks at a result (or NULL with an error pending) and clears the error. */
static inline void fuzz_tensor(const gm_tensor *t) {
    char text[256];
    FUZZ_EXPECT(t ? gm_ok() : !gm_ok());
    if (t && gm_count(t) < 1000) gm_text(t, text, sizeof text);
    gm_error_clear();
}

static inline void fuzz_pack(const gm_pack *p) {
    FUZZ_EXPECT(p ? gm_ok() : !gm_ok());
    for (int64_t i = 0; p && i < gm_pack_count(p); i++) {
        char text[256];
        gm_tensor *t = gm_pack_at(p, i);
        FUZZ_EXPECT(t && gm_get(p, gm_pack_name(p, i)) == t);
        if (gm_count(t) < 100 && gm_dtype_of(t) != GM_C64) gm_text(t, text, sizeof text);
    }
    FUZZ_EXPECT(!p || gm_ok());
    gm_error_clear();
}

#endif
