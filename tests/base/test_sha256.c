/* SHA-256 against the examples of FIPS 180-4 and the values of sha256sum, whole and in pieces. */
#include "base/sha256.h"
#include "check.h"

static const char *digest(const uint8_t *data, size_t n, size_t piece) {
    static char text[65];
    uint8_t sum[32];
    gm__sha256 h;
    gm__sha256_begin(&h);
    for (size_t i = 0; i < n; i += piece) gm__sha256_add(&h, data + i, n - i < piece ? n - i : piece);
    gm__sha256_end(&h, sum);
    for (int i = 0; i < 32; i++) snprintf(text + 2 * i, 3, "%02x", sum[i]);
    return text;
}

static void check(const char *what, const uint8_t *data, size_t n, const char *wanted) {
    for (size_t piece = 1; piece <= n + 1; piece = piece < 130 ? piece + 1 : 2 * piece + 1)
        CHECK(!strcmp(digest(data, n, piece), wanted), "%s in pieces of %zu: %s", what, piece, digest(data, n, piece));
}

static void check_text(const char *text, const char *wanted) {
    check(text, (const uint8_t *)text, strlen(text), wanted);
}

static void test_examples(void) {
    check_text("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check_text("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    check_text("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
               "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    static uint8_t million[1000000];
    memset(million, 'a', sizeof million);
    CHECK(!strcmp(digest(million, sizeof million, 1000),
                  "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"));
}

/* Every place in a block that an end can have: one digest over the digests of i bytes, i up to 300. */
static void test_lengths(void) {
    uint8_t data[300], sum[32], all[32];
    gm__sha256 over, h;
    char text[65];
    for (int i = 0; i < 300; i++) data[i] = (uint8_t)(7 * i);
    gm__sha256_begin(&over);
    for (size_t n = 0; n < 300; n++) {
        gm__sha256_begin(&h);
        gm__sha256_add(&h, data, n);
        gm__sha256_end(&h, sum);
        gm__sha256_add(&over, sum, 32);
    }
    gm__sha256_end(&over, all);
    for (int i = 0; i < 32; i++) snprintf(text + 2 * i, 3, "%02x", all[i]);
    CHECK(!strcmp(text, "f65f14b090e805017546322e618401d41f0710c213e013a5131eb38bbe8f367f"), "%s", text);
}

int main(void) {
    RUN(test_examples);
    RUN(test_lengths);
    return check_done();
}
