/* target.h: the spellings of emitted code for one kind of compiler.
 *
 * The emitter (emit.c) and the kernels of devices (src/device) are written in one set of words; a target says how each
 * is spelled. Another dialect of C is another row in target.c. */
#ifndef GM_COMPILE_TARGET_H
#define GM_COMPILE_TARGET_H

#include "../base/builder.h"

typedef struct {
    const char *name;
    const char *kernel;  /* what a function begins with that is called from outside */
    const char *global;  /* goes before pointers to the memory of tensors */
    const char *opening; /* before everything else */
    const char *const (*words)[2]; /* defined after it: a word and its spelling; ends with NULL. NULL: none */
    bool items;   /* a function is run once for each element, which it asks for; else it is a loop over a range */
    bool selects; /* only those scalar functions are written that are used; else all */
    bool doubles; /* there are doubles */
} gm__target;

extern const gm__target gm__target_c, gm__target_opencl;

/* What comes before all functions. */
void gm__target_open(gm__builder *t, const gm__target *target);
/* scalars.c: the scalar functions (src/math) that `text` uses, and those that they use. False if the target lacks the
 * doubles that they or the text compute with, and after a MEMORY error. t: NULL to ask only. */
bool gm__target_scalars(gm__builder *t, const gm__target *target, const char *text);

#endif
