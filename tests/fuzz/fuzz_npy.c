/* fuzz_npy.c: the reader of NumPy files. */
#include "fuzz.h"
#include "tensor/npy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int64_t before = gm__n_objects();
    {
        GM_SCOPE(s);
        fuzz_tensor(gm__npy_decode("fuzz", data, size));
    }
    FUZZ_EXPECT(gm__n_objects() == before);
    return 0;
}
