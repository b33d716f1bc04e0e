/* wanted.c: which tape entries lead to values whose gradients are wanted.
 *
 * An entry ran after everything that its inputs were made of, so one look at the entries in order of execution tells
 * for each whether one of its inputs is wanted or leads to what is. */
#include "../math/fp.h"
#include "../base/grow.h"
#include "tape.h"
#include "../base/map.h"

#include <stdlib.h>

/* What the map says of an entry or a leaf: it is in the list; its gradient is needed; its rule has to be called. */
enum { WANTED_SEEN = 1, WANTED_NEEDED = 2, WANTED_LEADS = 4 };

typedef struct { gm_node **items; int64_t n, capacity; } wanted_list;

static intptr_t wanted_mark(const gm__map *marks, const void *key) {
    void **place = key ? gm__map_find(marks, key) : NULL;
    return place ? (intptr_t)*place : 0;
}

static bool wanted_add_mark(gm__map *marks, const void *key, intptr_t mark) {
    void **place = gm__map_at(marks, key);
    if (place) *place = (void *)((intptr_t)*place | mark);
    return place != NULL;
}

static bool wanted_append(wanted_list *l, gm__map *marks, gm_node *node) {
    if (wanted_mark(marks, node) & WANTED_SEEN) return true;
    if (!gm__grow(&l->items, l->n, &l->capacity, sizeof *l->items)) return false;
    l->items[l->n++] = node;
    return wanted_add_mark(marks, node, WANTED_SEEN);
}

static bool wanted_gather(wanted_list *l, gm__map *marks, gm_node *root) {
    if (!wanted_append(l, marks, root)) return false;
    for (int64_t k = 0; k < l->n; k++)
        for (int i = 0; i < l->items[k]->n_in; i++) {
            gm_node *node = l->items[k]->edge[i].node;
            if (node && !wanted_append(l, marks, node)) return false;
        }
    return true;
}

static int wanted_by_sequence(const void *a, const void *b) {
    const gm_node *x = *(gm_node *const *)a, *y = *(gm_node *const *)b;
    return (x->sequence > y->sequence) - (x->sequence < y->sequence);
}

bool gm__edge_is_wanted(const gm__map *marks, const gm__edge *e) {
    return e->needs && wanted_mark(marks, e->node ? (void *)e->node : (void *)e->leaf) & WANTED_NEEDED;
}

bool gm__node_leads(const gm__map *marks, const gm_node *node) { return wanted_mark(marks, node) & WANTED_LEADS; }

static bool wanted_spread(gm__map *marks, const gm_node *node) {
    for (int i = 0; i < node->n_in; i++)
        if (gm__edge_is_wanted(marks, &node->edge[i]))
            return wanted_add_mark(marks, node, WANTED_NEEDED | WANTED_LEADS);
    return true;
}

bool gm__mark_wanted(gm__map *marks, gm_node *root, gm_tensor *const *wanted, int64_t n) {
    wanted_list l = { NULL, 0, 0 };
    bool ok = true;
    for (int64_t k = 0; k < n && ok; k++)
        ok = wanted_add_mark(marks, wanted[k]->node ? (void *)wanted[k]->node : (void *)wanted[k], WANTED_NEEDED);
    ok = ok && (!root || wanted_gather(&l, marks, root));
    if (ok && l.n) qsort(l.items, (size_t)l.n, sizeof *l.items, wanted_by_sequence);
    for (int64_t k = 0; k < l.n && ok; k++) ok = wanted_spread(marks, l.items[k]);
    gm_free(l.items);
    return ok;
}

static bool wanted_is_outside(const gm__edge *e, uint64_t since, gm_tensor *const *own, int64_t n) {
    if (e->node) return e->node->sequence < since && !e->node->used;
    if (!e->leaf) return false;
    if (!own) return e->leaf->storage;
    for (int64_t k = 0; k < n; k++)
        if (own[k] == e->leaf) return false;
    return true;
}

bool gm__tape_leads_out(gm_node *root, uint64_t since, gm_tensor *const *own, int64_t n) {
    wanted_list l = { NULL, 0, 0 };
    gm__map marks = { 0 };
    bool out = root && !root->used && (root->sequence < since || !wanted_append(&l, &marks, root));
    for (int64_t k = 0; k < l.n && !out; k++)
        for (int i = 0; i < l.items[k]->n_in && !l.items[k]->used && !out; i++) {
            const gm__edge *e = &l.items[k]->edge[i];
            out = wanted_is_outside(e, since, own, n) || (e->node && !wanted_append(&l, &marks, e->node));
        }
    gm_free(l.items);
    gm__map_free(&marks);
    return out;
}
