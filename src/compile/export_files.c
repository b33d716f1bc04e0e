/* export_files.c: the text around an exported program, and its files, which all appear or none. */
#include "../math/fp.h"
#include "export.h"
#include "gemel/export.h"
#include "../base/save.h"
#include "fuse.h"
#include "writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES_EMBED_MAX = 16 << 20 };
#define P PRId64

uint64_t gm__export_hash(uint64_t h, gm_dtype dtype, const void *data, int64_t n) {
    int bytes = gm__element_bytes(dtype);
    for (int64_t i = 0; i < n; i++) {
        uint64_t u = 0;
        memcpy(&u, (const char *)data + i * bytes, (size_t)bytes);
        if (dtype == GM_F32 && (u & 0x7fffffff) > 0x7f800000) u = 0x7fc00000;
        if (dtype == GM_F64 && (u & INT64_MAX) > 0x7ff0000000000000) u = 0x7ff8000000000000;
        for (int b = 0; b < bytes; b++) h = (h ^ (u >> 8 * b & 255)) * 0x100000001b3u;
    }
    return h;
}

static const gm__export_type *files_type(const gm__export *x, int32_t v) {
    return &gm__export_types[gm__export_type_of(x->t[v]->dtype)];
}

static bool files_is_captured(const gm__export *x, int32_t v) { return x->g->value[v].kind == GM__VALUE_CAPTURED; }

/* Bytes of captured value v; in the file of weights each begins at a multiple of 64. */
static int64_t files_bytes(const gm__export *x, int32_t v) { return gm__export_extent(x, v) * files_type(x, v)->bytes; }

static int64_t files_round(int64_t bytes) { return (bytes + 63) & ~(int64_t)63; }

static bool files_sizes(const gm__export *x, gm__export_plan *p) {
    for (int32_t v = 0; v < x->g->n_values; v++) {
        if (!files_is_captured(x, v)) continue;
        p->weight_bytes += files_round(files_bytes(x, v));
        if (x->written[v]) p->state_bytes += files_bytes(x, v);
    }
    for (int i = 0; i < GM__EXPORT_TYPES; i++) p->arena_bytes += x->arena[i] * gm__export_types[i].bytes;
    p->arena_bytes += x->work[0] * 4 + x->work[1] * 8 + x->places * 4;
    if (x->draws) p->state_bytes += 8;
    p->file = p->weights == GM_EXPORT_FILE || (p->weights == GM_EXPORT_AUTO && p->weight_bytes > FILES_EMBED_MAX);
    if (p->file || p->weight_bytes <= FILES_EMBED_MAX) return true;
    return gm_fail(GM_ERROR_VALUE, "export_c: %" P " bytes of weights are too many for a source file (at most %d)",
                   p->weight_bytes, FILES_EMBED_MAX);
}

/* ---- data ---- */

/* `n` elements as the bits of a union whose other member has their type. */
static void files_bits(gm__builder *b, const gm__export_type *t, const char *qualifier, const char *name, int64_t n,
                       const void *data) {
    gm__builder_format(b, "static %sunion { uint%d_t bits[%" P "]; %s %s[%" P "]; } %s_data", qualifier, 8 * t->bytes,
                       n, t->c, t->member, n, name);
    gm__builder_add(b, data ? " = { {\n" : ";\n");
    for (int64_t i = 0; data && i < n; i++) {
        uint64_t u = 0;
        memcpy(&u, (const char *)data + i * t->bytes, (size_t)t->bytes);
        gm__builder_format(b, t->bytes == 8 ? "0x%" PRIx64 "u," : "0x%" PRIx64 ",", u);
        if (i % 10 == 9) gm__builder_add(b, "\n");
    }
    if (data) gm__builder_add(b, "} };\n");
    gm__builder_format(b, "#define %s %s_data.%s\n", name, name, t->member);
}

static void files_captured(gm__builder *b, const gm__export *x, const gm__export_plan *p, int32_t v) {
    const gm__value *value = &x->g->value[v];
    const gm__export_type *t = files_type(x, v);
    char name[GM__EMITTED_NAME], word[24];
    snprintf(word, sizeof word, x->written[v] ? "s%d" : "w%d", v);
    gm__builder_format(b, "/* %s%s%s */\n", gm__emitted_name(value->name, name), *name ? " " : "",
                       gm__shape_str(&value->shape));
    if (p->file && !x->written[v]) {
        gm__builder_format(b, "static const %s *%s;\n", t->c, word);
        return;
    }
    void *owned = NULL;
    const void *data = p->file ? NULL : gm__export_elements(x, v, &owned);
    files_bits(b, t, x->written[v] ? "" : "const ", word, gm__export_extent(x, v), data);
    gm_free(owned);
}

