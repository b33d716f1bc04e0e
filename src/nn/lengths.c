/* lengths.c: the lengths of sequences in a batch as a mask. Pipelines that pad tell them as "x_length". */
#include "../math/fp.h"
#include "gemel/graph.h"
#include "gemel/ops.h"
#include "module.h"

gm_tensor *gm__lengths_mask(const char *layer, gm_tensor *lengths, int64_t batch, int64_t steps, int64_t least) {
    char text[200];
    gm_shape s = gm_shape_of(lengths);
    if (!gm_ok()) return NULL;
    if (s.n != 1 || s.d[0] != batch || !gm_is_integer(gm_dtype_of(lengths)))
        return gm_fail(GM_ERROR_SHAPE, "%s: lengths are %s %s, integers [%lld] are wanted", layer,
                       gm_dtype_name(gm_dtype_of(lengths)), gm_shape_text(s, text, sizeof text), (long long)batch),
               NULL;
    bool known = batch > 0 && !gm_is_symbolic(lengths) && !gm_is_recording();
    int64_t low = known ? gm_item_i64(gm_min(lengths)) : least, high = known ? gm_item_i64(gm_max(lengths)) : least;
    if (gm_ok() && known && (low < least || high > steps))
        return gm_fail(GM_ERROR_VALUE, "%s: lengths from %lld to %lld for %lld steps", layer, (long long)low,
                       (long long)high, (long long)steps),
               NULL;
    gm_tensor *step = gm_unsqueeze(gm_arange(0, (double)steps, 1, GM_I64), 0);
    return gm_lt(step, gm_unsqueeze(gm_cast(lengths, GM_I64), 1));
}
