/* fuzz_picture.c: what a folder of pictures does with a file: decode whatever it is, bring it to a size, scale it. */
#include "fuzz.h"
#include "formats/image.h"
#include "gemel/data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int64_t before = gm__n_objects();
    {
        GM_SCOPE(s);
        gm_read_image_args args = { .size = sizeof args, .channels = size % 2 ? 3 : 1 };
        gm_tensor *picture = gm__image_decode("fuzz", "fuzz", data, size, 1 << 16, &args);
        gm_tensor *small = picture ? gm_image_cover(picture, 5, 7, (gm_filter)(size % 3)) : NULL;
        gm_tensor *x = small ? gm_image_normalize(small, (double[]){ 0.5 }, (double[]){ 0.25 }, 1) : NULL;
        FUZZ_EXPECT(!x || gm_shape_equal(gm_shape_of(x), GM_SHAPE(args.channels, 5, 7)));
        fuzz_tensor(x);
    }
    FUZZ_EXPECT(gm__n_objects() == before);
    return 0;
}
