/* layer_call.h: a layer applied to symbolic values. */
#ifndef GM_NN_LAYER_CALL_H
#define GM_NN_LAYER_CALL_H

#include "module.h"
#include "gemel/symbol.h"

/* What a record of gm_symbolic stands for: an input of a net (no module), gm_forward (no names), or gm_apply, whose
 * packs' names are kept, each ended by a zero. */
typedef struct { gm_object o; gm_module *module; char *in_names, *out_names; } layer_call;

/* The call behind a record; NULL if it is none. */
layer_call *gm__layer_call_of(const gm_record *r);

/* Records in order of their ids, so what is needed comes first. */
typedef struct { const gm_record **r; int64_t n, capacity; } record_list;
/* All records that t depends on, but for those behind values of `stop` (may be NULL). */
bool gm__records_add(record_list *l, gm_tensor *t, const gm_pack *stop);
void gm__records_sort(record_list *l);
/* The place of t's record; -1 if it is not there. */
int64_t gm__records_find(const record_list *l, const gm_tensor *t);
void gm__records_free(record_list *l);

/* "linear" for a layer of class nn_linear; with a number behind it but for the first: "linear_1". */
char *gm__layer_label(char *text, size_t bytes, const gm_module *layer, int64_t number);

/* gm_forward and gm_apply of symbolic values. */
gm_tensor *gm__layer_forward(gm_module *m, gm_tensor *x);
gm_pack *gm__layer_apply(gm_module *m, gm_pack *in);
bool gm__layer_is_symbolic(const gm_pack *in);

#endif
