/* data.h: data sets by name, as --data takes them, in the form that a model takes. */
#ifndef GEMEL_TOOL_DATA_H
#define GEMEL_TOOL_DATA_H

#include <gemel/gemel.h>

#include "command.h"

/* How examples are brought into a model: what the first data set settles, every later one follows, and a model file
 * keeps it (model.c). Zeros: not settled yet. Tensors are borrowed. */
typedef struct {
    gm_shape input;              /* of an example */
    int64_t height, width;       /* wanted of pictures of a folder; 0: theirs */
    int64_t side;                /* then larger ones become side x side */
    gm_tensor *classes;          /* strings [C]: label i is the name i */
    double mean, std;            /* of u8 pixels */
    gm_tensor *columns;          /* of a table: strings [F] */
    gm_tensor *center, *spread;  /* of a table: f32 [F], subtracted and divided by */
    gm_real missing;             /* of a table: stands for numbers that are not there */
    char label[256];             /* of a table: the column with the classes; "": the last */
} data_form;

#define DATA_DEFAULT "fashion-mnist"
/* What --help says of --data. */
#define DATA_HELP "fashion-mnist, mnist:DIR, cifar10:DIR, folder:DIR, csv:FILE or npy:DIR (default " DATA_DEFAULT ")"

/* Look at the flag --data, without opening what it names. False after reporting what is wrong with it. */
bool data_check(cli_args *args);
/* The examples of one part; settles or follows `form`. NULL after an error. */
gm_dataset *data_open(const char *name, gm_data_split split, data_form *form);
/* The pictures [C, H, W] that a model with this form takes, of a file: u8. */
gm_tensor *data_picture(const char *path, const data_form *form);
/* The rows f32 [N, F] of a CSV file. */
gm_tensor *data_rows(const char *path, const data_form *form);

/* Strings as one text with a line for each, freed by the caller, and back. */
char *data_join(gm_tensor *strings);
gm_tensor *data_split_lines(const char *text);

#endif
