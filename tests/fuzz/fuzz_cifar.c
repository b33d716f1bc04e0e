/* fuzz_cifar.c: the reader of a binary file of CIFAR-10. */
#include "fuzz.h"
#include "formats/readers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int64_t before = gm__n_objects();
    {
        GM_SCOPE(s);
        fuzz_pack(gm__cifar_decode("fuzz", data, size));
    }
    FUZZ_EXPECT(gm__n_objects() == before);
    return 0;
}
