/* fork.h: the locks that all threads share. They are held while the process forks (context.c), so that the child, which
 * has one thread, finds them free and what they guard whole. Others may be taken while that of the rows (tensor/rows.c)
 * is held; none while another is. */
#ifndef GM_BASE_FORK_H
#define GM_BASE_FORK_H
#include <pthread.h>

extern pthread_mutex_t gm__context_mutex, gm__log_mutex, gm__memory_mutex, gm__object_mutex, gm__rows_mutex,
    gm__stream_mutex;

/* pool.c: a child has no workers. */
void gm__pool_after_fork(void);

#endif
