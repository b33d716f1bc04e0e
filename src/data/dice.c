/* dice.c: random numbers that belong to an element of an epoch.
 *
 * The seed, the epoch, the turn (which repetition) and the index are mixed into one key, under which Philox counts; so
 * neither the order in which elements are made nor the thread matters. */
#include "../math/fp.h"
#include "dataset.h"
#include "gemel/ops.h"

enum { DICE_BLOCK = 16 };

/* The finaliser of splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014). */
static uint64_t dice_mix(uint64_t z) {
    z += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

gm_dice gm__dice_of(uint64_t seed, gm__pass pass, int64_t index) {
    uint64_t key = dice_mix(seed);
    key = dice_mix(key ^ (uint64_t)pass.epoch);
    key = dice_mix(key ^ pass.turn);
    return (gm_dice){ .epoch = pass.epoch, .index = index, .key = dice_mix(key ^ (uint64_t)index) };
}

gm_dice gm_dice_of(uint64_t seed, int64_t epoch, int64_t index) {
    return gm__dice_of(seed, (gm__pass){ epoch, 0 }, index);
}

/* Two words of 24 bits make one number of 48. */
static bool dice_fill(gm_dice *dice) {
    GM_SCOPE(s);
    gm_random_key key = { dice->key, dice->count++, "dice" };
    gm_tensor *u = gm_random_of(key, GM_SHAPE(2 * DICE_BLOCK), GM_F64, 0, 1, 0);
    const double *at = u ? gm_data(u) : NULL;
    for (int i = 0; at && i < DICE_BLOCK; i++) dice->block[i] = at[2 * i] + at[2 * i + 1] * 0x1p-24;
    dice->left = at ? DICE_BLOCK : 0;
    return at != NULL;
}

static double dice_next(gm_dice *dice) {
    if (!dice->left && !dice_fill(dice)) return 0;
    return dice->block[DICE_BLOCK - dice->left--];
}

double gm_dice_uniform(gm_dice *dice, double low, double high) {
    double u = dice_next(dice), y = u * (high - low);
    return gm_ok() ? low + y : 0.0 / 0.0;
}

int64_t gm_dice_below(gm_dice *dice, int64_t n) {
    if (!gm_ok()) return -1;
    if (n < 1) return gm_fail(GM_ERROR_VALUE, "dice_below: a number below %lld", (long long)n), -1;
    int64_t i = (int64_t)(dice_next(dice) * (double)n);
    return i < n ? i : n - 1;
}

bool gm_dice_chance(gm_dice *dice, double p) { return gm_ok() && dice_next(dice) < p; }

/* Fisher and Yates, from the end; the number of the epoch is the count of the random stream. */
int64_t *gm__permutation(uint64_t seed, gm__pass pass, int64_t n) {
    int64_t *order = gm_ok() ? gm_alloc((size_t)(n + 1) * sizeof *order) : NULL;
    for (int64_t i = 0; order && i < n; i++) order[i] = i;
    if (!order || n < 2) return order;
    GM_SCOPE(s);
    gm_random_key key = { pass.turn ? dice_mix(seed ^ pass.turn) : seed, (uint64_t)pass.epoch, "shuffle" };
    gm_tensor *u = gm_random_of(key, GM_SHAPE(n), GM_F64, 0, 1, 0);
    const double *at = u ? gm_data(u) : NULL;
    if (!at) return gm_free(order), NULL;
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = (int64_t)(at[i] * (double)(i + 1)), swap = order[i];
        order[i] = order[j], order[j] = swap;
    }
    return order;
}
