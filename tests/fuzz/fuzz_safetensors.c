/* fuzz_safetensors.c: the reader of safetensors files. */
#include "fuzz.h"
#include "formats/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int64_t before = gm__n_objects();
    {
        GM_SCOPE(s);
        fuzz_pack(gm__safetensors_decode("fuzz", data, size));
    }
    FUZZ_EXPECT(gm__n_objects() == before);
    return 0;
}
