/* augment.h: what `gemel train` does to its training pictures. */
#ifndef GEMEL_AUGMENT_H
#define GEMEL_AUGMENT_H

#include "command.h"
#include "data.h"

/* False after reporting a list that --augment does not take. */
bool augment_check(cli_args *args);
/* d with --augment; d itself where it is not given. */
gm_dataset *augment(gm_dataset *d, cli_args *args, uint64_t seed);

#endif
