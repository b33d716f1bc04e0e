/* build.c: the service that builds kernels.
 *
 * What is asked for is a unit, found by a hash of source and flags; handles share it. A unit is settled by the thread
 * that asks, where the disk has it, else by one background thread, started when it is first needed and parked while it
 * has nothing to do. The file on disk is named by a second hash, which takes in the compiler. With no compiler at all,
 * what the last one built is used: by the numerics contract any compiler's code gives the same bits.
 *
 * Invariants, under `lock`: a unit is in the list while it has users; the thread is a user of the unit it works on
 * (`taken`); a pending unit has its job, unless somebody is just finding out whether the disk has it; settled units do
 * not change. `load` is held around the loader, before `lock` where both are: so that no fork falls into it. */
#include "../math/fp.h"
#include "build.h"
#include "compiler.h"
#include "disk.h"
#include "process.h"
#include "../base/sha256.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#if defined(__linux__)
#  include <sys/auxv.h>
#  include <sys/mman.h>
#endif

enum { BUILD_NICE = 5 };

/* What the thread needs; source and flags lie behind it. */
typedef struct { gm__compiler compiler; gm__disk disk; size_t bytes; const char *source, *flags; } build_job;
/* What was loaded. The descriptor of one that is in memory only stays open, because the loader knows it by its number.
 */
typedef struct { void *handle; int fd; } build_image;

typedef struct build_unit {
    uint8_t key[32];
    _Atomic int32_t state;
    int32_t users;
    bool taken;
    build_job *job;
    build_image image;
    char *error;
    struct build_unit *next;
} build_unit;

struct gm__build { gm_object base; build_unit *unit; };

static struct {
    pthread_mutex_t lock, load;
    pthread_cond_t wake, settled;
    build_unit *first;
    bool started;
    gm__build_counts counts;
    char compiler[GM__COMPILER_ID]; /* the id of the last one that was asked */
} build = { .lock = PTHREAD_MUTEX_INITIALIZER, .load = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER,
            .settled = PTHREAD_COND_INITIALIZER };

static void build_lock(void) { pthread_mutex_lock(&build.lock); }
static void build_unlock(void) { pthread_mutex_unlock(&build.lock); }

/* ---- names ---- */

static void build_hash_text(gm__sha256 *h, const char *text) { gm__sha256_add(h, text, strlen(text) + 1); }

/* What the machine can do: a flag may say "for this machine". */
static uint64_t build_machine(void) {
#if defined(__x86_64__) || defined(__i386__)
    uint64_t bits = 0;
#  define BUILD_HAS(feature) bits = bits << 1 | (__builtin_cpu_supports(feature) != 0);
    BUILD_HAS("sse4.2") BUILD_HAS("avx") BUILD_HAS("avx2") BUILD_HAS("fma") BUILD_HAS("bmi2") BUILD_HAS("avx512f")
    BUILD_HAS("avx512dq") BUILD_HAS("avx512bw") BUILD_HAS("avx512vl") BUILD_HAS("avx512vbmi") BUILD_HAS("avx512vnni")
#  undef BUILD_HAS
    return bits;
#elif defined(__linux__)
    return getauxval(AT_HWCAP) ^ (uint64_t)getauxval(AT_HWCAP2) << 32;
#else
    return 0;
#endif
}

static void build_hash(uint8_t key[32], const char *source, size_t bytes, const char *flags) {
    gm__sha256 h;
    const uint64_t numbers[] = { GM__NUMERICS_CONTRACT, build_machine(), bytes, sizeof(void *) };
    gm__sha256_begin(&h);
    gm__sha256_add(&h, numbers, sizeof numbers);
    build_hash_text(&h, gm_version());
    for (int i = 0; gm__compiler_flag(i); i++) build_hash_text(&h, gm__compiler_flag(i));
    build_hash_text(&h, flags);
    gm__sha256_add(&h, source, bytes);
    gm__sha256_end(&h, key);
}

typedef struct { char name[GM__DISK_NAME], path[GM__DISK_PATH + GM__DISK_NAME]; } build_place;

/* The file's name: the unit's key and the compiler, which is its path and version, not its time. */
static build_place build_place_of(const uint8_t key[32], const build_job *job) {
    build_place place;
    const char *compiler = job->compiler.id;
    gm__sha256 h;
    uint8_t sum[32];
    const char *stamp = strchr(compiler, '\n'), *version = strchr(stamp + 1, '\n');
    gm__sha256_begin(&h);
    gm__sha256_add(&h, key, 32);
    gm__sha256_add(&h, compiler, (size_t)(stamp - compiler));
    build_hash_text(&h, version);
    gm__sha256_end(&h, sum);
    for (int i = 0; i < 32; i++) snprintf(place.name + 2 * i, 3, "%02x", sum[i]);
    memcpy(place.name + 64, ".so", 4);
    snprintf(place.path, sizeof place.path, "%s/%s", job->disk.path, place.name);
    return place;
}

