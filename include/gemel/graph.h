/* gemel/graph.h: functions as values: recorded, transformed, compiled.
 *
 * gm_function wraps a C function that calls operations. What takes a gm_fn gives a gm_fn, so transforms combine in any
 * order: gm_jit(gm_vmap(gm_grad(f))). A function is traced by calling it once with tensors that have shapes but no
 * values: C control flow is decided then, and reading a number of such a tensor is a STATE error. C variables that the
 * function reads are constants of the recording. Tensors that it reads are not: they are looked at when the program
 * runs, and gm_assign, optimizers and running statistics change them as in eager mode. */
#ifndef GEMEL_GRAPH_H
#define GEMEL_GRAPH_H

#include "op.h"
#include "tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gm_fn gm_fn;
typedef struct gm_graph gm_graph;

/* ---- Functions --------------------------------------------------------------------------------------------------- */

typedef gm_tensor *(*gm_fn1)(void *env, gm_tensor *x);
typedef gm_tensor *(*gm_fn2)(void *env, gm_tensor *x, gm_tensor *y);
typedef gm_pack *(*gm_fnp)(void *env, gm_pack *in);

/* A C function of one tensor, of two, or of a pack, that gives a tensor or a pack. free_env (may be NULL) is called
 * with env when the function dies. Owned by the scope. In C the macro gm_function chooses by the type of f. */
GM_API gm_fn *gm_function1(gm_fn1 f, void *env, void (*free_env)(void *env));
GM_API gm_fn *gm_function2(gm_fn2 f, void *env, void (*free_env)(void *env));
GM_API gm_fn *gm_functionp(gm_fnp f, void *env, void (*free_env)(void *env));

/* Call with a pack. The inputs of a function of tensors are its entries in order; a result that is one tensor comes as
 * the only entry, "0". */
GM_API gm_pack *gm_call_pack(gm_fn *f, gm_pack *in);
/* Call with n tensors; the result must be one tensor. gm_call(f, x, y) in C. */
GM_API gm_tensor *gm_call_list(gm_fn *f, gm_tensor *const *in, int n);

/* Until gm_substitute_end(what this returned), operations of this thread that are given a tensor of `of` take that of
 * the same name in `by` (same shape, same dtype). NULL and an error: INDEX, SHAPE. */
GM_API void *gm_substitute_begin(gm_pack *of, gm_pack *by);
GM_API void gm_substitute_end(void *begun);

/* ---- Transforms -------------------------------------------------------------------------------------------------- */

/* Gradients of the result (one element, or summed) with respect to input number `argument`: a tensor where that input
 * is a tensor, a pack of the same names where it is a pack. */
typedef struct { size_t size; int32_t argument, reserved; } gm_grad_fn_args;
GM_API gm_fn *gm_grad_with(gm_fn *f, const gm_grad_fn_args *args);
/* The result, as entry "value", and the gradients, as entry "grad". Of a result that is a pack the first tensor counts;
 * the whole is "value". */
GM_API gm_fn *gm_value_and_grad_with(gm_fn *f, const gm_grad_fn_args *args);
/* Of (inputs, "gradient" of the result): "value", and "grad" with respect to every float input. */
GM_API gm_fn *gm_vjp(gm_fn *f);
/* Of ("in": the inputs, "tangent": a pack of tangents of the same names; those left out are zero): "value" and
 * "tangent". */
GM_API gm_fn *gm_jvp(gm_fn *f);
/* f applied to every entry along an axis, at once: `in_axes` says for each input, in order, along which (default: 0 for
 * all; an input that is a pack has one for all its tensors, unless there are as many axes as tensors in all),
 * GM_NOT_MAPPED for inputs that are the same for all; results get the axis `out_axis`.
 * Random numbers are drawn for every entry. */
enum { GM_NOT_MAPPED = -1000 };
typedef struct { size_t size; const int32_t *in_axes; int32_t n_axes, out_axis; } gm_vmap_args;
GM_API gm_fn *gm_vmap_with(gm_fn *f, const gm_vmap_args *args);

/* f, but what it computes on the way is not kept for gradients: the backward pass runs f again, with the same random
 * numbers and without its effects (assignments, printing). The same bits for less memory. What f assigns it must not
 * read. */
GM_API gm_fn *gm_remat(gm_fn *f);

/* ---- Control flow --------------------------------------------------------------------------------------------------
 * In eager mode these are if, while and for, and functions may do as they like. In a recording each is one operation of
 * the program: the functions are recorded, once each, and what they use from outside goes in. They may be nested, and
 * mixed with all transforms. Gradients add up inside, and come as one sum for each tensor. Each call takes one place in
 * the random stream; what is drawn inside does not depend on which way was taken before. */

/* yes(in) if `pred`, of one element, is not zero, else no(in). In a recording both give the same names, shapes and
 * dtypes (SHAPE), and what only the other one uses gets gradients of zeros. in: may be NULL. */