static void files_data(gm__builder *b, const gm__export *x, const gm__export_plan *p) {
    for (int32_t v = 0; v < x->g->n_values; v++)
        if (files_is_captured(x, v)) files_captured(b, x, p, v);
    for (int i = 0; i < GM__EXPORT_TYPES; i++)
        if (x->arena[i])
            gm__builder_format(b, "static %s arena_%s[%" P "];\n", gm__export_types[i].c, gm__export_types[i].suffix,
                               x->arena[i]);
    for (int i = 0; i < 2; i++)
        if (x->work[i])
            gm__builder_format(b, "static %s work_%s[%" P "];\n", gm__export_types[i].c, gm__export_types[i].suffix,
                               x->work[i]);
    if (x->draws)
        gm__builder_format(b, "static uint64_t gm_seed = 0x%" PRIx64 "u, gm_count = 0x%" PRIx64 "u;\n", p->seed,
                           p->count);
    if (x->places) gm__builder_format(b, "static int32_t gm_places[%" P "];\n", x->places);
}

/* ---- functions ---- */

static const char *files_verb(const gm__export *x) { return x->steps ? "train_step" : "run"; }

/* "(const float *in0, float *out0)" */
static void files_parameters(gm__builder *b, const gm__export *x) {
    const gm_graph *g = x->g;
    gm__builder_add(b, g->n_in + g->n_out ? "(" : "(void");
    for (int32_t i = 0; i < g->n_in; i++)
        gm__builder_format(b, "%sconst %s *in%d", i ? ", " : "", files_type(x, g->in[i])->c, i);
    for (int32_t i = 0; i < g->n_out; i++)
        gm__builder_format(b, "%s%s *out%d", i + g->n_in ? ", " : "", files_type(x, g->out[i].value)->c, i);
    gm__builder_add(b, ")");
}

static void files_state(gm__builder *b, const gm__export *x, const gm__export_plan *p) {
    for (int get = 1; p->state_bytes && get >= 0; get--) {
        int64_t at = 0;
        gm__builder_format(b, "\nvoid %s_state_%s(%svoid *state) {\n    %schar *at = (%schar *)state;\n", p->name,
                           get ? "get" : "set", get ? "" : "const ", get ? "" : "const ", get ? "" : "const ");
        for (int32_t v = 0; v < x->g->n_values; v++) {
            if (!files_is_captured(x, v) || !x->written[v]) continue;
            if (get) gm__builder_format(b, "    memcpy(at + %" P ", s%d, %" P ");\n", at, v, files_bytes(x, v));
            else gm__builder_format(b, "    memcpy(s%d, at + %" P ", %" P ");\n", v, at, files_bytes(x, v));
            at += files_bytes(x, v);
        }
        if (x->draws && get) gm__builder_format(b, "    memcpy(at + %" P ", &gm_count, 8);\n", at);
        else if (x->draws) gm__builder_format(b, "    memcpy(&gm_count, at + %" P ", 8);\n", at);
        gm__builder_add(b, "}\n");
    }
}

static void files_load(gm__builder *b, const gm__export *x, const gm__export_plan *p) {
    int64_t at = 0;
    if (!p->file) return;
    gm__builder_format(b, "\nvoid %s_load(const void *weights) {\n    const char *at = (const char *)weights;\n",
                       p->name);
    for (int32_t v = 0; v < x->g->n_values; v++) {
        if (!files_is_captured(x, v)) continue;
        if (x->written[v]) gm__builder_format(b, "    memcpy(s%d, at + %" P ", %" P ");\n", v, at, files_bytes(x, v));
        else gm__builder_format(b, "    w%d = (const %s *)(const void *)(at + %" P ");\n", v, files_type(x, v)->c, at);
        at += files_round(files_bytes(x, v));
    }
    gm__builder_add(b, "}\n");
}

