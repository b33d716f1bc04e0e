/* test_names.c: parameters by pattern; freezing; recipes by name; state dicts that fit and that do not; hooks. */
#include "recorded_nn.h"

#include "gemel/extend.h"

static gm_module *small_net(void) {
    return gm_sequential(gm_nn_linear(3, 4), gm_nn_batch_norm(4), gm_sequential(gm_nn_relu(), gm_nn_linear(4, 2)));
}

static int64_t counted(gm_module *net, const char *pattern) { return gm_pack_count(gm_parameters_of(net, pattern)); }

static void patterns(void) {
    GM_SCOPE(s);
    gm_module *net = small_net();
    struct {
        const char *pattern;
        int64_t n;
    } all[] = {
        { NULL, 6 },     { "*", 6 },          { "0", 2 },   { "2", 2 },     { "2.1", 2 },     { "2.1.bias", 1 },
        { "*.bias", 3 }, { "*bias", 3 },      { "1|2", 4 }, { "0.w*t", 1 }, { "w", 0 },       { "", 0 },
        { "2.", 0 },     { "0.weight.x", 0 }, { "*e*", 3 }, { "x|*.1", 2 }, { "0.weigh", 0 }, { "*.*.*", 2 },
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        CHECK(counted(net, all[i].pattern) == all[i].n, "%s: %lld", all[i].pattern,
              (long long)counted(net, all[i].pattern));
}

static void freezing(void) {
    GM_SCOPE(s);
    gm_module *net = small_net();
    gm_optimizer *o = gm_sgd(net, 0.1);
    gm_pack *p = gm_parameters(net);
    gm_tensor *frozen = gm_copy(gm_detach(gm_get(p, "0.weight"))), *free = gm_copy(gm_detach(gm_get(p, "2.1.weight")));
    CHECK(gm_freeze(net, "0|1") == 4 && !gm_requires_grad(gm_get(p, "1.bias")));
    gm_backward(gm_sum(gm_forward(net, recorded_input(1, GM_SHAPE(5, 3)))));
    CHECK(!gm_gradient_of(gm_get(p, "0.weight")) && gm_step(o));
    CHECK(gm_item(gm_all(gm_eq(frozen, gm_get(p, "0.weight")))) == 1);
    CHECK(gm_item(gm_all(gm_eq(free, gm_get(p, "2.1.weight")))) == 0);
    CHECK(gm_unfreeze(net, NULL) == 6 && gm_requires_grad(gm_get(p, "0.weight")));
    CHECK(gm_freeze(net, "encoder") == -1);
    recorded_error(GM_ERROR_INDEX, "freeze: no parameter is named by \"encoder\"");
}

static void recipes(void) {
    GM_SCOPE(s);
    gm_module *net = small_net();
    gm_tensor *before = gm_copy(gm_detach(gm_get(gm_parameters(net), "0.weight")));
    CHECK(gm_init_parameters(net, "*.bias", GM_INIT_CONSTANT, 7, 0) == 3);
    gm_pack *p = gm_parameters(net);
    CHECK(gm_item(gm_min(gm_get(p, "2.1.bias"))) == 7 && gm_item(gm_max(gm_get(p, "0.bias"))) == 7);
    CHECK(gm_item(gm_all(gm_eq(before, gm_get(p, "0.weight")))) == 1);
    /* through a child, which alone is used next: the name is still the full one */
    CHECK(gm_init_parameters(gm_child_at(net, 2), "1.weight", GM_INIT_NORMAL, 0, 1) == 1);
    gm_forward(gm_child_at(gm_child_at(net, 2), 1), recorded_input(1, GM_SHAPE(1, 4)));
    gm_tensor *want = gm_zeros(GM_SHAPE(2, 4), GM_F32);
    gm_random_key key = { 0, 0, "2.1.weight" };
    gm_init_fill(want, GM_INIT_NORMAL, 0, 1, &key);
    CHECK(gm_item(gm_all(gm_eq(want, gm_get(p, "2.1.weight")))) == 1);
    CHECK(gm_init_parameters(net, "2.0", GM_INIT_CONSTANT, 0, 0) == -1);
    recorded_error(GM_ERROR_INDEX, "init_parameters: no parameter is named by \"2.0\"");
    CHECK(gm_init_parameters(net, NULL, 99, 0, 0) == -1);
    recorded_error(GM_ERROR_VALUE, "99");
}

static char warned[1024];
static void take_line(void *env, gm_log_level level, const char *line) {
    (void)env;
    if (level == GM_LOG_WARNING) snprintf(warned, sizeof warned, "%s", line);
}

/* A pack that lacks one, has one too much and has one of another shape. */
static gm_pack *unfit(void) {
    gm_pack *p = gm_pack_new(), *own = gm_state_dict(small_net());
    for (int64_t i = 0; i < gm_pack_count(own); i++) {
        const char *name = gm_pack_name(own, i);
        gm_tensor *value = gm_full_like(gm_pack_at(own, i), 5);
        if (!strcmp(name, "2.1.weight")) value = gm_zeros(GM_SHAPE(9, 4), GM_F32);
        if (strcmp(name, "0.bias")) gm_pack_set(p, name, value);
    }
    gm_pack_set(p, "head", gm_zeros(GM_SHAPE(1), GM_F32));
    return p;
}

static void dicts(void) {
    GM_SCOPE(s);
    gm_module *net = small_net();
    gm_pack *p = unfit(), *own = gm_state_dict(net);
    CHECK(!gm_load_state_dict(net, p));
    recorded_error(GM_ERROR_INDEX,
                   "load_state_dict: missing (1): \"0.bias\"; unexpected (1): \"head\"; of another shape (1): "
                   "\"2.1.weight\" is [9, 4], the net has [2, 4]");
    CHECK(!gm_load_state_dict(net, p, .skip_shapes = 1));
    recorded_error(GM_ERROR_INDEX, "missing");
    CHECK(!gm_load_state_dict(net, p, .partial = 1));
    recorded_error(GM_ERROR_SHAPE, "\"2.1.weight\" is [9, 4]");
    CHECK(gm_item(gm_max(gm_get(own, "1.running_var"))) == 1);
    gm_set_log(take_line, NULL, NULL);
    CHECK(gm_load_state_dict(net, p, .partial = 1, .skip_shapes = 1));
    gm_set_log(NULL, NULL, NULL);
    CHECK(strstr(warned, "\"head\"") && strstr(warned, "\"0.bias\""), "%s", warned);
    CHECK(gm_item(gm_min(gm_get(own, "0.weight"))) == 5 && gm_item(gm_max(gm_get(own, "2.1.weight"))) < 5);
    CHECK(gm_item(gm_get(own, "1.num_batches_tracked")) == 5);
    CHECK((gm_load_state_dict)(net, gm_state_dict(small_net())));
}

/* The last of the entries cannot be converted: none is taken. */
static void unfit_dtype(void) {
    GM_SCOPE(s);
    gm_module *net = gm_sequential(gm_nn_linear(2, 3));
    gm_pack *own = gm_state_dict(net);
    double before = gm_item(gm_sum(gm_get(own, "0.weight")));
    gm_pack *p = GM_PACK({ "0.weight", gm_full(GM_SHAPE(3, 2), 7, GM_F32), NULL },
                         { "0.bias", gm_from_data(GM_SHAPE(3), GM_I4, "\x21\x03"), NULL });
    CHECK(!gm_load_state_dict(net, p));
    recorded_error(GM_ERROR_DTYPE, "load_state_dict: \"0.bias\" is i4, the net has f32");
    CHECK(gm_item(gm_sum(gm_get(own, "0.weight"))) == before);
}

/* A list of many names is cut, with its count. */
static void long_lists(void) {
    GM_SCOPE(s);
    gm_module *net = gm_sequential(small_net(), small_net(), small_net());
    CHECK(!gm_load_state_dict(net, gm_pack_new()));
    recorded_error(GM_ERROR_INDEX, "missing (27): \"0.0.weight\", ");
}

typedef struct { gm_module *encoder; gm_tensor *weight; } tied;
static gm_tensor *tied_forward(gm_module *m, gm_tensor *x) {
    tied *self = gm_state(m);
    return gm_linear(gm_forward(self->encoder, x), gm_transpose(self->weight, 0, 1), NULL);
}

/* A parameter that two names share is trained once and saved twice. */
static void sharing(void) {
    GM_SCOPE(s);
    gm_module *m = gm_module_new(tied);
    tied *self = gm_state(m);
    self->encoder = gm_child(m, "encoder", gm_nn_linear(3, 2, .no_bias = 1));
    self->weight = gm_param(m, "weight", gm_get(gm_parameters(self->encoder), "weight"));
    CHECK(gm_pack_count(gm_parameters(m)) == 1 && gm_pack_count(gm_state_dict(m)) == 2);
    gm_tensor *y = gm_forward(m, recorded_input(1, GM_SHAPE(4, 3)));
    CHECK(y && gm_shape_equal(gm_shape_of(y), GM_SHAPE(4, 3)));
}

typedef struct { int64_t calls, last; bool stop; } watcher;
static bool watch(void *env, const gm_forward_event *e) {
    watcher *w = env;
    w->calls++;
    w->last = e->y ? gm_size(e->y, -1) : gm_pack_count(e->out);
    return !w->stop;
}
static int freed;
static void watch_free(void *env) { freed += env != NULL; }

static void hooks(void) {
    GM_SCOPE(s);
    gm_module *net = small_net();
    watcher a = { 0 }, b = { 0 };
    int64_t first = gm_on_forward(net, watch, &a, watch_free),
            second = gm_on_forward(gm_child_at(net, 0), watch, &b, watch_free);
    gm_tensor *x = recorded_input(1, GM_SHAPE(5, 3));
    gm_forward(net, x);
    CHECK(a.calls == 1 && a.last == 2 && b.calls == 1 && b.last == 4);
    gm_pack *out = gm_apply(net, GM_PACK({ "x", x, NULL }));
    CHECK(a.calls == 2 && a.last == 1 && gm_pack_count(out) == 1);
    b.stop = true;
    CHECK(!gm_forward(net, x));
    recorded_error(GM_ERROR_CALLBACK, "a hook of the nn_linear stopped it");
    CHECK(gm_remove_hook(net, first) && freed == 1 && !gm_remove_hook(net, first));
    recorded_error(GM_ERROR_INDEX, "has no hook 0");
    CHECK(gm_remove_hook(gm_child_at(net, 0), second) && gm_forward(net, x) && b.calls == 3 && a.calls == 2);
    CHECK(!gm_apply(net, gm_pack_new()));
    recorded_error(GM_ERROR_VALUE, "0 inputs for a sequential");
}

/* A hook that adds a hook and removes itself: the new one waits for the next forward. */
typedef struct { gm_module *m; int64_t own; int calls, later; } changer;
static bool count_later(void *env, const gm_forward_event *e) { return (void)e, ++((changer *)env)->later; }
static bool change_hooks(void *env, const gm_forward_event *e) {
    changer *c = env;
    (void)e;
    if (++c->calls > 100) return false;
    int64_t own = c->own;
    c->own = gm_on_forward(c->m, change_hooks, c, NULL);
    return gm_remove_hook(c->m, own) && gm_on_forward(c->m, count_later, c, NULL) >= 0;
}

static void hooks_that_change_hooks(void) {
    GM_SCOPE(s);
    gm_module *net = small_net();
    gm_tensor *x = recorded_input(1, GM_SHAPE(5, 3));
    changer c = { .m = net };
    c.own = gm_on_forward(net, change_hooks, &c, NULL);
    gm_on_forward(net, count_later, &c, NULL);
    CHECK(gm_forward(net, x) && c.calls == 1 && c.later == 1, "%d %d %s", c.calls, c.later, gm_error_message());
    CHECK(gm_forward(net, x) && c.calls == 2 && c.later == 3, "%d %d %s", c.calls, c.later, gm_error_message());
}

int main(void) {
    RUN(patterns);
    RUN(freezing);
    RUN(recipes);
    RUN(dicts);
    RUN(unfit_dtype);
    RUN(long_lists);
    RUN(sharing);
    RUN(hooks);
    RUN(hooks_that_change_hooks);
    return check_done();
}
