/* object.c: handles: counted objects in slabs that are never unmapped.
 *
 * A handle that outlived its object must be told from a live one, so the memory behind a handle stays mapped and its
 * state word says whether it is alive. A freed slot waits in a first-in first-out queue until `OBJECT_QUARANTINE`
 * others of its size have been freed after it (for ever, if GM_DEBUG_HANDLES is set); only then is it used again.
 * Reuse in order of age also walks the slabs forwards, which the hardware prefetches.
 *
 * The queues are shared; a context takes from them and gives to them a batch of slots at a time. They hold pointers, so
 * that no cold slot is touched before it is used, and those about to be used are prefetched. */
#include "../math/fp.h"
#include "fork.h"
#include "object.h"
#include "scope.h"

#include <stdlib.h>
#include <string.h>

enum { OBJECT_CLASS_BYTES = 64, OBJECT_QUARANTINE = 2048, OBJECT_SLAB_BYTES = 256 * 1024, OBJECT_AHEAD = 3 };

/* The slots of one size: those that wait, oldest first, in a ring with room for every slot there is, and the rest of
 * the newest slab. */
typedef struct { gm_object **ring; int64_t capacity, first, n, n_slots; char *slab, *slab_end; } object_queue;

pthread_mutex_t gm__object_mutex = PTHREAD_MUTEX_INITIALIZER;
static object_queue object_queues[GM__SLOT_CLASSES];

static int object_class(const gm_type *type) { return (int)((type->bytes - 1) / OBJECT_CLASS_BYTES); }

/* ---- the shared queues, under the lock ---- */

static void object_push(object_queue *q, gm_object *slot) { q->ring[(q->first + q->n++) & (q->capacity - 1)] = slot; }

static gm_object *object_pop(object_queue *q) {
    gm_object *slot = q->ring[q->first];
    q->first = (q->first + 1) & (q->capacity - 1);
    q->n--;
    return slot;
}

static bool object_grow_ring(object_queue *q, int64_t n_slots) {
    if (n_slots <= q->capacity) return true;
    int64_t capacity = q->capacity ? q->capacity : 1024;
    while (capacity < n_slots) capacity *= 2;
    object_queue big = { .ring = malloc((size_t)capacity * sizeof *big.ring), .capacity = capacity };
    if (!big.ring) return false;
    while (q->n) object_push(&big, object_pop(q));
    free(q->ring);
    q->ring = big.ring, q->capacity = capacity, q->first = 0, q->n = big.n;
    return true;
}

static bool object_add_slab(object_queue *q, int64_t bytes) {
    int64_t n = OBJECT_SLAB_BYTES / bytes;
    char *slab = object_grow_ring(q, q->n_slots + n) ? aligned_alloc(64, OBJECT_SLAB_BYTES) : NULL;
    if (!slab) return false;
    q->slab = slab, q->slab_end = slab + n * bytes;
    q->n_slots += n;
    return true;
}

static gm_object *object_cut(object_queue *q, int64_t bytes) {
    gm_object *slot = (gm_object *)q->slab;
    q->slab += bytes;
    return slot;
}

/* One to `n` slots; none without memory. Where there is none for a slab, a slot that should wait longer must do. */
static void object_take(gm__slots *to, int class, int n) {
    object_queue *q = &object_queues[class];
    int64_t bytes = (int64_t)(class + 1) * OBJECT_CLASS_BYTES;
    pthread_mutex_lock(&gm__object_mutex);
    if (q->slab == q->slab_end && q->n <= OBJECT_QUARANTINE && !object_add_slab(q, bytes)) n = q->n > 0;
    for (; n > 0 && q->slab < q->slab_end; n--) to->slot[to->n++] = object_cut(q, bytes);
    for (; n > 0 && (q->n > OBJECT_QUARANTINE || (q->n && !to->n)); n--) to->slot[to->n++] = object_pop(q);
    pthread_mutex_unlock(&gm__object_mutex);
    for (int64_t i = 0; i < to->n / 2; i++) { /* they are used from the end */
        gm_object *slot = to->slot[i];
        to->slot[i] = to->slot[to->n - 1 - i], to->slot[to->n - 1 - i] = slot;
    }
}

static void object_give(gm__slots *from, int class) {
    pthread_mutex_lock(&gm__object_mutex);
    for (int64_t i = 0; i < from->n; i++) object_push(&object_queues[class], from->slot[i]);
    pthread_mutex_unlock(&gm__object_mutex);
    from->n = 0;
}

void gm__slots_give_back(gm_context *c) {
    for (int class = 0; class < GM__SLOT_CLASSES; class++) {
        object_give(&c->freed[class], class);
        object_give(&c->fresh[class], class);
    }
}

