/* test_pipeline.c: data sets made from data sets: order, counts, random numbers, errors. */
#include "numbers.h"

static gm_pack *add(void *env, gm_pack *e, gm_dice *dice) {
    (void)dice;
    return GM_PACK({ "x", gm_add_scalar(gm_get(e, "x"), *(const double *)env), NULL });
}

static gm_pack *fail_at_5(void *env, gm_pack *e, gm_dice *dice) {
    (void)env;
    if (dice->index == 5) return gm_fail(GM_ERROR_FORMAT, "file five is broken"), NULL;
    return e;
}

static gm_pack *nothing(void *env, gm_pack *e, gm_dice *dice) {
    (void)env, (void)e, (void)dice;
    return NULL;
}

/* The element's own random integer below 1000. */
static gm_pack *draw(void *env, gm_pack *e, gm_dice *dice) {
    (void)env, (void)e;
    return GM_PACK({ "x", gm_scalar_i64(gm_dice_below(dice, 1000), GM_I64), NULL });
}

static bool odd(void *env, gm_pack *e) {
    (void)env;
    return gm_item_i64(gm_get(e, "x")) % 2;
}

static double ten = 10;

static void sources(void) {
    GM_SCOPE(s);
    CHECK_LIST(numbers(4), 0, "0,1,2,3");
    CHECK(gm_dataset_count(numbers(4)) == 4);
    CHECK_LIST(generated(3), 7, "0,1,2");
    CHECK(gm_dataset_count(generated(3)) == -1 && gm_ok());
    CHECK(gm_item_i64(gm_get(gm_dataset_get(numbers(4), 0, 2), "x")) == 2);
    CHECK(gm_item_i64(gm_get(gm_dataset_get(generated(4), 0, 2), "x")) == 2);
    CHECK(!gm_dataset_get(numbers(4), 0, 4));
    CHECK_ERROR(INDEX, "element 4 of 4");
    CHECK(!gm_dataset_get(generated(4), 0, 9));
    CHECK_ERROR(INDEX, "element 9 of 4");
    CHECK(!gm_dataset_of(gm_zeros(GM_SHAPE(3, 2), GM_F32), gm_zeros(GM_SHAPE(2), GM_I64)));
    CHECK_ERROR(SHAPE, "dimension 0");
    CHECK(!gm_dataset_x(generated(3)));
    CHECK_ERROR(STATE, "generator");
}

static void sequences(void) {
    GM_SCOPE(s);
    for (int kind = 0; kind < 2; kind++) {
        gm_dataset *(*of)(int64_t) = kind ? generated : numbers;
        CHECK_LIST(gm_dataset_map(of(3), add, .env = &ten), 0, "10,11,12");
        CHECK_LIST(gm_dataset_filter(of(6), odd), 0, "1,3,5");
        CHECK_LIST(gm_dataset_take(of(5), 2), 0, "0,1");
        CHECK_LIST(gm_dataset_take(of(2), 5), 0, "0,1");
        CHECK_LIST(gm_dataset_take(of(2), 0), 0, "");
        CHECK_LIST(gm_dataset_skip(of(5), 3), 0, "3,4");
        CHECK_LIST(gm_dataset_skip(of(2), 3), 0, "");
        CHECK_LIST(gm_dataset_repeat(of(2), 3), 0, "0,1,0,1,0,1");
        CHECK_LIST(gm_dataset_repeat(of(0), -1), 0, "");
        CHECK_LIST(gm_dataset_take(gm_dataset_repeat(of(2), 0), 5), 0, "0,1,0,1,0");
        gm_dataset *two[] = { of(2), gm_dataset_map(of(3), add, .env = &ten) };
        CHECK_LIST(gm_dataset_concat(two, 2), 0, "0,1,10,11,12");
        CHECK_LIST(gm_dataset_skip(gm_dataset_take(gm_dataset_concat(two, 2), 4), 1), 0, "1,10,11");
        CHECK_LIST(gm_dataset_batch(of(5), 2), 0, "[0,1],[2,3],[4]");
        CHECK_LIST(gm_dataset_batch(of(5), 2, .drop_last = 1), 0, "[0,1],[2,3]");
        CHECK_LIST(gm_dataset_batch(gm_dataset_batch(of(5), 2, .drop_last = 1), 2), 0, "[0,1,2,3]");
    }
    CHECK(gm_dataset_count(gm_dataset_batch(numbers(5), 2)) == 3);
    CHECK(gm_dataset_count(gm_dataset_batch(numbers(5), 2, .drop_last = 1)) == 2);
    CHECK(gm_dataset_count(gm_dataset_repeat(numbers(5), 3)) == 15);
    CHECK(gm_dataset_count(gm_dataset_repeat(numbers(5), 0)) == INT64_MAX);
    CHECK(gm_dataset_count(gm_dataset_take(gm_dataset_repeat(numbers(5), 0), 7)) == 7);
    CHECK(gm_dataset_count(gm_dataset_filter(numbers(5), odd)) == -1 && gm_ok());
    CHECK(!gm_dataset_take(numbers(3), -1));
    CHECK_ERROR(VALUE, "-1 elements");
}

