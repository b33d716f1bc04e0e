/* gemel/data.h: data sets, the pipelines made of them, pictures, and the loaders that hand out batches. */
#ifndef GEMEL_DATA_H
#define GEMEL_DATA_H

#include "data/dataset.h"
#include "data/files.h"
#include "data/image.h"
#include "data/loader.h"
#include "data/pipeline.h"

#endif