/* ---- making ---- */

static gm_object *object_slot_for(gm_context *c, int class) {
    gm__slots here, *from = &c->fresh[class];
    if (__builtin_expect(c->shared, 0)) from = &here, here.n = 0;
    if (__builtin_expect(!from->n, 0)) object_take(from, class, c->shared ? 1 : GM__SLOT_BATCH);
    if (!from->n) return NULL;
    if (from->n > OBJECT_AHEAD)
        for (int i = 0; i <= class; i++)
            __builtin_prefetch((char *)from->slot[from->n - 1 - OBJECT_AHEAD] + i * OBJECT_CLASS_BYTES, 1);
    return from->slot[--from->n];
}

void *gm__object_make(const gm_type *type) {
    int class = object_class(type);
    if (class >= GM__SLOT_CLASSES) {
        gm_fail(GM_ERROR_INTERNAL, "object_new: a %s of %zu bytes is over the limit of %d", type->name, type->bytes,
                GM__SLOT_CLASSES * OBJECT_CLASS_BYTES);
        return NULL;
    }
    gm_context *c = gm__context();
    gm_object *o = gm__allocation_fails() ? NULL : object_slot_for(c, class);
    if (!o) {
        gm_fail(GM_ERROR_MEMORY, "out of memory for a %s", type->name);
        return NULL;
    }
    memset(o, 0, type->bytes);
    *o = (gm_object){ type, GM__ALIVE, 1 };
    gm__count(c, &c->counts.objects, 1);
    return o;
}

void *gm_object_new(const gm_type *type) {
    if (gm__context()->error) return NULL;
    gm_object *o = gm__object_make(type);
    if (o && !gm__scope_own(o)) {
        gm_release(o);
        return NULL;
    }
    return o;
}

static bool object_is_alive(const gm_object *o) { return o->state == GM__ALIVE; }

void *gm_retain(void *object) {
    gm_object *o = object;
    if (!o || o == GM_END || !object_is_alive(o)) return NULL;
    __atomic_fetch_add(&o->refs, 1, __ATOMIC_RELAXED);
    return o;
}

/* ---- releasing ---- */

static bool object_never_reuse(void) {
    static int cached = -1;
    int never = __atomic_load_n(&cached, __ATOMIC_RELAXED);
    if (never < 0) __atomic_store_n(&cached, never = getenv("GM_DEBUG_HANDLES") != NULL, __ATOMIC_RELAXED);
    return never;
}

static void object_free_slot(gm_object *o) {
    gm_context *c = gm__context();
    int class = object_class(o->type);
    gm__slots here, *to = &c->freed[class];
    if (__builtin_expect(c->shared, 0)) to = &here, here.n = 0;
    o->state = GM__DEAD;
    gm__count(c, &c->counts.objects, -1);
    if (object_never_reuse()) return;
    to->slot[to->n++] = o;
    if (to->n == GM__SLOT_BATCH || c->shared) object_give(to, class);
}

/* Who holds the only count need not ask others: nobody else can take one. */
static bool object_was_last(gm_object *o) {
    if (__atomic_load_n(&o->refs, __ATOMIC_ACQUIRE) != 1) return __atomic_fetch_sub(&o->refs, 1, __ATOMIC_ACQ_REL) == 1;
    __atomic_store_n(&o->refs, 0, __ATOMIC_RELAXED);
    return true;
}

void gm_release(void *object) {
    gm_object *o = object;
    if (!o || o == GM_END || !object_is_alive(o) || !object_was_last(o)) return;
    if (o->type->destroy) o->type->destroy(o);
    object_free_slot(o);
}

bool gm_check_object(const void *object, const gm_type *type, const char *op, int argument) {
    const gm_object *o = object;
    if (__builtin_expect(gm__is_live(o, type), 1)) return true;
    if (!o || o == GM_END)
        gm_fail(GM_ERROR_HANDLE, "%s: argument %d is NULL, a %s is needed", op, argument, type->name);
    else if (o->state == GM__DEAD)
        gm_fail(GM_ERROR_HANDLE, "%s: argument %d belongs to a closed scope (keep it with gm_keep)", op, argument);
    else if (object_is_alive(o))
        gm_fail(GM_ERROR_HANDLE, "%s: argument %d is a %s, a %s is needed", op, argument, o->type->name, type->name);
    else gm_fail(GM_ERROR_HANDLE, "%s: argument %d is not a Gemel object", op, argument);
    return false;
}

int64_t gm__n_objects(void) { return gm__counts_of_all().objects; }