/* ---- loading ---- */

static bool build_load(build_image *image, const char *path, gm__builder *why) {
    pthread_mutex_lock(&build.load);
    image->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const char *fault = image->handle ? NULL : dlerror();
    if (fault) gm__builder_format(why, "%s%.400s", why->n ? "; " : "", fault);
    pthread_mutex_unlock(&build.load);
    return image->handle != NULL;
}

/* Where no file may be executed, perhaps memory may. */
static bool build_load_memory(build_image *image, const void *data, size_t bytes, gm__builder *why) {
#if defined(MFD_CLOEXEC)
    char path[64];
    struct rlimit most; /* to write more would be answered by a signal */
    if (getrlimit(RLIMIT_FSIZE, &most) || most.rlim_cur < bytes) return false;
    image->fd = memfd_create("gemel-kernel", MFD_CLOEXEC);
    snprintf(path, sizeof path, "/proc/self/fd/%d", image->fd);
    if (image->fd >= 0 && gm__write_all(image->fd, data, bytes) && build_load(image, path, why)) return true;
    if (image->fd >= 0) close(image->fd);
#else
    (void)data, (void)bytes, (void)why;
#endif
    image->fd = -1;
    return false;
}

static void build_unload(build_image image) {
    pthread_mutex_lock(&build.load);
    if (image.handle) dlclose(image.handle);
    pthread_mutex_unlock(&build.load);
    if (image.fd >= 0) close(image.fd);
}

/* ---- units ---- */

static void build_job_free(build_job *job) {
    if (job) gm_free(job->compiler.environment);
    gm_free(job);
}

/* Under the lock: one user less. True for the last one, who takes it out of the list and frees it outside of the lock.
 */
static bool build_leave(build_unit *u) {
    build_unit **at = &build.first;
    if (--u->users) return false;
    while (*at != u) at = &(*at)->next;
    *at = u->next;
    return true;
}

static void build_free(build_unit *u) {
    build_unload(u->image);
    build_job_free(u->job);
    gm_free(u->error);
    gm_free(u);
}

/* The unit of `key`, with one user more; new if `*fresh` says so. NULL without memory. */
static build_unit *build_unit_of(const uint8_t key[32], bool *fresh) {
    build_unit **at = &build.first, *u;
    build_lock();
    while ((u = *at) && memcmp(u->key, key, 32)) at = &u->next;
    *fresh = !u;
    if (u) build.counts.memory_hits++;
    else if ((u = *at = gm_alloc(sizeof *u))) {
        memcpy(u->key, key, 32);
        u->image.fd = -1;
    }
    if (u) u->users++;
    build_unlock();
    return u;
}

static const char *build_reason(const char *error) { return error ? error : "out of memory"; }

/* The first failure is told; what follows is most often the same one again. */
static void build_tell(const char *error) {
    static atomic_bool told;
    if (gm__process_stopped()) return;
    gm_log_level level = atomic_exchange(&told, true) ? GM_LOG_DEBUG : GM_LOG_WARNING;
    gm_log_line(level, "a kernel was not compiled (results are the same, only slower): %s", build_reason(error));
}

/* Ready if there is an image, else failed for the reason given. Takes the job; the thread is no user any more. */
static void build_settle(build_unit *u, build_job *job, build_image image, const char *reason) {
    char *error = image.handle || !reason ? NULL : gm_strdup(reason);
    build_lock();
    u->image = image, u->error = error, u->job = NULL;
    build.counts.failures += !image.handle;
    atomic_store_explicit(&u->state, image.handle ? GM__BUILD_READY : GM__BUILD_FAILED, memory_order_release);
    bool last = u->taken && build_leave(u);
    u->taken = false;
    build_job_free(job);
    pthread_cond_broadcast(&build.settled);
    build_unlock();
    if (last) build_free(u);
}

static void build_fail(build_unit *u, build_job *job, const char *reason) {
    build_settle(u, job, (build_image){ .fd = -1 }, reason);
}

static bool build_load_from_disk(build_unit *u, build_job *job, gm__builder *why) {
    build_image image = { .fd = -1 };
    size_t bytes;
    if (!job->compiler.known || !gm__disk_open(&job->disk)) return false;
    build_place place = build_place_of(u->key, job);
    char *data = gm__disk_read(&job->disk, place.name, &bytes);
    gm__disk_close(&job->disk);
    if (data && !build_load(&image, place.path, why)) build_load_memory(&image, data, bytes, why);
    gm_free(data);
    if (!image.handle) return false;
    build_lock();
    build.counts.disk_hits++;
    build_unlock();
    return build_settle(u, job, image, NULL), true;
}

