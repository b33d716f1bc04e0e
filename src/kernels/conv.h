/* conv.h: convolution kernels, one template text for every instruction set and for f32 and f64.
 *
 * Everything is one micro-kernel (conv_tile.h): a tile of `rows x columns` results stays in registers while
 *     acc[i][j] = fma(row[i][index[k]], panel[k][j], acc[i][j])
 * runs over one chunk of k. A row is a pointer, the index list says where the k-th value lies from there, the panel is
 * packed so that a row of it is a few vectors:
 *
 *              rows                                  index                    panel
 *   forward    output positions, in the box          (tap, input channel)     weights [k][output channels]
 *   data grad  input positions of one stride phase   (tap, output channel)    weights [k][input channels]
 *   weight     (input channel, tap), in the box      output position          gy [k][output channels]
 *
 * The box is a zero-padded copy of the part of the source picture that a task needs, channels innermost for the first
 * two and channels outermost for the third, whatever the layout of the tensor: so that padding, strides, dilation,
 * groups and layouts cost one copy and nothing inside the loop. There is no im2col buffer.
 *
 * Order of summation (docs/numerics.md): a chunk is a chain from +0; each chunk is added to a partial sum, which starts
 * at +0 every 64 chunks; these are added to a total that starts at +0. Taps that a phase does not have are skipped, but
 * chunks keep their places in k: for finite operands a product with zero inside a chain changes no value, and the sign
 * of a zero is lost when it is added to +0.
 *
 * Hooks, for code that embeds this text with macros of its own. Defaults do nothing, except for the bias:
 *   GM_HOOK_LOAD(x, channel)             a value of the source as it is copied into the box (defining it needs plans
 *                                        that are not direct_in)
 *   GM_HOOK_RESUME(v)                    a vector of partial sums as it comes back from memory
 *   GM_HOOK_TILE_DONE(v, p, channel, at) a vector of finished results: `channel` its first channel as an index into
 *                                        the padded bias, `at` the offset in dst of the position's channel 0
 *   GM_HOOK_BLOCK_DONE(p, places, n, first, last)  channels first..last-1 of the n positions `places` are stored */
#ifdef GM_KERNEL_DECLARE
/* Rows and columns of a tile, and lanes of a vector. */
GM_KERNEL(void, conv_widths_f32, (int64_t *rows, int64_t *columns, int64_t *vector))
/* Pack the weights of one tile of one group. */
GM_KERNEL(void, conv_pack_f32, (const gm__conv_gather *p, int64_t group, int64_t tile))
/* One task of a plan, with scratch of p->scratch_bytes. */
GM_KERNEL(void, conv_gather_f32, (const gm__conv_gather *p, int64_t task, void *scratch))
GM_KERNEL(void, conv_planes_f32, (const gm__conv_gather *p, int64_t task, void *scratch))
GM_KERNEL(void, conv_wgrad_f32, (const gm__conv_wgrad *p, int64_t task, void *scratch))
#if GM_OTHER_TYPES
GM_KERNEL(void, conv_widths_f64, (int64_t *rows, int64_t *columns, int64_t *vector))
GM_KERNEL(void, conv_pack_f64, (const gm__conv_gather *p, int64_t group, int64_t tile))
GM_KERNEL(void, conv_gather_f64, (const gm__conv_gather *p, int64_t task, void *scratch))
GM_KERNEL(void, conv_planes_f64, (const gm__conv_gather *p, int64_t task, void *scratch))
GM_KERNEL(void, conv_wgrad_f64, (const gm__conv_wgrad *p, int64_t task, void *scratch))
#endif
#else

#ifndef GM_HOOK_RESUME
#  define GM_HOOK_RESUME(v) (v)
#endif
#ifndef GM_HOOK_TILE_DONE
#  define GM_HOOK_TILE_DONE(v, p, channel, at) CK(conv_add_bias)(v, p, channel, at)
#endif
#ifndef GM_HOOK_PLANE_DONE
#  define GM_HOOK_PLANE_DONE(v, p, channel, at) CK(conv_add_one_bias)(v, p, channel, at)
#endif
#ifndef GM_HOOK_BLOCK_DONE
#  define GM_HOOK_BLOCK_DONE(p, places, n, first, last) ((void)0)
#endif

