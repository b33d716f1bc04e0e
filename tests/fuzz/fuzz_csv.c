/* fuzz_csv.c: the reader of CSV files, under options that the first byte chooses. */
#include "fuzz.h"
#include "formats/readers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int64_t before = gm__n_objects();
    {
        GM_SCOPE(s);
        gm_load_csv_args args = { .size = sizeof args };
        if (size && data[0] & 128) {
            args.no_header = data[0] & 1;
            args.floats = data[0] & 2 ? GM_F64 : GM_F32;
            args.numbers = data[0] & 4 ? "*" : NULL;
            args.separator = data[0] & 8 ? 0x3b : 0;
            args.strings = data[0] & 16 ? "0,1" : NULL;
            data++, size--;
        }
        fuzz_pack(gm__csv_decode("fuzz", data, size, &args));
    }
    FUZZ_EXPECT(gm__n_objects() == before);
    return 0;
}
