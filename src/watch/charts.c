/* charts.c: the layout of the tab "custom scalars": which curves share a chart, which charts a section. One string
 * tensor holds a Layout {category {title, chart {title, multiline {tag pattern}}}}
 * (plugins/custom_scalar/layout.proto). */
#include "../math/fp.h"
#include "events.h"

#include <string.h>

static bool charts_same_text(const char *a, const char *b) { return a == b || (a && b && strcmp(a, b) == 0); }

static void charts_chart(gm__builder *p, const gm_chart *c) {
    size_t chart = gm__proto_open(p, 2);
    gm__proto_text(p, 1, c->title ? c->title : c->tag_pattern);
    size_t lines = gm__proto_open(p, 2);
    gm__proto_text(p, 1, c->tag_pattern);
    gm__proto_close(p, lines);
    gm__proto_close(p, chart);
}

static void charts_layout(gm__builder *p, const gm_chart *charts, int64_t n) {
    for (int64_t i = 0; i < n;) {
        const char *title = charts[i].category;
        size_t category = gm__proto_open(p, 2);
        gm__proto_text(p, 1, title);
        do charts_chart(p, &charts[i++]);
        while (i < n && charts_same_text(charts[i].category, title));
        gm__proto_close(p, category);
    }
}

bool gm_events_charts(gm_events *e, const gm_chart *charts, int64_t n) {
    if (!gm__events_usable(e, "events_charts")) return false;
    for (int64_t i = 0; i < n; i++)
        if (!charts[i].tag_pattern)
            return gm_fail(GM_ERROR_VALUE, "events_charts: chart %lld has no tags", (long long)i);
    gm__events_marks marks;
    gm__builder layout = { 0 };
    charts_layout(&layout, charts, n);
    bool begun = !layout.failed && gm__events_begin_value(e, "events_charts", "custom_scalars__config__", 0, &marks);
    if (begun) {
        gm__events_string_tensor(&e->record, layout.text, layout.n, true);
        gm__events_plugin(&e->record, "custom_scalars", NULL, GM__DATA_TENSOR);
    }
    gm__builder_free(&layout);
    return begun && gm__events_end_value(e, "events_charts", marks);
}
