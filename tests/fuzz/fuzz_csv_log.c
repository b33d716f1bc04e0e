/* Any file taken up again as a CSV and as a JSON log: rows are added or an error is reported, and what was written is
 * read again the same way. */
#include "gemel/watch.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[64];
static void remove_file(void) { unlink(path); }

static void write_file(const uint8_t *data, size_t size) {
    if (!*path) {
        snprintf(path, sizeof path, "/tmp/gemel-fuzz-csv-%d", (int)getpid());
        atexit(remove_file);
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size || close(fd)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    gm_set_log(NULL, NULL, NULL);
    const gm_log_value row[] = { { "epoch", 3 }, { "new \"name\", quoted", 0.5 } };
    write_file(data, size);
    for (int again = 0; again < 2; again++) {
        GM_SCOPE(s);
        bool written = gm_csv_log_row(gm_csv_log_open(path, .append = 1), row, 2);
        if (!written && gm_error_code() != GM_ERROR_FORMAT) abort();
        gm_error_clear();
    }
    write_file(data, size);
    for (int again = 0; again < 2; again++) {
        GM_SCOPE(s);
        if (!gm_json_log_row(gm_json_log_open(path, .append = 1), row, 2)) abort();
    }
    return 0;
}
