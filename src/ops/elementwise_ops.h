/* elementwise_ops.h: declares the record of each elementwise operation, and what the family adds to a record. */
#ifndef GM_OPS_ELEMENTWISE_OPS_H
#define GM_OPS_ELEMENTWISE_OPS_H
#include "ops.h"

#define EW_F(name, ...) extern const gm_op gm__op_##name;
#define EW_N EW_F
#define EW_I EW_F
#include "elementwise.def"
#undef EW_F
#undef EW_N
#undef EW_I

/* Parameters of every elementwise operation. */
typedef struct { double p[2]; } gm__ew_attrs;

typedef enum { GM__EW_SAME, GM__EW_BOOL, GM__EW_COND } gm__ew_gives;
typedef gm_tensor *(*gm__ew_grad_fn)(gm_tensor *g, gm_tensor *a, gm_tensor *b, gm_tensor *c, gm_tensor *y,
                                     const double *p);

typedef struct {
    const char *expression;
    char takes; /* F, N or I */
    int32_t gives, n_in, n_par;
    gm__ew_grad_fn grad[3];
    const char *grad_text[3]; /* "NONE" where there is none */
    int32_t kernel[5];        /* offsets into gm_kernels for f32, f64, i32, i64, u64; 0 where there is none */
    uint32_t *saves;          /* what the derivative needs saved, read off grad_text at the first use */
} gm__ew;

#endif
