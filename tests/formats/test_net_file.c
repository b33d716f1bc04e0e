/* test_net_file.c: gm_save and gm_load_weights: the same net in another process's eyes, metadata, what does not fit. */
#include "check.h"
#include "gemel/gemel.h"

#include <unistd.h>

static char net_path[64];

static gm_module *net_of(int64_t hidden) {
    return gm_sequential(gm_nn_linear(3, hidden), gm_nn_batch_norm(hidden), gm_nn_linear(hidden, 2));
}

static void round_trip(void) {
    GM_SCOPE(s);
    gm_seed(1);
    gm_module *a = net_of(4);
    gm_forward(a, gm_randn(GM_SHAPE(8, 3), GM_F32));
    CHECK(gm_save(a, net_path) && (gm_save)(a, net_path), "%s", gm_error_message());
    gm_seed(2);
    gm_module *b = net_of(4), *c = net_of(4);
    CHECK(gm_load_weights(b, net_path) && (gm_load_weights)(c, net_path), "%s", gm_error_message());
    gm_pack *p = gm_state_dict(a), *q = gm_state_dict(b), *r = gm_state_dict(c);
    CHECK(gm_pack_count(p) == 9 && gm_item(gm_get(q, "1.num_batches_tracked")) == 1);
    for (int64_t i = 0; i < gm_pack_count(p); i++) {
        CHECK(gm_item(gm_all(gm_eq(gm_pack_at(p, i), gm_pack_at(q, i)))) == 1, "%s", gm_pack_name(p, i));
        CHECK(gm_item(gm_all(gm_eq(gm_pack_at(p, i), gm_pack_at(r, i)))) == 1, "%s", gm_pack_name(p, i));
    }
    gm_pack *texts = gm_pack_new();
    gm_pack_set_text(texts, "about", "a test");
    CHECK(gm_save(a, net_path, .metadata = texts));
    CHECK(!strcmp(gm_get_text(gm_safetensors_metadata(net_path), "about"), "a test"), "%s", gm_error_message());
}

static void misfits(void) {
    GM_SCOPE(s);
    gm_module *other = net_of(5), *shorter = gm_sequential(gm_nn_linear(3, 4));
    CHECK(!gm_load_weights(other, net_path));
    CHECK(strstr(gm_error_message(), net_path), "%s", gm_error_message());
    gm_error_clear();
    CHECK(!gm_load_weights(shorter, net_path));
    gm_error_clear();
    CHECK(gm_load_weights(shorter, net_path, .partial = 1), "%s", gm_error_message());
    CHECK(!gm_load_weights(shorter, "/nonexistent/net.safetensors") && gm_error_code() == GM_ERROR_IO);
    gm_error_clear();
    CHECK(!gm_save(shorter, "/nonexistent/net.safetensors") && gm_error_code() == GM_ERROR_IO);
    gm_error_clear();
    CHECK(!gm_save(NULL, net_path) && gm_error_code() == GM_ERROR_HANDLE);
    gm_error_clear();
}

static void say_nothing(void *env, gm_log_level level, const char *line) { (void)env, (void)level, (void)line; }

int main(void) {
    snprintf(net_path, sizeof net_path, "/tmp/gemel-net-%d.safetensors", (int)getpid());
    gm_set_log(say_nothing, NULL, NULL); /* a partial load warns */
    RUN(round_trip);
    RUN(misfits);
    remove(net_path);
    return check_done();
}
