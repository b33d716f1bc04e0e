/* 09_lstm_on_text: which book is a sentence from? Words, sequences of different lengths, an LSTM that reads both ways.
 *
 * The books are licences that come with every Debian, or files of one's own. A fifth of the sentences is held back. The
 * net is written with the functional API: symbolic inputs, layers applied to them.       ./09_lstm_on_text [FILE ...]
 */
#include <gemel/gemel.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST = 4, MOST = 24, VOCABULARY = 2048, EMBEDDING = 32, HIDDEN = 48, MAX_BOOKS = 8, MAX_SENTENCES = 8192 };

static const char *const debian[] = { "/usr/share/common-licenses/Apache-2.0", "/usr/share/common-licenses/GFDL-1.2",
                                      "/usr/share/common-licenses/GPL-2", "/usr/share/common-licenses/MPL-1.1" };

/* ---- text to numbers ---- */

typedef struct { int64_t word[MOST], length, book; char text[80]; } sentence;
static sentence sentences[MAX_SENTENCES];
static int n_sentences;

/* A word's number is a hash of it (FNV-1a): no dictionary, a few words share a number. 0 is for what is no word. */
static int64_t word_id(const char *word) {
    uint32_t h = 2166136261u;
    for (; *word; word++) h = (h ^ (unsigned char)*word) * 16777619u;
    return 1 + h % (VOCABULARY - 1);
}

static void add_word(sentence *s, const char *word) {
    s->word[s->length++] = word_id(word);
    if (strlen(s->text) + strlen(word) + 2 < sizeof s->text) strcat(strcat(s->text, word), " ");
}

/* Keeps the sentence if it is long enough, and begins the next. */
static void end_sentence(int64_t book) {
    sentence *s = &sentences[n_sentences];
    s->book = book;
    if (s->length >= LEAST && n_sentences + 1 < MAX_SENTENCES) s = &sentences[++n_sentences];
    memset(s, 0, sizeof *s);
}

static bool read_book(const char *path, int64_t book) {
    FILE *f = fopen(path, "r");
    if (!f)
        return gm_fail(GM_ERROR_IO,
                       "there is no %s: it is part of Debian's base-files; or name two or more texts of your "
                       "own: 09_lstm_on_text FILE FILE",
                       path);
    char word[32] = "";
    for (int c = 0, n = 0; c != EOF;) {
        c = getc(f);
        if (c != EOF && isalpha(c) && n < 31) word[n++] = (char)tolower(c), word[n] = 0;
        else if (n) {
            add_word(&sentences[n_sentences], word);
            n = 0;
        }
        if (c == '.' || c == ';' || c == EOF || sentences[n_sentences].length == MOST) end_sentence(book);
    }
    fclose(f);
    return true;
}

/* Sentences first, first + step ... but for every `without`-th: { x [N, MOST], lengths [N], y [N] }. */
static gm_pack *examples(int first, int step, int without) {
    int64_t n = 0, *x = malloc(sizeof(int64_t) * MAX_SENTENCES * MOST),
            *lengths = malloc(sizeof(int64_t) * MAX_SENTENCES), *y = malloc(sizeof(int64_t) * MAX_SENTENCES);
    for (int i = first; x && lengths && y && i < n_sentences; i += step) {
        if (without && i % without == 0) continue;
        memcpy(x + n * MOST, sentences[i].word, sizeof sentences[i].word);
        lengths[n] = sentences[i].length, y[n] = sentences[i].book;
        n++;
    }
    gm_pack *p = GM_PACK({ "x", gm_from_data(GM_SHAPE(n, MOST), GM_I64, x), NULL },
                         { "lengths", gm_from_data(GM_SHAPE(n), GM_I64, lengths), NULL },
                         { "y", gm_from_data(GM_SHAPE(n), GM_I64, y), NULL });
    free(x), free(lengths), free(y);
    return p;
}

/* ---- the net ---- */

