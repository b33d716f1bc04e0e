/* gemel/data/files.h: data sets that lie in files, as people have them. */
#ifndef GEMEL_DATA_FILES_H
#define GEMEL_DATA_FILES_H

#include "dataset.h"

#ifdef __cplusplus
extern "C" {
#endif

/* CIFAR-10 (Krizhevsky 2009), binary version, from `dir` or its folder cifar-10-batches-bin: x u8 [N, 3, 32, 32],
 * y i64 [N], the ten names. Errors: IO says which files are needed; FORMAT. */
GM_API gm_dataset *gm_cifar10(const char *dir, gm_data_split split);

/* Which files of a folder: all; or its folder "train" ("test", "val" or "valid") where it has one, else nine of ten
 * files of each class (every tenth). */
typedef int32_t gm_folder_part;
enum { GM_FOLDER_ALL = 0, GM_FOLDER_TRAIN = 1, GM_FOLDER_TEST = 2 };
typedef struct {
    size_t size;
    int32_t height, width; /* default: pictures as they are */
    int32_t channels;      /* 1 or 3; default 3 */
    gm_folder_part part;
    gm_tensor *classes;    /* strings [C]: labels count by these; default: the folders that are there */
} gm_image_folder_args;
/* Pictures DIR/CLASS/NAME.jpg, .jpeg or .png (in folders below, too), read when they are asked for: x u8 [H, W, C], or
 * with .height and .width [C, height, width] by gm_image_cover; y i64 [], the index of the class. Classes are the
 * folders in the order of their names, as bytes; so are the files. Errors: IO says what is expected where there is no
 * such thing, or no picture of a class; VALUE for a folder that .classes lacks; errors of a file name it. */
GM_API gm_dataset *gm_image_folder_with(const char *dir, const gm_image_folder_args *args);

typedef struct {
    size_t size;
    const char *label;   /* the column to predict; default the last */
    const char *ignore;  /* columns to leave out: "id,name"; they must be there */
    gm_real missing;     /* instead of missing numbers; else they are an error */
    int32_t every;       /* parts: each `every`-th row is for testing; default 10 */
    gm_folder_part part; /* default all rows */
    gm_tensor *columns;  /* strings [F]: learn from these, in this order; default all but the label */
    gm_tensor *classes;  /* strings [C]: labels count by these; default: the texts or numbers that are there */
    const char *source;  /* what messages call a table */
    int32_t header;      /* of a file: 1 there is one, -1 none; default: none if the first line has a number */
    int32_t reserved;
} gm_table_args;
/* The columns of a table, such as gm_load_csv gives: x f32 [N, F], y. A label of text or of integers from 0 is a class:
 * y i64 [N] with the texts, sorted, or the numbers as names; any other number is a target: y f32 [N]. Errors: VALUE
 * names the column and row that is no number or infinite, has no value, has a label below 0 or one that .classes lacks;
 * INDEX for a column that is not there. */
GM_API gm_dataset *gm_table_dataset_with(gm_pack *table, const gm_table_args *args);
/* Columns of a table by name -> f32 [N, names]. `source` and `missing` as above. */
GM_API gm_tensor *gm_table_numbers(gm_pack *table, gm_tensor *names, const char *source, gm_real missing);
/* The same for the rows of a CSV file. Errors as above; IO, FORMAT. */
GM_API gm_dataset *gm_csv_dataset_with(const char *path, const gm_table_args *args);

/* Arrays DIR/x_train.npy and y_train.npy, or x_test.npy and y_test.npy. y of integers are classes, cast to i64. Errors:
 * IO says which files are needed; VALUE for labels below 0. */
GM_API gm_dataset *gm_npy_folder(const char *dir, gm_data_split split);

#ifdef __cplusplus
}
#else
#  define gm_image_folder(...) gm__image_folder(__VA_ARGS__, .size = sizeof(gm_image_folder_args))
#  define gm__image_folder(dir, ...) gm_image_folder_with(dir, &(gm_image_folder_args){ __VA_ARGS__ })
#  define gm_table_dataset(...) gm__table_dataset(__VA_ARGS__, .size = sizeof(gm_table_args))
#  define gm__table_dataset(table, ...) gm_table_dataset_with(table, &(gm_table_args){ __VA_ARGS__ })
#  define gm_csv_dataset(...) gm__csv_dataset(__VA_ARGS__, .size = sizeof(gm_table_args))
#  define gm__csv_dataset(path, ...) gm_csv_dataset_with(path, &(gm_table_args){ __VA_ARGS__ })
#endif
#endif
