/* fuzz_table.c: a data set out of a CSV file: its header guessed, labels from the last column. */
#include "fuzz.h"
#include "formats/readers.h"
#include "gemel/data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at(gm_pack *table, gm_folder_part part) {
    gm_dataset *d = gm_table_dataset(table, .part = part, .missing = GM_REAL(0));
    gm_tensor *y = d ? gm_dataset_y(d) : NULL;
    const int64_t *label = y && gm_dtype_of(y) == GM_I64 ? gm_data(y) : NULL;
    for (int64_t i = 0; label && i < gm_count(y); i++) FUZZ_EXPECT(label[i] >= 0 && label[i] < gm_n_classes(d));
    fuzz_tensor(y);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int64_t before = gm__n_objects();
    {
        GM_SCOPE(s);
        gm_load_csv_args args = { .size = sizeof args, .guess_header = 1 };
        gm_pack *table = gm__csv_decode("fuzz", data, size, &args);
        for (gm_folder_part part = GM_FOLDER_ALL; table && part <= GM_FOLDER_TEST; part++) look_at(table, part);
        gm_error_clear();
    }
    FUZZ_EXPECT(gm__n_objects() == before);
    return 0;
}
