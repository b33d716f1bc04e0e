/* conv_plan.h: what the convolution driver (convolve.c) tells the convolution templates (conv.h). All strides and
 * offsets are in elements. Spatial triples are (depth, height, width); 1d and 2d problems leave leading ones at 1. */
#ifndef GM_CONV_PLAN_H
#define GM_CONV_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    GM_CONV_CHUNK = 256,  /* products in one fma chain (docs/numerics.md) */
    GM_CONV_SUPER = 64,   /* chunks in a superblock */
};

/* How a gather plan is computed. */
typedef enum {
    GM_CONV_TILES,  /* vectors along output channels: conv_gather.h */
    GM_CONV_PAIRED, /* depthwise, vectors along channels: the same with groups of a tile's columns, each its own */
    GM_CONV_PLANES, /* vectors along positions: conv_plane.h */
} gm__conv_kind;

/* Strides of a batch of pictures, in either layout. */
typedef struct { int64_t image, channel, at[3]; } gm__conv_view;

/* Consecutive entries of the index list that lie in one chunk of k. `opens`: the first of its superblock, so the
 * partial sum starts anew; `closes`: the last one. */
typedef struct { int32_t begin, count; bool opens, closes; } gm__conv_run;

/* How a grid of results looks at the source picture along the three axes: result j sees, through tap i, the source
 * coordinate j * step + low + tap[i] (0 <= tap[i] <= reach), zero outside of the picture. `cell` divides step and all
 * taps: the copy of the picture that the templates work on (the box) holds every cell-th coordinate only. */
typedef struct {
    int64_t source[3], grid[3], step[3], low[3], cell[3], reach[3];
    int64_t n_taps[3];
    const int64_t *tap[3];
} gm__conv_sight;

/* Forward, and one phase of the data gradient: dst[j, n] = sum over (tap, c) of src[seen by j through tap, c] *
 * weight[(tap, c), n]. A data gradient with stride s has s phases per axis: the results that have the same taps. */
typedef struct gm__conv_gather {
    gm__conv_kind kind;
    const void *src;
    void *dst;
    gm__conv_view from, to;
    gm__conv_sight see;
    int64_t to_start[3], to_step[3]; /* where on dst the grid lies */
    int64_t batch, groups, c_src, c_dst; /* channels within a group */
    int64_t c_last;                  /* channels of the last group */
    bool direct_in;                  /* every tap is inside: read src itself, not a copy of it */
    bool direct_out;                 /* finished tiles are stored by the micro-kernel itself */
    /* the k axis */
    int64_t n_k;
    const int32_t *index;            /* [n_k] where the source value lies, from the result's first cell */
    const int32_t *index_w;          /* planes: [n_k] where the weight lies, from the channel's first */
    int64_t n_runs;
    const gm__conv_run *runs;
    /* weights, packed as [group][tile][k][columns of the tile] */
    const void *weights;
    int64_t w_group, w_dst, w_src;   /* strides of the weights; taps are contiguous */
    int64_t n_w_taps;
    const int32_t *w_place;          /* [n_w_taps] the place of each tap among those of this phase, -1: not there */
    bool private_panel;              /* each tile has one task, which packs it into scratch memory: no panels */
    void *panels;
    int64_t panel_group;
    const void *bias;                /* [groups][n_tiles * columns], zero-filled (planes: unpadded); NULL without one */
    int64_t n_tiles;
    /* bands: the results are cut into boxes of units (picture, depth), rows and columns */
    int64_t band[3], n_bands[3];     /* units, rows, columns */
    int64_t tiles_per_task, n_splits;
    int64_t box_unit, box_plane, box_row, box_cell; /* strides of the box [unit][tap depth][row][column][c] */
    /* planes: the box is [c][tap depth][row mod step][column mod step][unit][row / step][column / step] */
    int64_t box_channel, box_down, box_across;
    bool merged;                     /* rows follow each other without gaps, in the box and in dst */
    /* offsets in bytes of the parts of the scratch memory, and its size; at_total is 0 if there is one superblock */
    size_t at_rows, at_places, at_part, at_total, at_panel, scratch_bytes;
} gm__conv_gather;

/* Weight gradient: gw[o, (c, tap)] = sum over positions k = (n, od, oh, ow) of gy[k, o] * x[seen by k through tap, c];
 * paired (depthwise, groups of a tile's columns): gw[c, tap], o = c. */
typedef struct gm__conv_wgrad {
    bool paired;
    const void *x, *gy;
    void *gw;
    gm__conv_view from, grad;
    gm__conv_sight see;
    int64_t batch, groups, c_src, c_dst, c_last;
    int64_t n_k;
    int64_t c_block, n_c_blocks, tiles_per_task, n_o_blocks; /* a task: these times each other */
    int64_t k_block;                 /* positions per box, a multiple of a chunk */
    bool windows;                    /* rows are long: the box has rows for each output row, cut to what it needs */
    int64_t box_plane, box_row, box_cell, box_channel; /* strides of the box: tap depth, row, column, c */
    size_t at_index, at_rows, at_panel, at_part, at_total, scratch_bytes;
} gm__conv_wgrad;

#endif