static void files_run(gm__builder *b, const gm__export *x, const gm__export_plan *p) {
    bool bad = x->used[GM__C99_COMMON][0] || x->used[GM__C99_COMMON][1];
    gm__builder_format(b, "\nint %s_%s", p->name, files_verb(x));
    files_parameters(b, x);
    gm__builder_add(b, bad ? " {\n    gm_bad = 0;\n" : " {\n");
    for (int32_t i = 0; i < x->g->n_in; i++) gm__builder_format(b, "    (void)in%d;\n", i);
    gm__builder_bytes(b, x->body.text ? x->body.text : "", x->body.n);
    if (x->draws) gm__builder_format(b, "    gm_count += %" P ";\n", x->g->n_draws);
    gm__builder_add(b, bad ? "    return gm_bad;\n}\n" : "    return 0;\n}\n");
}

static const char files_hash_text[] =
    "\n/* FNV-1a over elements, lowest byte first, every NaN as one. */\n"
    "static uint64_t gm_hash(uint64_t h, int is_float, const void *data, int64_t n, int bytes) {\n"
    "    for (int64_t i = 0; i < n; i++) {\n"
    "        uint64_t u = 0;\n"
    "        uint32_t w = 0;\n"
    "        uint16_t v = 0;\n"
    "        const char *at = (const char *)data + i * bytes;\n"
    "        if (bytes == 8) memcpy(&u, at, 8);\n"
    "        else if (bytes == 4) memcpy(&w, at, 4), u = w;\n"
    "        else if (bytes == 2) memcpy(&v, at, 2), u = v;\n"
    "        else u = *(const unsigned char *)at;\n"
    "        if (is_float && bytes == 4 && (u & 0x7fffffffu) > 0x7f800000u) u = 0x7fc00000u;\n"
    "        if (is_float && bytes == 8 && (u & INT64_MAX) > 0x7ff0000000000000u) u = 0x7ff8000000000000u;\n"
    "        for (int b = 0; b < bytes; b++) h = (h ^ (u >> 8 * b & 255u)) * 0x100000001b3u;\n"
    "    }\n"
    "    return h;\n"
    "}\n";

static int64_t files_count(const gm_shape *s) { return gm_shape_count(*s) ? gm_shape_count(*s) : 1; }

static void files_call(gm__builder *b, const gm__export *x, const gm__export_plan *p, const char *in, const char *out) {
    gm__builder_format(b, "%s_%s(", p->name, files_verb(x));
    for (int32_t i = 0; i < x->g->n_in; i++) gm__builder_format(b, "%s%s%d", i ? ", " : "", in, i);
    for (int32_t i = 0; i < x->g->n_out; i++) gm__builder_format(b, "%s%s%d", i + x->g->n_in ? ", " : "", out, i);
    gm__builder_add(b, ")");
}

static void files_hash_line(gm__builder *b, const char *what, int number, gm_dtype dtype, int64_t n) {
    gm__builder_format(b, "    h = gm_hash(h, %d, %s%d, %" P ", %d);\n", dtype == GM_F32 || dtype == GM_F64, what,
                       number, n, gm__element_bytes(dtype));
}

static void files_selftest(gm__builder *b, const gm__export *x, const gm__export_plan *p) {
    const gm_graph *g = x->g;
    char word[24];
    gm__builder_add(b, files_hash_text);
    for (int32_t i = 0; i < g->n_in; i++) {
        snprintf(word, sizeof word, "try_in%d", i);
        files_bits(b, files_type(x, g->in[i]), "const ", word, files_count(&p->in[i]->shape), gm_data(p->in[i]));
    }
    for (int32_t i = 0; i < g->n_out; i++)
        gm__builder_format(b, "static %s try_out%d[%" P "];\n", files_type(x, g->out[i].value)->c, i,
                           files_count(&x->t[g->n_values + i]->shape));
    if (p->state_bytes) gm__builder_format(b, "static unsigned char try_state[%" P "];\n", p->state_bytes);
    gm__builder_format(b, "\nint %s_selftest(void) {\n    uint64_t h = 0xcbf29ce484222325u;\n", p->name);
    if (p->state_bytes) gm__builder_format(b, "    %s_state_get(try_state);\n", p->name);
    gm__builder_add(b, "    if (");
    files_call(b, x, p, "try_in", "try_out");
    gm__builder_add(b, ") return 1;\n");
    for (int32_t i = 0; i < g->n_out; i++) {
        const gm_tensor *t = x->t[g->n_values + i];
        files_hash_line(b, "try_out", i, t->dtype, gm_shape_count(t->shape));
    }
    for (int32_t v = 0; v < g->n_values; v++)
        if (files_is_captured(x, v) && x->written[v])
            files_hash_line(b, "s", v, g->value[v].dtype, gm_shape_count(g->value[v].shape));
    if (p->state_bytes) gm__builder_format(b, "    %s_state_set(try_state);\n", p->name);
    gm__builder_format(b, "    return h != 0x%" PRIx64 "u;\n}\n", p->hash);
}

