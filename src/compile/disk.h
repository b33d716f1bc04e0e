/* disk.h: a directory of files named by content, private to its owner and safe to share between processes. */
#ifndef GM_COMPILE_DISK_H
#define GM_COMPILE_DISK_H
#include "gemel/extend.h"

enum { GM__DISK_PATH = 4096, GM__DISK_NAME = 80 };
/* The directory, absolute, or "" if there is none; fd is -1 while it is closed. */
typedef struct { int fd; char path[GM__DISK_PATH]; } gm__disk;

/* The directory that the environment names, closed. */
void gm__disk_locate(gm__disk *d);
/* Opens it, and makes it if it is not there. False, with one warning per process, if it cannot be trusted: it must be
 * a directory of the effective user that nobody else can write, and no symbolic link. */
bool gm__disk_open(gm__disk *d);
void gm__disk_close(gm__disk *d);
/* The content of an entry, followed by a zero byte, from gm_alloc; NULL if there is none, or (it is removed then) one
 * that is not as it was written under this name. */
char *gm__disk_read(const gm__disk *d, const char *name, size_t *bytes);
/* Puts an entry in place of any other of its name, then removes entries, the ones longest unused first, until at most
 * `limit` bytes are there. False, with one warning, if it cannot be written; false without if it is over the limit. */
bool gm__disk_write(const gm__disk *d, const char *name, const void *data, size_t bytes, int64_t limit);

/* The whole of it, or false and errno. */
bool gm__write_all(int fd, const void *data, size_t bytes);
bool gm__read_all(int fd, void *data, size_t bytes);

#if defined(__APPLE__)
#  define GM__MTIM st_mtimespec
#else
#  define GM__MTIM st_mtim
#endif

#endif
