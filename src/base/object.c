/* object.c: handles: counted objects in slabs that are never unmapped.
 *
 * A handle that outlived its object must be told from a live one, so the memory behind a handle stays mapped and its
 * state word says whether it is alive. A freed slot waits in a first-in first-out queue until `OBJECT_QUARANTINE`
 * others of its size have been freed after it (for ever, if GM_DEBUG_HANDLES is set); only then is it used again.
 * Reuse in order of age also walks the slabs forwards, which the hardware prefetches. */
#include "../math/fp.h"
#include "object.h"
#include "context.h"
#include "scope.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { OBJECT_CLASSES = 16, OBJECT_CLASS_BYTES = 64, OBJECT_QUARANTINE = 2048, OBJECT_SLAB_BYTES = 256 * 1024 };
enum { OBJECT_ALIVE = 0x476d3156, OBJECT_DEAD = 0x64656164 };

/* A free slot: its header says DEAD, the link lies behind it. */
typedef struct object_slot { gm_object header; struct object_slot *next; } object_slot;
typedef struct { object_slot *first, *last; int64_t n; } object_queue;

static pthread_mutex_t object_lock = PTHREAD_MUTEX_INITIALIZER;
static object_queue object_free[OBJECT_CLASSES];
static _Atomic int64_t object_live;

static void object_enqueue(object_queue *q, object_slot *slot) {
    slot->next = NULL;
    if (q->last) q->last->next = slot;
    else q->first = slot;
    q->last = slot;
    q->n++;
}

static object_slot *object_dequeue(object_queue *q) {
    object_slot *slot = q->first;
    q->first = slot->next;
    if (!q->first) q->last = NULL;
    q->n--;
    return slot;
}

/* Slots of a new slab go to the front: they never held an object, so they need no quarantine. */
static bool object_add_slab(object_queue *q, size_t bytes) {
    char *slab = aligned_alloc(64, OBJECT_SLAB_BYTES);
    if (!slab) return false;
    object_slot *first = q->first;
    for (size_t at = OBJECT_SLAB_BYTES / bytes; at-- > 0;) {
        object_slot *slot = (object_slot *)(slab + at * bytes);
        slot->header = (gm_object){ NULL, OBJECT_DEAD, 0 };
        slot->next = first;
        first = slot;
        if (!q->last) q->last = slot;
        q->n++;
    }
    q->first = first;
    return true;
}

static bool object_never_reuse(void) {
    static int cached = -1;
    if (cached < 0) cached = getenv("GM_DEBUG_HANDLES") != NULL;
    return cached;
}

static object_slot *object_take(int class) {
    size_t bytes = (size_t)(class + 1) * OBJECT_CLASS_BYTES;
    object_queue *q = &object_free[class];
    pthread_mutex_lock(&object_lock);
    bool enough = q->n > OBJECT_QUARANTINE || (q->n && !q->first->header.refs);
    if (!enough && !object_add_slab(q, bytes)) enough = q->n > 0;
    object_slot *slot = q->n ? object_dequeue(q) : NULL;
    pthread_mutex_unlock(&object_lock);
    return slot;
}

void *gm__object_make(const gm_type *type) {
    int class = (int)((type->bytes - 1) / OBJECT_CLASS_BYTES);
    if (class >= OBJECT_CLASSES) {
        gm_fail(GM_ERROR_INTERNAL, "object_new: a %s of %zu bytes is over the limit of %d", type->name, type->bytes,
                OBJECT_CLASSES * OBJECT_CLASS_BYTES);
        return NULL;
    }
    object_slot *slot = gm__allocation_fails() ? NULL : object_take(class);
    if (!slot) {
        gm_fail(GM_ERROR_MEMORY, "out of memory for a %s", type->name);
        return NULL;
    }
    memset(slot, 0, type->bytes);
    slot->header = (gm_object){ type, OBJECT_ALIVE, 1 };
    atomic_fetch_add_explicit(&object_live, 1, memory_order_relaxed);
    return slot;
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

static bool object_is_alive(const gm_object *o) { return o->state == OBJECT_ALIVE; }

void *gm_retain(void *object) {
    gm_object *o = object;
    if (!o || o == GM_END || !object_is_alive(o)) return NULL;
    __atomic_fetch_add(&o->refs, 1, __ATOMIC_RELAXED);
    return o;
}

/* refs is left at 1 in a freed slot: "held an object once", against 0 in a fresh slab. */
static void object_free_slot(gm_object *o) {
    int class = (int)((o->type->bytes - 1) / OBJECT_CLASS_BYTES);
    o->refs = 1;
    o->state = OBJECT_DEAD;
    atomic_fetch_sub_explicit(&object_live, 1, memory_order_relaxed);
    if (object_never_reuse()) return;
    pthread_mutex_lock(&object_lock);
    object_enqueue(&object_free[class], (object_slot *)o);
    pthread_mutex_unlock(&object_lock);
}

void gm_release(void *object) {
    gm_object *o = object;
    if (!o || o == GM_END || !object_is_alive(o)) return;
    if (__atomic_fetch_sub(&o->refs, 1, __ATOMIC_ACQ_REL) != 1) return;
    if (o->type->destroy) o->type->destroy(o);
    object_free_slot(o);
}

bool gm_check_object(const void *object, const gm_type *type, const char *op, int argument) {
    const gm_object *o = object;
    if (__builtin_expect(o && o != GM_END && object_is_alive(o) && o->type == type, 1)) return true;
    if (!o || o == GM_END)
        gm_fail(GM_ERROR_HANDLE, "%s: argument %d is NULL, a %s is needed", op, argument, type->name);
    else if (o->state == OBJECT_DEAD)
        gm_fail(GM_ERROR_HANDLE, "%s: argument %d belongs to a closed scope (keep it with gm_keep)", op, argument);
    else if (object_is_alive(o))
        gm_fail(GM_ERROR_HANDLE, "%s: argument %d is a %s, a %s is needed", op, argument, o->type->name, type->name);
    else gm_fail(GM_ERROR_HANDLE, "%s: argument %d is not a Gemel object", op, argument);
    return false;
}

int64_t gm__n_objects(void) { return object_live; }