static void zipping(void) {
    GM_SCOPE(s);
    gm_dataset *other = gm_dataset_of_pack(GM_PACK({ "y", gm_arange(5, 9, 1, GM_I64), NULL }));
    gm_dataset *both[] = { numbers(3), other }, *mixed[] = { generated(3), other },
               *clash[] = { numbers(3), numbers(3) };
    gm_dataset *z[] = { gm_dataset_zip(both, 2), gm_dataset_zip(mixed, 2) };
    for (int k = 0; k < 2; k++) {
        int64_t n = 0;
        GM_EACH_ELEMENT(at, z[k], 0) {
            CHECK(gm_item_i64(gm_get(at.e, "x")) == n && gm_item_i64(gm_get(at.e, "y")) == n + 5);
            n++;
        }
        CHECK(n == 3);
    }
    CHECK(gm_dataset_count(z[0]) == 3);
    listed(gm_dataset_zip(clash, 2), 0);
    CHECK_ERROR(VALUE, "entry \"x\"");
}

/* All of 0..n-1, and not in order. */
static void check_shuffled(gm_dataset *d, int64_t n) {
    bool seen[256] = { 0 };
    int64_t count = 0, moved = 0;
    GM_EACH_ELEMENT(at, d, 0) {
        int64_t v = gm_item_i64(gm_get(at.e, "x"));
        CHECK(v >= 0 && v < n && !seen[v]);
        seen[v] = true;
        moved += v != count++;
    }
    CHECK(count == n && moved > n / 2);
}

static void shuffling(void) {
    GM_SCOPE(s);
    gm_dataset *full = gm_dataset_shuffle(numbers(100)), *all = gm_dataset_shuffle(generated(100)),
               *buffered = gm_dataset_shuffle(numbers(100), .buffer = 30, .seed = 4);
    check_shuffled(full, 100);
    check_shuffled(all, 100);
    check_shuffled(buffered, 100);
    CHECK(!strcmp(listed(full, 3), listed(all, 3))); /* one order, however the elements are had */
    CHECK(!strcmp(listed(buffered, 3), listed(buffered, 3)) && strcmp(listed(buffered, 3), listed(buffered, 4)));
    CHECK(strcmp(listed(full, 0), listed(full, 1)));
    CHECK(strcmp(listed(full, 0), listed(gm_dataset_shuffle(numbers(100), .seed = 1), 0)));
    GM_EACH_ELEMENT(at, buffered, 0) { /* nothing comes before it was in the buffer */
        CHECK(gm_item_i64(gm_get(at.e, "x")) <= at.index + 30);
    }
    const char *twice = listed(gm_dataset_repeat(gm_dataset_shuffle(numbers(20)), 2), 0);
    const char *once = listed(gm_dataset_shuffle(numbers(20)), 0);
    CHECK(!strncmp(twice, once, strlen(once)) && strcmp(twice + strlen(once) + 1, once));
    listed(gm_dataset_shuffle(gm_dataset_repeat(numbers(3), 0)), 0);
    CHECK_ERROR(VALUE, "no end");
}