static void files_main(gm__builder *b, const gm__export *x, const gm__export_plan *p) {
    const gm_graph *g = x->g;
    gm__builder_add(b, "\n#include <stdio.h>\n");
    for (int32_t i = 0; i < g->n_in; i++)
        gm__builder_format(b, "static %s read_in%d[%" P "];\n", files_type(x, g->in[i])->c, i,
                           files_count(&p->in[i]->shape));
    if (p->file)
        gm__builder_format(b, "static union { double align; char bytes[%" P "]; } weights_data;\n",
                           p->weight_bytes ? p->weight_bytes : 1);
    gm__builder_add(b, "\nint main(int argc, char **argv) {\n    int at = 1;\n");
    if (p->file)
        gm__builder_format(b,
            "    FILE *f = argc > at ? fopen(argv[at], \"rb\") : NULL;\n"
            "    if (!f || fread(weights_data.bytes, 1, sizeof weights_data.bytes, f) != %" P ") {\n"
            "        fprintf(stderr, \"usage: %%s WEIGHTS [--selftest]\\n\", argv[0]);\n        return 2;\n    }\n"
            "    fclose(f);\n    at++;\n    %s_load(weights_data.bytes);\n", p->weight_bytes, p->name);
    gm__builder_format(b,
        "    if (argc > at && !strcmp(argv[at], \"--selftest\")) {\n        const int bad = %s_selftest();\n"
        "        printf(\"selftest %%s; the arena has %" P " bytes\\n\", bad ? \"FAILED\" : \"passed\");\n"
        "        return bad;\n    }\n    for (;;) {\n", p->name, p->arena_bytes);
    for (int32_t i = 0; i < g->n_in; i++) {
        gm__builder_format(b, "        if (fread(read_in%d, sizeof *read_in%d, %" P ", stdin) != %" P ")", i, i,
                           gm_shape_count(p->in[i]->shape), gm_shape_count(p->in[i]->shape));
        gm__builder_add(b, i ? " return 1;\n" : " return ferror(stdin) || fflush(stdout) ? 1 : 0;\n");
    }
    gm__builder_add(b, "        if (");
    files_call(b, x, p, "read_in", "try_out");
    gm__builder_add(b, ") return 1;\n");
    for (int32_t i = 0; i < g->n_out; i++) {
        int64_t n = gm_shape_count(x->t[g->n_values + i]->shape);
        gm__builder_format(b, "        if (fwrite(try_out%d, sizeof *try_out%d, %" P ", stdout) != %" P ") return 1;\n",
                           i, i, n, n);
    }
    gm__builder_add(b, g->n_in ? "    }\n}\n" : "        return fflush(stdout) ? 1 : 0;\n    }\n}\n");
}

/* ---- the source ---- */

static const char files_begin[] =
    "#if defined(__GNUC__) && !defined(__clang__) && defined(__AVX512F__)\n"
    "#pragma GCC target(\"prefer-vector-width=512\")\n"
    "#endif\n"
    "#include <stdint.h>\n#include <stddef.h>\n#include <string.h>\n"
    "#if defined(__GNUC__)\n"
    "#define GM_UNUSED __attribute__((unused))\n"
    "#else\n"
    "#include <math.h>\n"
    "#define GM_UNUSED\n#define __attribute__(x)\n#define __builtin_expect(a, b) (a)\n"
    "#define __builtin_fabs fabs\n#define __builtin_fabsf fabsf\n#define __builtin_floor floor\n"
    "#define __builtin_floorf floorf\n#define __builtin_ceil ceil\n#define __builtin_ceilf ceilf\n"
    "#define __builtin_trunc trunc\n#define __builtin_truncf truncf\n#define __builtin_rint rint\n"
    "#define __builtin_rintf rintf\n#define __builtin_sqrt sqrt\n#define __builtin_sqrtf sqrtf\n"
    "#define __builtin_inf() ((double)INFINITY)\n#define __builtin_inff() INFINITY\n"
    "#define __builtin_nan(s) ((double)NAN)\n#define __builtin_nanf(s) NAN\n"
    "static int __builtin_clzll(unsigned long long x) {\n    int n = 0;\n"
    "    for (; !(x >> 63); x <<= 1) n++;\n    return n;\n}\n"
    "#endif\n"
    "#define GM_K(name) name\n#define GM_INLINE static inline GM_UNUSED\n"
    "#if defined(__FMA__) || (defined(__aarch64__) && defined(__GNUC__))\n#define GM_HAS_FMA 1\n"
    "#else\n#define GM_HAS_FMA 0\n#endif\n";

