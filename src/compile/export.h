/* export.h: what the files that write programs as C99 share.
 *
 * A value is a pointer with an offset and strides: of an input ("in0"), an output, a captured tensor ("w7", or "s7"
 * where the program writes it), or a buffer in the arena of its type ("v12"). Views have no memory. */
#ifndef GM_COMPILE_EXPORT_H
#define GM_COMPILE_EXPORT_H

#include "../base/builder.h"
#include "../graph/graph.h"

typedef struct { gm_dtype dtype; const char *c, *suffix, *member; int32_t bytes; } gm__export_type;
enum { GM__EXPORT_TYPES = 8 };
extern const gm__export_type gm__export_types[GM__EXPORT_TYPES];
/* The number of a dtype in the table; -1 where it has no form. */
int gm__export_type_of(gm_dtype dtype);

/* The kernel texts (src/compile/c99), in the order in which they need each other. */
enum { GM__C99_COMMON, GM__C99_SUM, GM__C99_DOT, GM__C99_SOFTMAX, GM__C99_NORM, GM__C99_CONV, GM__C99_POOL,
       GM__C99_INDEX, GM__C99_OPTIMIZE, GM__C99_RANDOM, GM__C99_TEXTS,
       GM__C99_INTEGER = GM__C99_TEXTS, GM__C99_PHILOX };
extern const char *const gm__c99_text[];

enum { GM__EXPORT_NAME = 48 };

typedef struct {
    const gm_graph *g;
    gm_tensor **t;     /* [n_values + n_out], held: how each lies over its root's memory, no data; the results, dense */
    int32_t *root;     /* [n_values + n_out] */
    int64_t *place;    /* [n_values], of own memory: elements from the arena's beginning */
    bool *written;     /* [n_values], of roots */
    bool *moved;       /* [n_values]: constants that lie as their readers like it, not as they were captured */
    int64_t arena[GM__EXPORT_TYPES]; /* elements */
    gm__builder body;  /* the statements of the program */
    gm__builder once;  /* tables of constants that they need */
    gm__builder ops;   /* elementwise expressions as functions */
    bool used[GM__C99_TEXTS][2];   /* the texts for float and for double */
    bool *op_used;     /* [n_nodes]: an elementwise function was written for this node */
    int32_t node;      /* the one being written */
    bool steps;        /* there is an optimizer's step */
    bool draws;        /* random numbers come from the stream */
    int64_t work[2], places; /* elements that kernels work in, for float and for double; products of a convolution */
} gm__export;

/* UNSUPPORTED, naming the node that is being written; false. */
bool gm__export_refuse(const gm__export *x, const char *why);
/* "v12 + 40": the first element of value v. */
const char *gm__export_at(const gm__export *x, int32_t v, char out[GM__EXPORT_NAME]);
/* Attributes by name: the library's records are described by their tables. */
int64_t gm__export_i64(const gm__node *n, const char *name, int i);
double gm__export_f64(const gm__node *n, const char *name);
const void *gm__export_field(const gm__node *n, const char *name);
/* "f32" or "f64" for kernels of value v, whose texts (ended by -1) are then used; NULL after UNSUPPORTED. */
const char *gm__export_kernel(gm__export *x, int32_t v, const int *texts);
/* A line of the body; of the constants. */
void gm__export_line(gm__export *x, const char *format, ...) GM_PRINTF(2, 3);
/* Value v is one of the node's n-th input, or -1. */
static inline int32_t gm__export_in(const gm__node *n, int i) { return i < n->n_in ? n->in[i] : -1; }

/* ---- export_loop.c: what is loops over elements ---- */

bool gm__export_loops(gm__export *x, const gm__node *n, bool *done);
/* The elements of value `from` into `to`. */
void gm__export_copy(gm__export *x, int32_t to, int32_t from);
void gm__export_fill(gm__export *x, int32_t to, double number);
/* A number of a type, exactly. */
void gm__export_number(gm__builder *b, double v, gm_dtype dtype);

/* ---- export_ops.c: what is calls of kernels ---- */

bool gm__export_calls(gm__export *x, const gm__node *n, bool *done);
/* ---- export_nn.c: convolution, pooling ---- */

bool gm__export_layers(gm__export *x, const gm__node *n, bool *done);

/* ---- export_select.c: by index, running sums, random numbers ---- */

bool gm__export_selects(gm__export *x, const gm__node *n, bool *done);

/* ---- export_files.c: the program as files ---- */

typedef struct {
    const char *dir;
    char name[64], upper[64];  /* of files and functions; of macros */
    int32_t weights;           /* as asked for */
    bool file, main;           /* weights beside the source; with a main() */
    int64_t weight_bytes, state_bytes, arena_bytes;
    gm_tensor **in;            /* the recorded input, dense */
    uint64_t seed, count;      /* where the random stream stands */
    uint64_t hash;             /* of the results and the state after it */
} gm__export_plan;
/* The elements of captured value v's memory, from the first to the last. */
int64_t gm__export_extent(const gm__export *x, int32_t v);
/* These elements, in memory of their own if *owned is not NULL afterwards. NULL after a MEMORY error. */
const void *gm__export_elements(const gm__export *x, int32_t v, void **owned);
bool gm__export_write(gm__export *x, gm__export_plan *p);
/* FNV-1a over elements, lowest byte first, every NaN as one. */
uint64_t gm__export_hash(uint64_t h, gm_dtype dtype, const void *data, int64_t n);

#endif
