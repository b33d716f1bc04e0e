/* check.h: the few words that C tests are written in. A test program has static functions of no arguments, runs each
 * with RUN(f), and ends with `return check_done();`. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check_failed, check_passed;

#define CHECK(condition, ...)                                                                                          \
    do {                                                                                                               \
        if (condition) {                                                                                               \
            check_passed++;                                                                                            \
        } else {                                                                                                       \
            check_failed++;                                                                                            \
            fprintf(stderr, "%s:%d: in %s: not true: %s", __FILE__, __LINE__, __func__, #condition);                  \
            fprintf(stderr, " " __VA_ARGS__);                                                                          \
            fputc('\n', stderr);                                                                                       \
        }                                                                                                              \
    } while (0)

#define RUN(f) ((void)f())

/* The program's exit status: 0 if at least one check ran and none failed. */
static inline int check_done(void) {
    printf("%d checks passed, %d failed\n", check_passed, check_failed);
    return check_failed || !check_passed;
}

/* The directory of real data (GEMEL_TEST_DATA, else ../shared/data), or NULL, said loudly, where it is absent. */
static inline const char *check_data(void) {
    const char *dir = getenv("GEMEL_TEST_DATA");
    static char found[4096];
    snprintf(found, sizeof found, "%s/README.md", dir && *dir ? dir : "../shared/data");
    FILE *f = fopen(found, "rb");
    if (!f) {
        printf("SKIPPED: no test data at %s\n", found);
        return NULL;
    }
    fclose(f);
    found[strlen(found) - strlen("/README.md")] = 0;
    return found;
}

#endif