/* ---- the thread ---- */

/* The compiler's id, from this process or from the disk. */
static bool build_recall(build_job *job) {
    build_lock();
    bool known = gm__compiler_recall(&job->compiler, build.compiler);
    build_unlock();
    size_t bytes;
    if (known || !gm__disk_open(&job->disk)) return known;
    char *id = gm__disk_read(&job->disk, "compiler", &bytes);
    gm__disk_close(&job->disk);
    known = id && gm__compiler_recall(&job->compiler, id);
    gm_free(id);
    return known;
}

static void build_remember(build_job *job) {
    const char *id = job->compiler.id;
    build_lock();
    snprintf(build.compiler, sizeof build.compiler, "%s", id);
    build_unlock();
    if (!gm__disk_open(&job->disk)) return;
    gm__disk_write(&job->disk, "compiler", id, strlen(id), job->compiler.cache_bytes);
    gm__disk_close(&job->disk);
}

/* Into the cache and from there into memory; where there is no cache, from where it was built. */
static build_image build_keep(build_unit *u, build_job *job, const char *built, gm__builder *why) {
    build_image image = { .fd = -1 };
    size_t bytes;
    char *data = gm__compiler_result(built, &bytes);
    if (!data) return gm__builder_format(why, "%.200s made no shared object", job->compiler.path), image;
    build_place to = build_place_of(u->key, job);
    bool kept =
        gm__disk_open(&job->disk) && gm__disk_write(&job->disk, to.name, data, bytes, job->compiler.cache_bytes);
    gm__disk_close(&job->disk);
    if (!(kept && build_load(&image, to.path, why)) && !build_load(&image, built, why))
        build_load_memory(&image, data, bytes, why);
    gm_free(data);
    return image;
}

static build_image build_compile(build_unit *u, build_job *job, gm__builder *why) {
    char path[GM__COMPILER_PATH];
    build_image image = { .fd = -1 };
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    bool ok = gm__compiler_run(&job->compiler, job->source, job->bytes, job->flags, path, why);
    clock_gettime(CLOCK_MONOTONIC, &end);
    if (ok) image = build_keep(u, job, path, why);
    gm__compiler_clean();
    build_lock();
    build.counts.builds += ok;
    build.counts.compiler_seconds +=
        (double)(end.tv_sec - begin.tv_sec) + 1e-9 * (double)(end.tv_nsec - begin.tv_nsec);
    build_unlock();
    return image;
}

static void build_work(build_unit *u) {
    gm__builder why = { 0 };
    build_job *job = u->job;
    bool known = job->compiler.known || build_recall(job);
    if (!known && (known = gm__compiler_ask(&job->compiler, &why))) build_remember(job);
    if (!known || !build_load_from_disk(u, job, &why)) { /* another process may have built it meanwhile */
        build_image image = { .fd = -1 };
        if (known) image = build_compile(u, job, &why);
        if (!image.handle) build_tell(why.text);
        if (!gm__process_stopped()) build_settle(u, job, image, why.text);
    }
    gm__builder_free(&why);
    gm_error_clear(); /* without memory: it is the build that fails */
}

static build_unit *build_next(void) {
    build_lock();
    for (;;) {
        for (build_unit *u = build.first; u; u = u->next)
            if (u->job && !u->taken) {
                u->taken = true, u->users++;
                return build_unlock(), u;
            }
        pthread_cond_wait(&build.wake, &build.lock);
    }
}

static void *build_thread(void *unused) {
    (void)unused;
#if defined(__linux__)
    setpriority(PRIO_PROCESS, 0, BUILD_NICE); /* of this thread, and so of the compiler */
#endif
    while (!gm__process_stopped()) build_work(build_next());
    for (;;) pause(); /* the process ends: nothing is to change any more */
    return NULL;
}

/* The process ends: a compiler that runs is killed, and the thread does nothing more. */
static void build_at_exit(void) {
    gm__process_stop();
    gm__compiler_clean();
}

static void build_before_fork(void) {
    pthread_mutex_lock(&build.load);
    build_lock();
}

static void build_in_parent(void) {
    build_unlock();
    pthread_mutex_unlock(&build.load);
}

/* A child has no thread. What was being built is built again; what another thread was looking for is lost. */
static void build_in_child(void) {
    pthread_mutex_init(&build.lock, NULL);
    pthread_mutex_init(&build.load, NULL);
    pthread_cond_init(&build.wake, NULL);
    pthread_cond_init(&build.settled, NULL);
    build.started = false;
    gm__process_forget();
    gm__compiler_forget();
    for (build_unit *u = build.first; u; u = u->next) {
        if (u->taken) u->taken = false, u->users--;
        if (!u->job && !u->state) atomic_store(&u->state, GM__BUILD_FAILED);
    }
}

