/* Large blocks that wait to be used again: the next step finds those of the last, and what is held stays near the most
 * that was ever in use. */
#include "base/memory.h"
#include "check.h"

enum { MIB = 1 << 20, BLOCKS = 100 };

/* Takes blocks of one to eight times `unit` bytes, then gives them back in another order: a step. */
static void step(int n, size_t unit) {
    void *block[BLOCKS];
    size_t got[BLOCKS];
    for (int i = 0; i < n; i++) {
        block[i] = gm__block_take(unit * (size_t)(1 + i * 5 % 8), &got[i]);
        CHECK(block[i] && got[i] >= unit * (size_t)(1 + i * 5 % 8));
    }
    for (int i = 0; i < n; i++) gm__block_give(block[i * 7 % n], got[i * 7 % n]);
}

static void steps_find_their_blocks(void) {
    gm_memory_trim();
    step(BLOCKS, 2 * MIB);
    gm_memory before = gm_memory_stats();
    for (int i = 0; i < 10; i++) step(BLOCKS, 2 * MIB);
    gm_memory after = gm_memory_stats();
    CHECK(after.n_allocations == before.n_allocations + 10 * BLOCKS);
    CHECK(after.n_cache_hits == before.n_cache_hits + 10 * BLOCKS, "%lld of %d",
          (long long)(after.n_cache_hits - before.n_cache_hits), 10 * BLOCKS);
    CHECK(after.bytes_cached == before.bytes_cached);
}

/* Sizes change and old blocks fit no more: they go before more is held than at the most, and a quarter or 32 MiB. */
static void what_is_held_is_bounded(void) {
    gm_memory_trim();
    gm_memory_reset_peak();
    int64_t base = gm_memory_stats().bytes_in_use;
    for (int i = 0; i < 12; i++) {
        step(10, (size_t)MIB + 4096 + (size_t)i * 300000);
        gm_memory m = gm_memory_stats();
        int64_t peak = m.bytes_peak - base, slack = peak / 4 > 32 * MIB ? peak / 4 : 32 * MIB;
        CHECK(m.bytes_in_use == base && m.bytes_cached <= peak + slack, "%lld bytes wait, %lld were in use",
              (long long)m.bytes_cached, (long long)peak);
    }
    CHECK(gm_memory_stats().bytes_cached > 0);
    gm_memory_trim();
    CHECK(gm_memory_stats().bytes_cached == 0);
}

/* More blocks than the list has places for. */
static void many_blocks(void) {
    enum { MANY = 1100 };
    static void *block[MANY];
    static size_t got[MANY];
    for (int i = 0; i < MANY; i++) CHECK((block[i] = gm__block_take(MIB + 1, &got[i])) != NULL);
    for (int i = 0; i < MANY; i++) gm__block_give(block[i], got[i]);
    CHECK(gm_memory_stats().bytes_in_use == 0 && gm_memory_stats().bytes_cached <= (int64_t)1024 * (int64_t)got[0]);
    gm_memory_trim();
}

int main(void) {
    RUN(steps_find_their_blocks);
    RUN(what_is_held_is_bounded);
    RUN(many_blocks);
    CHECK(gm_exit_status() == 0);
    return check_done();
}