static void dice(void) {
    GM_SCOPE(s);
    gm_dataset *d = gm_dataset_map(numbers(50), draw, .seed = 3);
    const char *first = listed(d, 0);
    CHECK(!strcmp(first, listed(d, 0)) && strcmp(first, listed(d, 1)));
    CHECK(strcmp(first, listed(gm_dataset_map(numbers(50), draw, .seed = 4), 0)));
    CHECK(!strcmp(first, listed(gm_dataset_map(generated(50), draw, .seed = 3), 0)));
    gm_dice one = gm_dice_of(3, 0, 7);
    CHECK(gm_dice_below(&one, 1000) == gm_item_i64(gm_get(gm_dataset_get(d, 0, 7), "x")));
    double sum = 0, low = 1, high = 0;
    for (int i = 0; i < 4000; i++) {
        double u = gm_dice_uniform(&one, 0, 1);
        sum += u, low = u < low ? u : low, high = u > high ? u : high;
    }
    CHECK(sum > 1900 && sum < 2100 && low >= 0 && low < 0.01 && high < 1 && high > 0.99);
    int heads = 0;
    for (int i = 0; i < 4000; i++) heads += gm_dice_chance(&one, 0.25);
    CHECK(heads > 850 && heads < 1150);
}

static void caching(void) {
    GM_SCOPE(s);
    for (int kind = 0; kind < 2; kind++) {
        gm_dataset *d = gm_dataset_map(kind ? generated(20) : numbers(20), draw), *c = gm_dataset_cache(d);
        listed_some(c, 5, 7); /* an early end */
        const char *want = listed(d, 0);
        CHECK_LIST(c, 1, want);
        CHECK_LIST(c, 2, want);
        CHECK(gm_dataset_count(c) == 20);
        CHECK(strcmp(listed(gm_dataset_shuffle(c), 0), listed(gm_dataset_shuffle(c), 1)));
    }
}

static gm_dataset *up_to(void *env, gm_pack *e) {
    (void)env;
    double hundred = 100 * (double)gm_item_i64(gm_get(e, "x"));
    return gm_dataset_of_pack(GM_PACK({ "x", gm_arange(hundred, hundred + 3, 1, GM_I64), NULL }));
}

static gm_dataset *drawn(void *env, gm_pack *e) {
    (void)env, (void)e;
    return gm_dataset_map(numbers(4), draw);
}

static void interleaving(void) {
    GM_SCOPE(s);
    CHECK_LIST(gm_dataset_interleave(numbers(3), up_to, .cycle = 2), 0, "0,100,1,101,2,102,200,201,202");
    CHECK_LIST(gm_dataset_interleave(numbers(3), up_to, .cycle = 2, .block = 2), 0, "0,1,100,101,2,200,201,102,202");
    CHECK_LIST(gm_dataset_interleave(generated(3), up_to, .cycle = 1), 0, "0,1,2,100,101,102,200,201,202");
    CHECK_LIST(gm_dataset_interleave(numbers(2), up_to, .cycle = 9), 0, "0,100,1,101,2,102");
    CHECK_LIST(gm_dataset_interleave(numbers(0), up_to), 0, "");
    long long v[8];
    CHECK(sscanf(listed(gm_dataset_interleave(numbers(2), drawn), 0), "%lld,%lld,%lld,%lld,%lld,%lld,%lld,%lld", v,
                 v + 1, v + 2, v + 3, v + 4, v + 5, v + 6, v + 7) == 8);
    CHECK(v[0] != v[1] || v[2] != v[3] || v[4] != v[5]); /* numbers of their own */
}

static gm_pack *ragged(void *env, int64_t i) {
    (void)env;
    const char *names[] = { "none", "one", "two", "three" };
    return GM_PACK({ "x", gm_full(GM_SHAPE(i, 2), (double)i, GM_F32), NULL },
                   { "name", gm_strings(&names[i], 1), NULL },
                   { "in", NULL, GM_PACK({ "n", gm_scalar_i64(i, GM_I64), NULL }) });
}
static int64_t four(void *env) {
    (void)env;
    return 4;
}

static void batching(void) {
    GM_SCOPE(s);
    gm_dataset *d = gm_dataset_custom(four, ragged, NULL, NULL);
    listed(gm_dataset_batch(d, 4), 0);
    CHECK_ERROR(SHAPE, "[0, 2]");
    gm_pack *b = gm_dataset_get(gm_dataset_batch(d, 4, .pad = GM_REAL(-1)), 0, 0);
    gm_tensor *x = gm_get(b, "x"), *n = gm_get(b, "x_length");
    const float *v = gm_data(x);
    CHECK(gm_shape_equal(gm_shape_of(x), GM_SHAPE(4, 3, 2)));
    for (int i = 0; v && i < 4; i++)
        for (int k = 0; k < 6; k++) CHECK(v[6 * i + k] == (k < 2 * i ? i : -1));
    CHECK(((const int64_t *)gm_data(n))[0] == 0 && ((const int64_t *)gm_data(n))[3] == 3);
    CHECK(!strcmp(gm_string_at(gm_get(b, "name"), 2), "two") && gm_count(gm_get(b, "name")) == 4);
    CHECK(gm_shape_equal(gm_shape_of(gm_get(b, "in.n")), GM_SHAPE(4)));
    CHECK(gm_ok(), "%s", gm_error_message());
}

