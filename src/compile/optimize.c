/* optimize.c: the passes in their order. With GM_DEBUG=passes each result is printed. */
#include "../math/fp.h"
#include "pass.h"
#include "gemel/extend.h"

#include <stdlib.h>
#include <string.h>

typedef struct { const char *name; gm_graph *(*run)(gm_graph *g); } optimize_pass;

static const optimize_pass optimize_passes[] = {
    { "dead code", gm__pass_dead },
    { "as kernels want it", gm__graph_raw },
    { "constants", gm__pass_constants },
    { "common subexpressions", gm__pass_common },
    { "dead code", gm__pass_dead },
};

void gm__debug_lines(const char *what, const char *title, const char *text) {
    const char *wanted = getenv("GM_DEBUG");
    if (!wanted || !strstr(wanted, what)) return;
    gm_log_line(GM_LOG_DEBUG, "-- %s", title);
    for (const char *end; text && *text; text = *end ? end + 1 : end) {
        end = strchr(text, '\n');
        if (!end) end = text + strlen(text);
        gm_log_line(GM_LOG_DEBUG, "%.*s", (int)(end - text < 900 ? end - text : 900), text);
    }
}

void gm__debug_graph(const char *title, gm_graph *g) {
    const char *wanted = getenv("GM_DEBUG");
    if (g && wanted && strstr(wanted, "passes")) gm__debug_lines("passes", title, gm_graph_text(g));
}

gm_graph *gm__optimize(gm_graph *g) {
    gm__debug_graph("as recorded", g);
    for (size_t i = 0; g && i < sizeof optimize_passes / sizeof *optimize_passes; i++) {
        g = optimize_passes[i].run(g);
#ifndef NDEBUG
        int64_t before = gm_where_push(optimize_passes[i].name);
        if (g && !gm__graph_valid(g)) g = NULL;
        gm_where_pop(before);
#endif
        gm__debug_graph(optimize_passes[i].name, g);
    }
    return g;
}
