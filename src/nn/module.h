/* module.h: what a module is made of, for the files of this room. */
#ifndef GM_NN_MODULE_H
#define GM_NN_MODULE_H

#include "gemel/extend.h"
#include "gemel/nn.h"

enum { MODULE_PARAM, MODULE_BUFFER, MODULE_CHILD };
enum { MODULE_PATH = 1024 };

/* How a parameter is filled; `wanted`: it still has to be; `zero_row`: row zero_row - 1 becomes zero then. */
typedef struct { gm_init kind; bool wanted; double a, b; int64_t zero_row; } module_recipe;
typedef struct { char *name; int32_t kind; gm_tensor *t; gm_module *child; module_recipe recipe; } module_part;
typedef struct { gm_forward_hook fn; void *env; void (*free_env)(void *env); int64_t id; } module_hook;

struct gm_module {
    gm_object o;
    gm_module_class class;
    char *class_name, *name;
    void *state;
    gm_module *parent;
    module_part *parts;
    module_hook *hooks;
    int64_t n, capacity, n_hooks, last_hook;
    int32_t symbolic; /* inside how many calls with symbolic values it is */
    bool training, ready;
};

/* m is a live module and no error is pending. */
bool gm__module_check(const gm_module *m, const char *op);
/* Calls f with the path (from m) of every parameter and buffer, in order of registration, depth first, until it returns
 * false. */
typedef bool (*module_visit)(void *env, const char *path, module_part *p);
bool gm__module_walk(gm_module *m, module_visit f, void *env);
/* forward and apply as they are, whichever of the two the class has. */
gm_tensor *gm__module_run_forward(gm_module *m, gm_tensor *x);
gm_pack *gm__module_run_apply(gm_module *m, gm_pack *in);
/* Values below m, and so above it, have to be filled anew before the next use. */
void gm__module_unready(gm_module *m);
/* Fill what has to be filled, in the whole tree that m is part of. */
bool gm__module_ready(gm_module *m);
/* When the last parameter that m was given is filled, its row `row` is to be zero. */
void gm__module_zero_row(gm_module *m, int64_t row);
/* lengths.c: lengths, integers [batch], each from `least` to `steps` -> bool [batch, steps], true before a sequence's
 * end. `layer`: its name in messages. */
gm_tensor *gm__lengths_mask(const char *layer, gm_tensor *lengths, int64_t batch, int64_t steps, int64_t least);
/* `pattern` names the path or a module that it lies in: '*' is any text, '|' separates alternatives, NULL is all. */
bool gm__module_matches(const char *pattern, const char *path);

#endif
