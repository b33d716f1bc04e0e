/* fuzz_graph.c: graphs from text. Whatever the text says, it is refused or it is a valid graph, whose own text gives
 * the same graph; and one with small values runs, or says why not. */
#include "fuzz.h"
#include "gemel/gemel.h"
#include "graph/graph.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FUZZ_BYTES = 1 << 16, FUZZ_NODES = 64 };

static bool is_small(const gm_graph *g) {
    for (int64_t v = 0; v < g->n_values; v++)
        if (gm__value_bytes(&g->value[v].shape, g->value[v].dtype) > FUZZ_BYTES) return false;
    return g->n_nodes <= FUZZ_NODES;
}

static void run(gm_graph *g) {
    gm_pack *in = gm_pack_new();
    gm_graph_port p;
    for (int64_t i = 0; gm_graph_input(g, i, &p); i++) {
        char name[24];
        snprintf(name, sizeof name, "%lld", (long long)i);
        gm_pack_set(in, name, p.dtype == GM_STRING ? NULL : gm_zeros(g->value[g->in[i]].shape, p.dtype));
    }
    gm_graph_run(g, in);
    gm_error_clear();
}

static gm_pack *tensors(void) {
    return GM_PACK({ "w", gm_ones(GM_SHAPE(3, 4), GM_F32), NULL }, { "b", gm_ones(GM_SHAPE(4), GM_F32), NULL },
                   { "i", gm_zeros(GM_SHAPE(3), GM_I64), NULL }, { "c", gm_ones(GM_SHAPE(2, 1, 3, 3), GM_F32), NULL });
}

/* ---- for libFuzzer: another number in place of one, every other time ---- */

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most) __attribute__((weak));
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);

static bool is_digit(uint8_t c) { return c >= '0' && c <= '9'; }

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed) {
    static const char *const numbers[] = { "0",
                                           "1",
                                           "2",
                                           "3",
                                           "4",
                                           "7",
                                           "16",
                                           "64",
                                           "255",
                                           "2147483648",
                                           "-1",
                                           "-2",
                                           "B",
                                           "B+1",
                                           "2*B",
                                           "-2147483648",
                                           "99999999999999999999",
                                           "nan",
                                           "1e300" };
    enum { N = sizeof numbers / sizeof *numbers };
    size_t at = size ? seed / 2 / N % size : 0;
    if (seed & 1 || !size) return LLVMFuzzerMutate(data, size, most);
    while (at < size && !is_digit(data[at])) at++;
    size_t end = at, n = strlen(numbers[seed / 2 % N]);
    while (end < size && is_digit(data[end])) end++;
    if (at == end || size - (end - at) + n > most) return LLVMFuzzerMutate(data, size, most);
    memmove(data + at + n, data + end, size - end);
    memcpy(data + at, numbers[seed / 2 % N], n);
    return size - (end - at) + n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    GM_SCOPE(s);
    char *text = malloc(size + 1);
    memcpy(text, data, size);
    text[size] = 0;
    gm_pack *given = tensors();
    gm_graph *g = gm_graph_parse(text, given);
    free(text);
    FUZZ_EXPECT(g ? gm_ok() : !gm_ok());
    gm_error_clear();
    if (!g) return 0;
    FUZZ_EXPECT(gm__graph_valid(g));
    gm_graph *h = gm_graph_parse(gm_graph_text(g), gm_graph_tensors(g));
    FUZZ_EXPECT(h && gm__graph_hash(g) == gm__graph_hash(h));
    gm_graph *other = gm__graph_at(g, 3);
    gm_error_clear();
    if (other && is_small(other)) run(other);
    return 0;
}
