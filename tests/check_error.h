/* check_error.h: what tests of failures share. */
#ifndef CHECK_ERROR_H
#define CHECK_ERROR_H
#include "check.h"
#include "gemel/base.h"

#include <unistd.h>

/* True if the pending error has this code and `part` in its message; shows it if not. Clears it. */
static inline bool fails_with(gm_error code, const char *part) {
    bool yes = gm_error_code() == code && strstr(gm_error_message(), part);
    if (!yes) fprintf(stderr, "  got %s: %s\n", gm_error_name(gm_error_code()), gm_error_message());
    gm_error_clear();
    return yes;
}

/* A path of this process for a temporary file; the same one for the same name. */
static inline const char *temporary_path(const char *name) {
    static char path[4][256];
    static int next;
    const char *dir = getenv("TMPDIR");
    char *p = path[next++ % 4];
    snprintf(p, 256, "%s/gemel-%ld-%s", dir && *dir && strlen(dir) < 150 ? dir : "/tmp", (long)getpid(), name);
    return p;
}

static inline void write_file(const char *path, const void *bytes, size_t n) {
    FILE *f = fopen(path, "wb");
    bool ok = f && fwrite(bytes, 1, n, f) == n;
    if (f) ok = !fclose(f) && ok;
    if (!ok) fprintf(stderr, "cannot write %s\n", path), exit(2);
}

#endif