GM_API gm_pack *gm_cond(gm_tensor *pred, gm_fn *yes, gm_fn *no, gm_pack *in);
/* state = body(state) as long as cond(state), of one element, is not zero. The state keeps its shapes and dtypes
 * (SHAPE). In a recording tangents go through it, gradients only with a .bound of the number of steps (UNSUPPORTED; to
 * go on after so many steps is a VALUE error): the way back has as many. */
typedef struct { size_t size; int64_t bound; } gm_while_args;
GM_API gm_pack *gm_while_with(gm_fn *cond, gm_fn *body, gm_pack *state, const gm_while_args *args);
/* For each entry along the first dimension of every tensor of xs, or `length` times: body({ "carry", "x" }), both
 * packs, gives { "carry", "y" }: the next carry, of the same shapes and dtypes (SHAPE), and a tensor or pack, which may
 * be left out. { "carry": the last, "y": all, stacked }. `reverse`: from the last entry to the first; y stays in the
 * order of xs. carry and xs may be NULL. */
typedef struct { size_t size; int64_t length; int32_t reverse, reserved; } gm_scan_args;
GM_API gm_pack *gm_scan_with(gm_fn *body, gm_pack *carry, gm_pack *xs, const gm_scan_args *args);

/* ---- Recordings -------------------------------------------------------------------------------------------------- */

/* The graph of f for inputs of these shapes and dtypes; values are not looked at. */
GM_API gm_graph *gm_trace_graph(gm_fn *f, gm_pack *in);
/* The same for every batch, which is axis 0 of all inputs: f is recorded for a few, and each number that differs has to
 * be a * B + b. If one is not, the graph is for a batch of 2 only, and its text says why. */
GM_API gm_graph *gm_trace_any_batch(gm_fn *f, gm_pack *in);
GM_API int64_t gm_graph_n_nodes(const gm_graph *g);
/* An input or output, by number: false, without an error, past the last. Sizes that depend on the batch are -1. The
 * name lives as long as the graph. */
typedef struct { int64_t number; const char *name; gm_shape shape; gm_dtype dtype; int32_t reserved; } gm_graph_port;
GM_API bool gm_graph_input(const gm_graph *g, int64_t i, gm_graph_port *p);
GM_API bool gm_graph_output(const gm_graph *g, int64_t i, gm_graph_port *p);
/* Run it in eager mode: inputs in order, of the graph's shapes and dtypes; outputs by their names. */
GM_API gm_pack *gm_graph_run(gm_graph *g, gm_pack *in);
/* The graph for the batch that these inputs have; g itself if it is for one batch only. Errors as gm_graph_run's. */
GM_API gm_graph *gm_graph_for(gm_graph *g, gm_pack *in);
/* The graph as a function, for gm_jit and every other transform. */
GM_API gm_fn *gm_graph_function(gm_graph *g);

/* True while the thread records: values are not known. */
GM_API bool gm_is_recording(void);
/* Between these two operations run at once, though a recording is open: for work that belongs to this moment. */
GM_API void *gm_recording_pause(void);
GM_API void gm_recording_resume(void *before);

/* Say that a mode which traced functions may depend on has changed (a training flag, a frozen parameter, an option of a
 * module of one's own): compiled functions look again. The library's own setters do. */
GM_API void gm_modes_changed(void);

/* ---- Text: docs/graphs.md --------------------------------------------------------------------------------------- */

/* The graph in a form to read, a line per node; gm_graph_parse makes the same graph of it. Valid until the graph's next
 * text is asked for, or its end. */
GM_API const char *gm_graph_text(gm_graph *g);
/* The graph for GraphViz (`dot -Tsvg`). Lives as the text does. */
GM_API const char *gm_graph_dot(gm_graph *g);
/* Names for the tensors that the graph uses: those under which they are in the pack, gm_state_dict(net) for one. Others
 * are called "t0", "t1" ... */
GM_API bool gm_graph_name(gm_graph *g, gm_pack *tensors);
/* All tensors that the graph uses, by their names. */
GM_API gm_pack *gm_graph_tensors(gm_graph *g);

/* `ops`: records of operations that are not the library's own. */
typedef struct { size_t size; const gm_op *const *ops; int64_t n_ops; } gm_graph_parse_args;
/* The graph that a text describes, over the tensors that it names (NULL if none). Errors: FORMAT, SHAPE and whatever
 * the operations say, with the line and its value; INDEX for a tensor that is missing; UNSUPPORTED for operations and
 * versions that are not known. */
GM_API gm_graph *gm_graph_parse_with(const char *text, gm_pack *tensors, const gm_graph_parse_args *args);
GM_API gm_graph *gm_graph_parse(const char *text, gm_pack *tensors);

/* ---- Stepping ---------------------------------------------------------------------------------------------------- */

/* f recorded for these inputs and run node by node: the bits of the compiled run, with a look at any value in between.
 * What it writes (parameters, statistics) is written. Stands before the first node. */
