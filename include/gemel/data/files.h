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
} gm_image_folder_args;
/* Pictures DIR/CLASS/NAME.jpg, .jpeg or .png (in folders below, too), read when they are asked for: x u8 [H, W, C], or
 * with .height and .width [C, height, width]: resized until they cover that, the middle cut out; y i64 [], the index of
 * the class. Classes are the folders in the order of their names, as bytes; so are the files. Errors: IO says what is
 * expected where there is no such thing, or no picture of a class; errors of a file name it. */
GM_API gm_dataset *gm_image_folder_with(const char *dir, const gm_image_folder_args *args);

typedef struct {
    size_t size;
    const char *label;  /* the column to predict; default the last */
    const char *ignore; /* columns to leave out: "id,name" */
    gm_real missing;    /* instead of missing numbers; else they are an error */
    int32_t every, part; /* each `every`-th row (default 10) is the test part; `part` as for folders, default all */
} gm_csv_dataset_args;
/* Rows of a CSV file: x f32 [N, columns], y. A label of text or of small integers from 0 is a class: y i64 [N] with the
 * texts, sorted, or the numbers as names; any other number is a target: y f32 [N]. Errors: VALUE names the column that
 * is no number, has missing values or labels below 0; INDEX for a column that is not there; IO; FORMAT. */
GM_API gm_dataset *gm_csv_dataset_with(const char *path, const gm_csv_dataset_args *args);

/* Arrays DIR/x_train.npy and y_train.npy, or x_test.npy and y_test.npy. y of integers are classes, cast to i64. Errors:
 * IO says which files are needed; VALUE for labels below 0. */
GM_API gm_dataset *gm_npy_folder(const char *dir, gm_data_split split);

#ifdef __cplusplus
}
#else
#  define gm_image_folder(...) gm__image_folder(__VA_ARGS__, .size = sizeof(gm_image_folder_args))
#  define gm__image_folder(dir, ...) gm_image_folder_with(dir, &(gm_image_folder_args){ __VA_ARGS__ })
#  define gm_csv_dataset(...) gm__csv_dataset(__VA_ARGS__, .size = sizeof(gm_csv_dataset_args))
#  define gm__csv_dataset(path, ...) gm_csv_dataset_with(path, &(gm_csv_dataset_args){ __VA_ARGS__ })
#endif
#endif
