/* test_prefetch.c: elements made in threads: the same ones in the same order, errors in their place, nothing left. */
#include "numbers.h"

#include <time.h>

/* Takes longer for some, so that threads overtake each other. */
static gm_pack *slow(void *env, gm_pack *e, gm_dice *dice) {
    (void)env;
    int64_t v = gm_item_i64(gm_get(e, "x"));
    struct timespec t = { 0, 1000 * (long)gm_dice_below(dice, 300) };
    nanosleep(&t, NULL);
    return GM_PACK({ "x", gm_scalar_i64(v * 1000 + gm_dice_below(dice, 1000), GM_I64), NULL });
}

static gm_pack *fail_late(void *env, gm_pack *e, gm_dice *dice) {
    (void)env;
    struct timespec t = { 0, dice->index == 11 ? 3000000 : 100 };
    nanosleep(&t, NULL);
    if (dice->index >= 11 && dice->index % 2)
        return gm_fail(GM_ERROR_FORMAT, "element %d is broken", (int)dice->index), NULL;
    return e;
}

static bool even(void *env, gm_pack *e) {
    (void)env;
    return gm_item_i64(gm_get(e, "x")) % 2 == 0;
}

static gm_dataset *pipeline(int64_t n, int threads) {
    gm_dataset *d = gm_dataset_map(gm_dataset_shuffle(generated(n), .seed = 1), slow, .seed = 5);
    d = gm_dataset_filter(gm_dataset_prefetch(d, 7, .threads = threads), even);
    return gm_dataset_prefetch(gm_dataset_batch(d, 4), 3, .threads = threads);
}

static void same_for_any_threads(void) {
    GM_SCOPE(s);
    char want[4096];
    for (int epoch = 0; epoch < 2; epoch++) {
        snprintf(want, sizeof want, "%s", listed(pipeline(120, -1), epoch));
        CHECK(strlen(want) > 200);
        for (int threads = 1; threads <= 5; threads += 2) CHECK_LIST(pipeline(120, threads), epoch, want);
    }
    CHECK(counting_open == 0);
}

static void errors_move(void) {
    GM_SCOPE(s);
    for (int threads = -1; threads <= 4; threads++) {
        int64_t seen = 0;
        gm_dataset *d = gm_dataset_prefetch(gm_dataset_map(generated(100), fail_late), 16, .threads = threads);
        GM_EACH_ELEMENT(at, d, 0) seen += gm_item_i64(gm_get(at.e, "x")) == seen;
        CHECK(seen == 11, "%lld", (long long)seen);
        CHECK_ERROR(FORMAT, "element 11 is broken");
        CHECK(counting_open == 0);
    }
}

static gm_pack *broken_next(void *state) {
    counting *c = state;
    if (c->at == 3) return gm_fail(GM_ERROR_IO, "the line was cut"), NULL;
    return counting_next(state);
}

static void errors_of_sources(void) {
    GM_SCOPE(s);
    int64_t *env = malloc(sizeof *env), seen = 0;
    *env = 9;
    gm_generator g = { counting_begin, broken_next, counting_close, env, counting_free };
    GM_EACH_ELEMENT(at, gm_dataset_prefetch(gm_dataset_generator(&g), 2, .threads = 2), 0) seen++;
    CHECK(seen == 3);
    CHECK_ERROR(IO, "the line was cut");
    CHECK(!gm_dataset_prefetch(numbers(3), 0));
    CHECK_ERROR(VALUE, "0 elements ahead");
}

static void early_ends(void) {
    int64_t before = gm_memory_stats().n_objects;
    gm_scope s = gm_scope_open();
    for (int most = 1; most < 20; most++) {
        listed_some(gm_dataset_prefetch(gm_dataset_map(gm_dataset_repeat(generated(5), 0), slow), 6, .threads = 3), 0,
                    most);
        CHECK(counting_open == 0 && gm_ok());
    }
    gm_element at = gm_element_first(pipeline(50, 2), 0); /* nothing is asked for at all */
    gm_element_done(&at);
    CHECK(counting_open == 0 && gm_ok());
    gm_scope_close(&s);
    CHECK(gm_memory_stats().n_objects == before);
}

static void shared(void) {
    GM_SCOPE(s);
    gm_dataset *c = gm_dataset_cache(gm_dataset_map(generated(40), slow));
    gm_dataset *p = gm_dataset_prefetch(c, 8, .threads = 3);
    gm_element other = gm_element_first(p, 1); /* two passes at once over one cache */
    for (int i = 0; i < 5; i++) CHECK(gm_element_next(&other));
    const char *first = listed(p, 0);
    CHECK(gm_element_next(&other) && gm_item_i64(gm_get(other.e, "x")) / 1000 == 5);
    gm_element_done(&other);
    CHECK_LIST(p, 2, first);
    CHECK_LIST(gm_dataset_cache(gm_dataset_map(generated(40), slow)), 3, first);
}

static void loading(void) {
    GM_SCOPE(s);
    gm_dataset *d = gm_dataset_map(numbers(50), slow);
    int64_t want[50], n = 0;
    for (int threads = -1; threads <= 3; threads += 2) {
        gm_loader *l = gm_loader_new(d, .batch_size = 8, .shuffle = 1, .threads = threads ? threads : 2, .prefetch = 2);
        CHECK(gm_loader_count(l) == 7);
        n = 0;
        GM_EACH (b, l)
            for (int64_t i = 0; i < gm_size(b.x, 0); i++, n++) {
                int64_t v = ((const int64_t *)gm_data(b.x))[i];
                if (threads < 0) want[n] = v;
                CHECK(v == want[n]);
            }
        CHECK(n == 50);
    }
}

int main(void) {
    RUN(same_for_any_threads);
    RUN(errors_move);
    RUN(errors_of_sources);
    RUN(early_ends);
    RUN(shared);
    RUN(loading);
    return check_done();
}
