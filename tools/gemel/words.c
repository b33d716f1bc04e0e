/* words.c: suggestions for misspelt words; strings and numbers in JSON. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "command.h"

enum { WORD_MAX = 48 };

static int min3(int a, int b, int c) {
    int m = a < b ? a : b;
    return m < c ? m : c;
}

/* Edits (insert, delete, replace, swap of neighbours) that turn a into b. */
static int edit_distance(const char *a, const char *b) {
    int na = (int)strlen(a), nb = (int)strlen(b);
    if (na > WORD_MAX || nb > WORD_MAX) return WORD_MAX;
    int d[WORD_MAX + 1][WORD_MAX + 1];
    for (int i = 0; i <= na; i++) d[i][0] = i;
    for (int j = 0; j <= nb; j++) d[0][j] = j;
    for (int i = 1; i <= na; i++) {
        for (int j = 1; j <= nb; j++) {
            d[i][j] = min3(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped && d[i - 2][j - 2] + 1 < d[i][j]) d[i][j] = d[i - 2][j - 2] + 1;
        }
    }
    return d[na][nb];
}

/* A word is a likely misspelling if at most a third of it is wrong, or if it is the beginning of one name. */
const char *cli_suggest(const char *word, const char *const *names) {
    const char *best = NULL;
    size_t n = strlen(word);
    int limit = n < 4 ? 1 : (int)n / 3, least = limit + 1;
    for (; *names; names++) {
        int distance = n >= 2 && !strncmp(word, *names, n) ? 1 : edit_distance(word, *names);
        if (distance >= least) continue;
        least = distance;
        best = *names;
    }
    return best;
}

void cli_json_number(double value, int digits) {
    if (isfinite(value)) printf("%.*g", digits, value);
    else printf("null");
}

void cli_json_string(const char *text) {
    putchar('"');
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\') {
            printf("\\%c", *c);
        } else if (*c < 0x20) {
            printf("\\u%04x", *c);
        } else {
            putchar(*c);
        }
    }
    putchar('"');
}