/* { x [B, MOST] i64, lengths [B] i64 } -> { logits [B, books] }: the last states of both directions tell the book. */
static gm_module *net_new(int64_t books) {
    gm_tensor *x = gm_input(GM_SHAPE(MOST), .dtype = GM_I64), *lengths = gm_input(GM_SCALAR, .dtype = GM_I64);
    gm_tensor *words = gm_forward(gm_nn_dropout(0.3), gm_forward(gm_nn_embedding(VOCABULARY, EMBEDDING), x));
    gm_pack *read = gm_apply(gm_nn_lstm(EMBEDDING, HIDDEN, .bidirectional = 1),
                             GM_PACK({ "x", words, NULL }, { "lengths", lengths, NULL }));
    gm_tensor *h = gm_flatten_dims(gm_transpose(gm_get(read, "h"), 0, 1), 1, 2); /* [2, B, HIDDEN] -> [B, 2 HIDDEN] */
    gm_tensor *logits = gm_forward(gm_nn_linear(2 * HIDDEN, books), gm_forward(gm_nn_dropout(0.3), h));
    return gm_model_of(GM_PACK({ "x", x, NULL }, { "lengths", lengths, NULL }), GM_PACK({ "logits", logits, NULL }));
}

/* The part of the examples whose book is found; *guess: of those in the most frequent book. */
static double accuracy(gm_module *net, gm_pack *exam, int64_t books, double *guess) {
    GM_SCOPE(s);
    GM_NO_GRAD;
    gm_set_training(net, false);
    gm_tensor *y = gm_get(exam, "y"), *best = gm_argmax(gm_get(gm_apply(net, exam), "logits"), 1, false);
    gm_set_training(net, true);
    *guess = gm_item(gm_max(gm_mean_dim(gm_one_hot(y, books, GM_F32), 0, false)));
    return gm_item(gm_mean(gm_cast(gm_eq(best, y), GM_F32)));
}

static void show(gm_module *net, gm_pack *exam, const char *const *paths) {
    gm_set_training(net, false);
    gm_tensor *best = gm_argmax(gm_get(gm_apply(net, exam), "logits"), 1, false);
    for (int i = 0; gm_ok() && i < 6 && 5 * i < n_sentences; i++) {
        const char *path = paths[gm_item_i64(gm_select(best, 0, i))], *slash = strrchr(path, '/');
        printf("%-12s  %s...\n", slash ? slash + 1 : path, sentences[5 * i].text);
    }
}

int main(int argc, char **argv) {
    const char *const *paths = argc > 2 ? (const char *const *)argv + 1 : debian;
    int books = argc > 2 ? (argc - 1 < MAX_BOOKS ? argc - 1 : MAX_BOOKS) : 4, epochs = 12;
    for (int i = 0; gm_ok() && i < books; i++) read_book(paths[i], i);
    if (!gm_ok()) return gm_exit_status();

    gm_pack *exam = examples(0, 5, 0);
    gm_dataset *data = gm_dataset_of_pack(examples(0, 1, 5));
    gm_module *net = net_new(books);
    gm_optimizer *opt = gm_adamw(net, 5e-3);
    gm_loader *loader = gm_loader_new(data, .batch_size = 32, .shuffle = 1);
    double guess = 1, right = 0;
    for (int epoch = 0; epoch < epochs && gm_ok(); epoch++) {
        double sum = 0;
        GM_EACH (b, loader) {
            gm_tensor *loss = gm_cross_entropy(gm_get(gm_apply(net, b.all), "logits"), b.y);
            gm_backward(loss);
            gm_step(opt);
            sum += gm_item(loss) / (double)b.count;
        }
        right = accuracy(net, exam, books, &guess);
        printf("epoch %d  loss %.4f  right %.2f of sentences never seen\n", epoch + 1, sum, right);
    }
    show(net, exam, paths);
    printf("%d sentences; the most frequent book alone would be right for %.2f\n", n_sentences, guess);
    return gm_exit_status() || (argc <= 2 && !(right > guess + 0.2));
}
