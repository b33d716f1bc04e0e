/* replay.c: run one fuzz target over every file of a folder, without libFuzzer. A fuzz target defines
 *     int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
 * and reports a failed expectation by abort(); this main gives it the committed corpus, in name order, and each file
 * cut short at a few places. An empty or missing corpus is a failure. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The whole content of a file, freed by the caller, or NULL. */
static uint8_t *read_whole(const char *path, size_t *size) {
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    uint8_t *data = NULL;
    size_t n = 0, room = 0;
    for (;;) {
        if (n == room) {
            room = room ? room * 2 : 4096;
            uint8_t *more = realloc(data, room);
            if (!more) break;
            data = more;
        }
        size_t got = fread(data + n, 1, room - n, f);
        n += got;
        if (!got) break;
    }
    fclose(f);
    *size = n;
    return data;
}

/* An exact copy, so that a sanitizer sees a read past the end. */
static void give(const uint8_t *data, size_t size) {
    uint8_t *copy = malloc(size ? size : 1);
    for (size_t i = 0; i < size; i++) copy[i] = data[i];
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static int not_hidden(const struct dirent *entry) { return entry->d_name[0] != '.'; }

int main(int argc, char **argv) {
    if (argc != 2) return fprintf(stderr, "usage: %s CORPUS\n", argv[0]), 2;
    struct dirent **names;
    int n = scandir(argv[1], &names, not_hidden, alphasort), n_run = 0;
    for (int i = 0; i < n; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", argv[1], names[i]->d_name);
        size_t size = 0;
        uint8_t *data = read_whole(path, &size);
        if (data) {
            give(data, size);
            for (size_t part = 1; part < 8; part++) give(data, size * part / 8);
            give(data, size ? size - 1 : 0);
            n_run++;
        }
        free(data);
        free(names[i]);
    }
    if (n >= 0) free(names);
    printf("%d files of %s replayed\n", n_run, argv[1]);
    return n_run == 0;
}