static void files_kernels(gm__builder *b, const gm__export *x) {
    bool common =
        x->used[GM__C99_COMMON][0] || x->used[GM__C99_COMMON][1] || x->used[GM__C99_DOT][0] || x->used[GM__C99_DOT][1];
    if (common) gm__builder_add(b, gm__c99_text[GM__C99_COMMON]);
    if (x->used[GM__C99_RANDOM][0] || x->used[GM__C99_RANDOM][1]) gm__builder_add(b, gm__c99_text[GM__C99_PHILOX]);
    for (int wide = 0; wide < 2; wide++) {
        const char *s = wide ? "f64" : "f32";
        gm__builder_format(b,
                           "#undef T\n#undef K\n#undef FMA\n#undef M\n#define T %s\n#define K(name) name##_%s\n"
                           "#define FMA(a, b, c) fma_%s(a, b, c)\n#define M(f) f##_%s\n",
                           wide ? "double" : "float", s, s, s);
        for (int i = GM__C99_COMMON + 1; i < GM__C99_TEXTS; i++)
            if (x->used[i][wide]) gm__builder_add(b, gm__c99_text[i]);
    }
}

static void files_source(gm__builder *b, const gm__export *x, const gm__export_plan *p) {
    gm__builder_format(b, "/* %s.c: written by Gemel. C99; needs nothing but this file and %s.h. */\n", p->name,
                       p->name);
    gm__builder_add(b, gm__emit_text(0));
    gm__builder_format(b, "#include \"%s.h\"\n", p->name);
    gm__builder_add(b, files_begin);
    for (size_t i = 1; gm__emit_text(i); i++) gm__builder_add(b, gm__emit_text(i));
    gm__builder_add(b, gm__c99_text[GM__C99_INTEGER]);
    files_kernels(b, x);
    gm__builder_bytes(b, x->ops.text ? x->ops.text : "", x->ops.n);
    gm__builder_add(b, "\n");
    files_data(b, x, p);
    gm__builder_bytes(b, x->once.text ? x->once.text : "", x->once.n);
    files_load(b, x, p);
    files_state(b, x, p);
    files_run(b, x, p);
    files_selftest(b, x, p);
    if (p->main) files_main(b, x, p);
}

static void files_ports(gm__builder *b, const gm__export *x) {
    const gm_graph *g = x->g;
    char name[GM__EMITTED_NAME];
    for (int32_t i = 0; i < g->n_in; i++)
        gm__builder_format(b, " *   in%d   %s %s %s\n", i, files_type(x, g->in[i])->c,
                           gm__shape_str(&g->value[g->in[i]].shape), gm__emitted_name(g->value[g->in[i]].name, name));
    for (int32_t i = 0; i < g->n_out; i++)
        gm__builder_format(b, " *   out%d  %s %s %s\n", i, files_type(x, g->out[i].value)->c,
                           gm__shape_str(&x->t[g->n_values + i]->shape), gm__emitted_name(g->out[i].name, name));
}

static void files_header(gm__builder *b, const gm__export *x, const gm__export_plan *p) {
    const char *n = p->name, *u = p->upper;
    gm__builder_format(b, "/* %s.h: written by Gemel. Row-major arrays; results are written over.\n *\n", n);
    files_ports(b, x);
    gm__builder_format(b,
                       " *\n * Not for several threads at once: memory is static. */\n#ifndef %s_H\n#define %s_H\n"
                       "#include <stdint.h>\n\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n"
                       "#define %s_ARENA_BYTES %" P "\n#define %s_WEIGHT_BYTES %" P "\n#define %s_STATE_BYTES %" P
                       "\n\n",
                       u, u, u, p->arena_bytes, u, p->weight_bytes, u, p->state_bytes);
    if (p->file)
        gm__builder_format(
            b,
            "/* First: the bytes of %s.weights, at an address that is a multiple of 8. They stay yours and\n"
            " * must stay there. */\nvoid %s_load(const void *weights);\n",
            n, n);
    gm__builder_format(b, "/* 0, or 1 where an index or a label is out of range. */\nint %s_%s", n, files_verb(x));
    files_parameters(b, x);
    gm__builder_format(b, ";\n/* 0 if the recorded input gives the recorded bits%s. */\nint %s_selftest(void);\n",
                       p->state_bytes ? " from the first state (it is restored)" : "", n);
    if (p->state_bytes)
        gm__builder_format(b, "/* The state (%s_STATE_BYTES bytes), out and in. */\nvoid %s_state_get(void *state);\n"
                           "void %s_state_set(const void *state);\n", u, n, n);
    gm__builder_add(b, "\n#ifdef __cplusplus\n}\n#endif\n#endif\n");
}

