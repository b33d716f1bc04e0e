/* fuzz_jpeg.c: the reader of JPEG files. */
#include "fuzz.h"
#include "formats/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int64_t before = gm__n_objects();
    {
        GM_SCOPE(s);
        gm_read_image_args args = { sizeof args, size % 3 == 1 ? 1 : size % 3 == 2 ? 4 : 0, (int32_t)(size % 64) };
        fuzz_tensor(gm__image_decode("fuzz", "fuzz", data, size, 1 << 16, &args));
    }
    FUZZ_EXPECT(gm__n_objects() == before);
    return 0;
}
