/* sequence.c: a recurrent net that reads a sequence and gives its class from the state at the end. */
#include "../math/fp.h"
#include "../base/args.h"
#include "gemel/ops.h"
#include "zoo.h"

typedef struct { gm_module *embedding, *lstm, *fc; bool both; } lstm_classifier;

/* What came as it likes to be read: [B, T, F]. An image's row is a step. */
static gm_tensor *lstm_steps(const lstm_classifier *self, gm_tensor *x) {
    int n = gm_n_dims(x);
    if (!gm_ok() || self->embedding) return gm_ok() ? gm_forward(self->embedding, x) : NULL;
    if (n == 2) return gm_unsqueeze(x, 2);
    return n == 4 ? gm_flatten_dims(gm_transpose(x, 1, 2), 2, 3) : x;
}

/* The last layer's state when it has read everything, of both directions if there are two. */
static gm_tensor *lstm_classify(const lstm_classifier *self, gm_tensor *x, gm_tensor *lengths) {
    gm_pack *in = GM_PACK({ "x", self ? lstm_steps(self, x) : NULL, NULL });
    if (lengths) gm_pack_set(in, "lengths", lengths);
    gm_tensor *h = gm_get(gm_apply(self ? self->lstm : NULL, in), "h");
    if (!h) return NULL;
    gm_tensor *last = gm_select(h, 0, -1);
    if (self->both) last = gm_concat((gm_tensor *[]){ gm_select(h, 0, -2), last }, 2, 1);
    return gm_forward(self->fc, last);
}

static gm_tensor *lstm_classifier_forward(gm_module *m, gm_tensor *x) { return lstm_classify(gm_state(m), x, NULL); }

static gm_pack *lstm_classifier_apply(gm_module *m, gm_pack *in) {
    bool both = gm_pack_has(in, "lengths") && gm_pack_has(in, "x_length");
    if (both) return gm_fail(GM_ERROR_VALUE, "lstm_classifier: both lengths and x_length are given"), NULL;
    const char *name = gm_pack_has(in, "x_length") ? "x_length" : "lengths";
    gm_tensor *lengths = gm_pack_has(in, name) ? gm_get(in, name) : NULL;
    return GM_PACK({ "y", lstm_classify(gm_state(m), gm_pack_at(in, 0), lengths), NULL });
}

gm_module *gm_lstm_classifier_with(const gm_lstm_classifier_args *args) {
    gm_lstm_classifier_args a = { 0 };
    if (!gm_ok() || !gm__args_take("lstm_classifier", &a, sizeof a, args)) return NULL;
    if ((a.features > 0) == (a.vocabulary > 0) || a.features < 0 || a.vocabulary < 0 || a.classes < 1)
        return gm_fail(GM_ERROR_VALUE,
                       "lstm_classifier: %lld features, a vocabulary of %lld, %lld classes; one of features and "
                       "vocabulary is needed, and classes",
                       (long long)a.features, (long long)a.vocabulary, (long long)a.classes),
               NULL;
    int64_t hidden = a.hidden ? a.hidden : 128, in = a.vocabulary ? (a.embedding ? a.embedding : 64) : a.features;
    static const char *const takes[] = { "lengths", "x_length", NULL };
    gm_module_class c = { .size = sizeof c,
                          .name = "lstm_classifier",
                          .state_bytes = sizeof(lstm_classifier),
                          .forward = lstm_classifier_forward,
                          .apply = lstm_classifier_apply,
                          .takes = takes };
    gm_module *m = gm_module_new_with(&c);
    lstm_classifier *self = gm_state(m);
    if (!self) return NULL;
    self->both = a.bidirectional;
    if (a.vocabulary) self->embedding = gm_child(m, "embedding", gm_nn_embedding(a.vocabulary, in));
    self->lstm = gm_child(m, "lstm", gm_nn_lstm(in, hidden, .layers = a.layers ? a.layers : 2, .dropout = a.dropout,
                                                .bidirectional = a.bidirectional));
    self->fc = gm_child(m, "fc", gm_nn_linear(a.bidirectional ? 2 * hidden : hidden, a.classes));
    return gm_ok() ? m : NULL;
}

/* Images row by row, [T, F] as they are, [T] as steps of one number. */
gm_module *gm__zoo_lstm(gm_shape input, int64_t classes) {
    char text[200];
    if (input.n < 1 || input.n > 3 || gm_shape_count(input) < 1)
        return gm_fail(GM_ERROR_VALUE, "lstm: examples are %s; [C, H, W], [T, F] or [T] are needed",
                       gm_shape_text(input, text, sizeof text)),
               NULL;
    return gm_lstm_classifier(.features = input.n == 3   ? input.d[0] * input.d[2]
                                          : input.n == 2 ? input.d[1]
                                                         : 1,
                              .classes = classes);
}