static void errors(void) {
    GM_SCOPE(s);
    int64_t seen = 0;
    GM_EACH_ELEMENT(at, gm_dataset_map(numbers(10), fail_at_5), 0) seen++;
    CHECK(seen == 5);
    CHECK_ERROR(FORMAT, "file five");
    listed(gm_dataset_map(numbers(10), nothing), 0);
    CHECK_ERROR(CALLBACK, "element 0 of epoch 0");
    listed(gm_dataset_filter(gm_dataset_map(numbers(10), fail_at_5), odd), 0);
    CHECK_ERROR(FORMAT, "file five");
    CHECK(!gm_dataset_map(NULL, nothing));
    CHECK_ERROR(HANDLE, "argument 1 is NULL");
    CHECK(!gm_dataset_batch(numbers(3), 0));
    CHECK_ERROR(VALUE, "batches of 0");
}

/* Early ends close what was opened; the last owner frees. */
static void ends(void) {
    int freed = counting_freed;
    gm_scope s = gm_scope_open();
    gm_dataset *d = gm_dataset_batch(gm_dataset_shuffle(gm_dataset_repeat(generated(9), 0), .buffer = 5), 2);
    listed_some(d, 0, 3);
    CHECK(counting_open == 0);
    gm_dataset *two[] = { generated(9), generated(9) };
    listed_some(gm_dataset_zip((gm_dataset *[]){ two[0], numbers(4) }, 1), 0, 3);
    listed_some(gm_dataset_concat(two, 2), 0, 12);
    CHECK(counting_open == 0 && gm_ok());
    gm_scope_close(&s);
    CHECK(counting_freed == freed + 3);
}

static void loading(void) {
    GM_SCOPE(s);
    gm_tensor *x = gm_arange(0, 10, 1, GM_I64);
    gm_dataset *memory = gm_dataset_of(x, x), *same = gm_dataset_skip(memory, 0);
    for (int shuffle = 0; shuffle < 2; shuffle++) {
        gm_loader *a = gm_loader_new(memory, .batch_size = 4, .shuffle = shuffle),
                  *b = gm_loader_new(same, .batch_size = 4, .shuffle = shuffle);
        CHECK(gm_loader_count(a) == 3 && gm_loader_count(b) == 3);
        for (int epoch = 0; epoch < 2; epoch++) {
            gm_batch q = gm_batch_first(b);
            GM_EACH (p, a) {
                CHECK(gm_batch_next(&q) && q.index == p.index && q.epoch == p.epoch && q.count == p.count);
                CHECK(gm_count(p.x) == gm_count(q.x) && gm_pack_count(p.all) == 2);
                CHECK(!memcmp(gm_data(p.x), gm_data(q.y), (size_t)gm_count(p.x) * 8));
            }
            CHECK(!gm_batch_next(&q));
            gm_batch_done(&q);
        }
    }
    int64_t n = 0;
    GM_EACH (b, gm_loader_new(gm_dataset_batch(same, 3), .batch_size = 64)) n += b.count == 4 && gm_size(b.x, 0) <= 3;
    CHECK(n == 4);
    gm_dataset *pixels = gm_dataset_of(gm_full(GM_SHAPE(4, 1, 2, 2), 255, GM_U8), gm_zeros(GM_SHAPE(4), GM_I64));
    gm_dataset_set_scaling(pixels, 0.5, 0.25);
    GM_EACH (b, gm_loader_new(gm_dataset_take(pixels, 3)))
        CHECK(gm_dtype_of(b.x) == GM_F32 && ((const float *)gm_data(b.x))[0] == 2 && gm_size(b.x, 0) == 3);
    CHECK(gm_ok(), "%s", gm_error_message());
}

int main(void) {
    RUN(sources);
    RUN(sequences);
    RUN(zipping);
    RUN(shuffling);
    RUN(dice);
    RUN(caching);
    RUN(interleaving);
    RUN(batching);
    RUN(errors);
    RUN(ends);
    RUN(loading);
    return check_done();
}