/* Rows of a tile; its columns are CONV_NV vectors. CONV_PLANE_WIDTH(rows): vectors of a tile of conv_plane.h. */
#define CONV_NV 2
#if GM_VBYTES == 64
#  define CONV_MR 14
#  define CONV_PLANE_WIDTH(rows) ((rows) <= 3 ? 8 : (rows) <= 7 ? 4 : 2)
#elif GM_VBYTES == 32
#  define CONV_MR 6
#  define CONV_PLANE_WIDTH(rows) ((rows) <= 1 ? 8 : (rows) <= 3 ? 4 : 2)
#elif GM_HAS_FMA
#  define CONV_MR 12
#  define CONV_PLANE_WIDTH(rows) ((rows) <= 3 ? 8 : (rows) <= 6 ? 4 : 2)
#else
#  define CONV_MR 4
#  define CONV_PLANE_WIDTH(rows) ((rows) <= 1 ? 4 : 2)
#endif
#define CONV_COUNTS_4(X) X(1) X(2) X(3) X(4)
#define CONV_COUNTS_6(X) CONV_COUNTS_4(X) X(5) X(6)
#define CONV_COUNTS_12(X) CONV_COUNTS_6(X) X(7) X(8) X(9) X(10) X(11) X(12)
#define CONV_COUNTS_14(X) CONV_COUNTS_12(X) X(13) X(14)
#define CONV_ROW_COUNTS(X) GM__PASTE(CONV_COUNTS, CONV_MR)(X)

#define CONV_T float
#define CONV_V gm_v
#define CONV_VN GM_VF
#define CONV_LOAD(p) gm_load(p)
#define CONV_STORE(p, v) gm_store(p, v)
#define CONV_SPLAT(x) gm_splat(x)
#define CONV_FMA(a, b, c) gm_vfma(a, b, c)
#define CONV_TRANSPOSE(v) gm_vturn(v)
#define CK(name) GM_K(name##_f32)
#include "conv_copy.h"
#include "conv_tile.h"
#include "conv_pack.h"
#include "conv_gather.h"
#include "conv_plane.h"
#include "conv_wgrad.h"
#undef CONV_T
#undef CONV_V
#undef CONV_VN
#undef CONV_LOAD
#undef CONV_STORE
#undef CONV_SPLAT
#undef CONV_FMA
#undef CONV_TRANSPOSE
#undef CK

#if GM_OTHER_TYPES
/* For doubles 4 rows, which are 8 chains, keep the units busy: 14 would double the code of this file. */
#undef CONV_MR
#define CONV_MR 4
#define CONV_T double
#define CONV_V gm_vd
#define CONV_VN GM_VD
#define CONV_LOAD(p) gm_loadd(p)
#define CONV_STORE(p, v) gm_stored(p, v)
#define CONV_SPLAT(x) gm_splatd(x)
#define CONV_FMA(a, b, c) gm_vfmad(a, b, c)
#define CONV_TRANSPOSE(v) gm_vturnd(v)
#define CK(name) GM_K(name##_f64)
#include "conv_copy.h"
#include "conv_tile.h"
#include "conv_pack.h"
#include "conv_gather.h"
#include "conv_plane.h"
#include "conv_wgrad.h"
#undef CONV_T
#undef CONV_V
#undef CONV_VN
#undef CONV_LOAD
#undef CONV_STORE
#undef CONV_SPLAT
#undef CONV_FMA
#undef CONV_TRANSPOSE
#undef CK
#endif

#undef CONV_NV
#undef CONV_MR
#undef CONV_PLANE_WIDTH
#undef CONV_COUNTS_4
#undef CONV_COUNTS_6
#undef CONV_COUNTS_12
#undef CONV_COUNTS_14
#undef CONV_ROW_COUNTS
#undef GM_HOOK_RESUME
#undef GM_HOOK_TILE_DONE
#undef GM_HOOK_PLANE_DONE
#undef GM_HOOK_BLOCK_DONE
#endif