static void files_readme(gm__builder *b, const gm__export *x, const gm__export_plan *p) {
    const char *n = p->name;
    gm__builder_format(
        b,
        "# %s\n\nC99 source, written by Gemel. `%s_%s` in `%s.h` computes the bits that the library computes,\n"
        "with any compiler, at any level of optimisation.\n\n    cc -std=c99 -O3 -march=native -c %s.c\n",
        n, n, files_verb(x), n, n);
    if (p->main)
        gm__builder_format(
            b,
            "    cc -std=c99 -O3 -march=native %s.c -o %s -lm\n    ./%s%s%s --selftest\n    ./%s%s%s <inputs.raw "
            ">results.raw\n",
            n, n, n, p->file ? " " : "", p->file ? n : "", n, p->file ? " " : "", p->file ? n : "");
    gm__builder_format(b,
                       "\nLink with -lm. Never -ffast-math. On 32-bit x86: -msse2 -mfpmath=sse.\n\n"
                       "- arena: %" P " bytes, static\n- weights: %" P " bytes, %s\n- state: %" P " bytes\n\n"
                       "`%s_selftest()` returns 0 where the recorded input gives the recorded bits.\n",
                       p->arena_bytes, p->weight_bytes,
                       p->file ? "in the file beside the source, given to the load function" : "in the source",
                       p->state_bytes, n);
}

/* ---- files ---- */

enum { FILES_MAX = 4 };
typedef struct { gm__save *file[FILES_MAX]; int n; } files_open;

static bool files_add(files_open *o, const gm__export_plan *p, const char *name, const char *ending,
                      const gm__builder *b) {
    char path[4096];
    if (snprintf(path, sizeof path, "%s/%s%s", p->dir, name, ending) >= (int)sizeof path)
        return gm_fail(GM_ERROR_VALUE, "export_c: the path is too long");
    gm__save *s = b && b->failed ? NULL : gm__save_open("export_c", path);
    if (!s) return false;
    o->file[o->n++] = s;
    return !b || gm__save_write(s, b->text, b->n);
}

static bool files_weights(files_open *o, const gm__export *x, const gm__export_plan *p) {
    static const char zeros[64];
    if (!p->file) return true;
    if (!files_add(o, p, p->name, ".weights", NULL)) return false;
    gm__save *s = o->file[o->n - 1];
    for (int32_t v = 0; v < x->g->n_values; v++) {
        if (!files_is_captured(x, v)) continue;
        int64_t n = files_bytes(x, v);
        void *owned;
        const void *data = gm__export_elements(x, v, &owned);
        bool ok = data && gm__save_write(s, data, (size_t)n) && gm__save_write(s, zeros, (size_t)(files_round(n) - n));
        gm_free(owned);
        if (!ok) return false;
    }
    return true;
}

bool gm__export_write(gm__export *x, gm__export_plan *p) {
    gm__builder text[3] = { { 0 }, { 0 }, { 0 } };
    files_open open = { .n = 0 };
    bool made = false;
    if (!files_sizes(x, p)) return false;
    files_source(&text[0], x, p);
    files_header(&text[1], x, p);
    files_readme(&text[2], x, p);
    bool ok = gm_ok();
    if (ok) made = !mkdir(p->dir, 0777);
    ok = ok && files_add(&open, p, p->name, ".c", &text[0]) && files_add(&open, p, p->name, ".h", &text[1]) &&
         files_add(&open, p, "README", ".md", &text[2]) && files_weights(&open, x, p);
    for (int i = 0; i < open.n; i++) ok = gm__save_close(open.file[i], ok) && ok;
    if (!ok && made) rmdir(p->dir);
    for (int i = 0; i < 3; i++) gm__builder_free(&text[i]);
    return ok;
}
#undef P
