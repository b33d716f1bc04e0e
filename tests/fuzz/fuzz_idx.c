/* fuzz_idx.c: the reader of IDX files, gzip included. */
#include "fuzz.h"
#include "formats/readers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int64_t before = gm__n_objects();
    {
        GM_SCOPE(s);
        fuzz_tensor(gm__idx_decode("fuzz", data, size));
    }
    FUZZ_EXPECT(gm__n_objects() == before);
    return 0;
}