static void build_register(void) {
    pthread_atfork(build_before_fork, build_in_parent, build_in_child);
    atexit(build_at_exit);
}

/* Under the lock: there is a thread, and it is awake. */
static bool build_wake_thread(void) {
    if (!build.started) {
        sigset_t all, before;
        pthread_t thread;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        build.started = !pthread_create(&thread, NULL, build_thread, NULL);
        if (build.started) pthread_detach(thread);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    pthread_cond_signal(&build.wake);
    return build.started;
}

/* ---- asking ---- */

static void build_destroy(void *object) {
    build_unit *u = ((gm__build *)object)->unit;
    if (!u) return;
    build_lock();
    bool last = build_leave(u);
    build_unlock();
    if (last) build_free(u);
}

static const gm_type build_type = { "build", sizeof(gm__build), build_destroy };

/* "" if kernels may be built in this process. */
static const char *build_forbidden(void) {
    const char *setting = getenv("GM_COMPILE");
    if (setting && !strcmp(setting, "0")) return "GM_COMPILE=0";
#if defined(__linux__)
    if (getauxval(AT_SECURE)) return "the program has more rights than its user"; /* who sets GM_CC and PATH */
#endif
    return "";
}

static build_job *build_job_new(const char *source, size_t bytes, const char *flags) {
    size_t n = strlen(flags) + 1;
    build_job *job = gm_alloc(sizeof *job + bytes + n);
    if (!job) return NULL;
    char *text = (char *)(job + 1);
    job->bytes = bytes, job->source = text + n, job->flags = text;
    memcpy(text, flags, n);
    memcpy(text + n, source, bytes);
    return job;
}

static bool build_queue(build_unit *u, build_job *job, gm__builder *why) {
    if (!gm__compiler_catch(&job->compiler)) return false;
    build_lock();
    u->job = job;
    bool there = build_wake_thread();
    if (!there) u->job = NULL;
    build_unlock();
    if (!there) gm__builder_add(why, "no thread can be started");
    return there;
}

static void build_begin(build_unit *u, const char *source, size_t bytes, const char *flags) {
    const char *forbidden = build_forbidden();
    if (*forbidden) return build_fail(u, NULL, forbidden);
    gm__builder why = { 0 };
    build_job *job = build_job_new(source, bytes, flags);
    if (!job) return build_fail(u, NULL, NULL);
    bool present = gm__compiler_find(&job->compiler, &why);
    gm__disk_locate(&job->disk);
    job->compiler.known = build_recall(job);
    if (!build_load_from_disk(u, job, &why) && !(present && build_queue(u, job, &why))) {
        build_tell(why.text);
        build_fail(u, job, why.text);
    }
    gm__builder_free(&why);
}

gm__build *gm__build_start(const char *source, size_t bytes, const char *flags) {
    if (!gm_ok()) return NULL;
    gm__build *b = gm_object_new(&build_type);
    if (!b) return NULL;
    if (!flags) flags = "";
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    uint8_t key[32];
    bool fresh;
    pthread_once(&once, build_register);
    build_hash(key, source, bytes, flags);
    b->unit = build_unit_of(key, &fresh);
    if (b->unit && fresh) build_begin(b->unit, source, bytes, flags);
    return gm_ok() ? b : NULL;
}

gm__build_status gm__build_state(const gm__build *b) {
    return b ? atomic_load_explicit(&b->unit->state, memory_order_acquire) : GM__BUILD_FAILED;
}

gm__build_status gm__build_wait(gm__build *b) {
    if (gm__build_state(b) != GM__BUILD_PENDING) return gm__build_state(b);
    build_unit *u = b->unit;
    build_job *lost = NULL;
    build_lock();
    while (!u->state && !lost) {
        if (!u->job || build.started || build_wake_thread()) pthread_cond_wait(&build.settled, &build.lock);
        else lost = u->job, u->job = NULL;
    }
    build_unlock();
    if (lost) build_fail(u, lost, "no thread can be started");
    return gm__build_state(b);
}

void *gm__build_symbol(const gm__build *b, const char *name) {
    return gm__build_state(b) == GM__BUILD_READY ? dlsym(b->unit->image.handle, name) : NULL;
}

const char *gm__build_error(const gm__build *b) {
    return gm__build_state(b) != GM__BUILD_FAILED ? "" : b ? build_reason(b->unit->error) : "there is no build";
}

gm__build_counts gm__build_stats(void) {
    build_lock();
    gm__build_counts counts = build.counts;
    build_unlock();
    return counts;
}
