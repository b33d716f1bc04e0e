/* scalars.c: of the scalar functions (src/math), those that a text uses.
 *
 * The prelude is taken apart into units: a macro, a type, a table or a function, known by its name. A unit is used if
 * its name stands in the text, or in a unit that is used; `M(exp)` in the text names exp_f32 or exp_f64, by the last
 * definition of M before it. Devices have a fused multiply-add: what stands for one is left out. */
#include "../math/fp.h"
#include "fuse.h"
#include "target.h"
#include "../base/grow.h"

#include <ctype.h>
#include <string.h>

enum { SCALARS_NAME = 48 };

typedef struct { const char *text; size_t n; char name[SCALARS_NAME]; bool used; } scalars_unit;
typedef struct { scalars_unit *unit; int64_t n, capacity; } scalars_list;

/* ---- taking apart ---- */

static size_t scalars_word(const char *at) {
    size_t n = 0;
    while (isalnum((unsigned char)at[n]) || at[n] == '_') n++;
    return n;
}

static void scalars_set_name(scalars_unit *u, const char *at, size_t n) {
    if (n >= SCALARS_NAME) n = SCALARS_NAME - 1;
    memcpy(u->name, at, n);
    u->name[n] = 0;
}

/* GM__TO_SMALL(float, int8_t, f32, i8, ...) is f32_to_i8; the unsigned ones name one type more. */
static void scalars_name_of_cast(scalars_unit *u) {
    const char *at = strchr(u->text, '(');
    for (int commas = strncmp(u->text, "GM__TO_UNSIGNED", 15) ? 2 : 3; at && commas; commas--) at = strchr(at + 1, ',');
    if (!at) return;
    size_t n = scalars_word(at + 2);
    scalars_set_name(u, at + 2, n);
    at += 2 + n + 2;
    size_t rest = scalars_word(at);
    if (n + rest + 5 > SCALARS_NAME) return;
    memcpy(u->name + n, "_to_", 4);
    memcpy(u->name + n + 4, at, rest);
    u->name[n + 4 + rest] = 0;
}

static void scalars_name(scalars_unit *u) {
    const char *at = strstr(u->text, "GM_K(");
    if (!strncmp(u->text, "#define ", 8)) scalars_set_name(u, u->text + 8, scalars_word(u->text + 8));
    else if (!strncmp(u->text, "GM__TO_", 7)) scalars_name_of_cast(u);
    else if (!strncmp(u->text, "typedef", 7)) { /* the name is at the end */
        for (const char *next = at; next && next < u->text + u->n; next = strstr(next + 1, "GM_K(")) at = next;
        if (at) scalars_set_name(u, at + 5, scalars_word(at + 5));
    } else if (at) scalars_set_name(u, at + 5, scalars_word(at + 5));
}

static size_t scalars_line(const char *at) {
    const char *end = strchr(at, '\n');
    return end ? (size_t)(end - at) + 1 : strlen(at);
}

/* The length of the unit that begins at a line: to the line in which its braces close. */
static size_t scalars_length(const char *at) {
    size_t n = 0;
    int depth = 0;
    do {
        size_t line = scalars_line(at + n);
        for (size_t i = 0; i < line && *at != '#'; i++) depth += (at[n + i] == '{') - (at[n + i] == '}');
        n += line;
    } while (depth > 0 && at[n]);
    return n;
}

static bool scalars_take_piece(scalars_list *l, const char *at) {
    bool skipping = false;
    for (size_t n; *at; at += n) {
        n = scalars_length(at);
        bool directive = *at == '#' && strncmp(at, "#define", 7);
        if (directive) skipping = !strncmp(at, "#else", 5) || (skipping && strncmp(at, "#endif", 6));
        if (directive || skipping) continue;
        if (!gm__grow(&l->unit, l->n, &l->capacity, sizeof *l->unit)) return false;
        l->unit[l->n] = (scalars_unit){ .text = at, .n = n };
        scalars_name(&l->unit[l->n++]);
    }
    return true;
}

static bool scalars_take_apart(scalars_list *l) {
    for (size_t i = 1; gm__emit_text(i); i++) /* the first is about compilers of C */
        if (!scalars_take_piece(l, gm__emit_text(i))) return false;
    return true;
}

/* ---- who uses whom ---- */

static void scalars_use(scalars_list *l, const char *text, size_t n);

static void scalars_use_name(scalars_list *l, const char *name, size_t n, const char *suffix) {
    size_t more = strlen(suffix);
    for (int64_t i = 0; i < l->n; i++) {
        scalars_unit *u = &l->unit[i];
        if (u->used || strncmp(u->name, name, n) || strcmp(u->name + n, suffix) || strlen(u->name) != n + more)
            continue;
        u->used = true;
        scalars_use(l, u->text, u->n);
        return;
    }
}

/* Every name in the text. Numbers are passed over: 0x1p-2f is no name. */
static void scalars_use(scalars_list *l, const char *text, size_t n) {
    const char *suffix = "_f32";
    for (size_t i = 0; i < n;) {
        size_t word = scalars_word(text + i);
        if (!strncmp(text + i, "define M(f) f##_f", 17)) suffix = text[i + 17] == '6' ? "_f64" : "_f32", word = 19;
        else if (text[i] == 'M' && word == 1 && text[i + 1] == '(')
            scalars_use_name(l, text + i + 2, scalars_word(text + i + 2), suffix);
        else if (word && !isdigit((unsigned char)text[i])) scalars_use_name(l, text + i, word, "");
        i += word ? word : 1;
    }
}

static bool scalars_has_word(const char *text, size_t n, const char *wanted) {
    size_t length = strlen(wanted);
    for (size_t i = 0, word; i + length <= n; i += word ? word : 1) {
        word = scalars_word(text + i);
        if (word == length && !strncmp(text + i, wanted, length)) return true;
    }
    return false;
}

static bool scalars_is_spelled(const gm__target *target, const char *name) {
    for (const char *const(*w)[2] = target->words; w && (*w)[0]; w++)
        if (scalars_word((*w)[0]) == strlen(name) && !strncmp((*w)[0], name, strlen(name))) return true;
    return false;
}

bool gm__target_scalars(gm__builder *t, const gm__target *target, const char *text) {
    scalars_list l = { 0 };
    bool doubles = scalars_has_word(text, strlen(text), "double");
    bool ok = scalars_take_apart(&l);
    if (ok) scalars_use(&l, text, strlen(text));
    for (int64_t i = 0; ok && i < l.n; i++) {
        if (!l.unit[i].used || scalars_is_spelled(target, l.unit[i].name)) continue;
        bool macro = *l.unit[i].text == '#'; /* one that is not used costs nothing */
        doubles |= !macro && scalars_has_word(l.unit[i].text, l.unit[i].n, "double");
        if (t) gm__builder_bytes(t, l.unit[i].text, l.unit[i].n);
    }
    gm_free(l.unit);
    return ok && (target->doubles || !doubles);
}