typedef struct gm_stepper gm_stepper;
GM_API gm_stepper *gm_stepper_new(gm_fn *f, gm_pack *in);
/* The number of the next node, its operation and the path of the module it is of; at the end NULL. */
GM_API int64_t gm_stepper_at(const gm_stepper *s);
GM_API const char *gm_stepper_op(const gm_stepper *s);
GM_API const char *gm_stepper_where(const gm_stepper *s);
/* Run the next node; false at the end, and after an error. */
GM_API bool gm_stepper_next(gm_stepper *s);
/* Run at least one node and stop before the next one that is of this operation or module; false if none is left. */
GM_API bool gm_stepper_run_to(gm_stepper *s, const char *name);
/* An output of a node that has run; owned by the stepper. */
GM_API gm_tensor *gm_stepper_value(const gm_stepper *s, int64_t node, int output);
/* Run the rest; f's result. */
GM_API gm_pack *gm_stepper_finish(gm_stepper *s);

/* ---- Compilation ------------------------------------------------------------------------------------------------- */

/* f, recorded at its first call for each set of shapes, dtypes and modes, and from then on run as one program. Threads
 * may call it at once: programs that write no tensors run side by side; those that write the same one run one after
 * the other. */
GM_API gm_fn *gm_jit(gm_fn *f);
/* memory: the bytes of intermediate values and results that programs should make do with: cheap values (elementwise,
 * casts, softmax, norms) that are needed again much later are made again there, with the same bits. What else it takes,
 * it takes: the statistics say how much. 0: no limit. Not for programs that a gradient goes back through. */
typedef struct { size_t size; int64_t memory; } gm_jit_args;
GM_API gm_fn *gm_jit_with(gm_fn *f, const gm_jit_args *args);

typedef struct {
    int64_t calls, hits;              /* a hit is a call that found its program */
    int64_t traces, programs, runs;   /* recordings; programs kept; calls that ran one */
    int64_t kernels, arena_bytes;     /* of a run; of all programs */
    int64_t built;                    /* programs that run emitted code */
    int64_t last_kernels, last_arena_bytes, last_live_bytes; /* of the program called last */
    double seconds;                   /* spent in recording and planning */
    int64_t most_at_once;             /* calls of one program at the same time */
    int64_t gradient_runs;            /* backward passes that ran the program of a way back */
    int64_t reserved[5];
} gm_jit_stats;
GM_API gm_jit_stats gm_jit_statistics(gm_fn *f);
/* The first calls of a program run on the library's own kernels, while loops of its own are compiled in the background
 * by the system's compiler (docs/kernel_cache.md); then these take over, with the same bits. Wait for that now. False,
 * without an error, if there is a program that has none: there is no compiler, or nothing in it can be one loop. */
GM_API bool gm_jit_wait(gm_fn *f);

/* Of the program that a graph for one batch becomes: calls of kernels; bytes of its arena; the largest sum of buffers
 * in use at once. Nothing is computed. */
typedef struct { int64_t kernels, arena_bytes, live_bytes, reserved[5]; } gm_plan_info;
GM_API bool gm_graph_plan(gm_graph *g, gm_plan_info *info);

#ifdef __cplusplus
}
#else
#  define gm_function(f, env)                                                                                          \
      _Generic((f), gm_fn1: gm_function1, gm_fn2: gm_function2, gm_fnp: gm_functionp)(f, env, NULL)
#    define gm_call(f, ...)                             \
        gm_call_list(f, (gm_tensor *[]){ __VA_ARGS__ }, \
                     (int)(sizeof((gm_tensor *[]){ __VA_ARGS__ }) / sizeof(gm_tensor *)))
#    define gm_grad(...)                     gm__grad_macro(__VA_ARGS__, .size = sizeof(gm_grad_fn_args))
#    define gm__grad_macro(f, ...)           gm_grad_with(f, &(gm_grad_fn_args){ __VA_ARGS__ })
#    define gm_value_and_grad(...)           gm__value_and_grad_macro(__VA_ARGS__, .size = sizeof(gm_grad_fn_args))
#    define gm__value_and_grad_macro(f, ...) gm_value_and_grad_with(f, &(gm_grad_fn_args){ __VA_ARGS__ })
#    define gm_while(...)                    gm__while_macro(__VA_ARGS__, .size = sizeof(gm_while_args))
#    define gm__while_macro(c, b, s, ...)    gm_while_with(c, b, s, &(gm_while_args){ __VA_ARGS__ })
#    define gm_scan(...)                     gm__scan_macro(__VA_ARGS__, .size = sizeof(gm_scan_args))
#    define gm__scan_macro(b, c, xs, ...)    gm_scan_with(b, c, xs, &(gm_scan_args){ __VA_ARGS__ })
#    define gm_vmap(...)                     gm__vmap_macro(__VA_ARGS__, .size = sizeof(gm_vmap_args))
#    define gm__vmap_macro(f, ...)           gm_vmap_with(f, &(gm_vmap_args){ __VA_ARGS__ })
#endif
#endif
