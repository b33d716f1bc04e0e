/* map.c: pointers to pointers. */
#include "../math/fp.h"
#include "map.h"

static int64_t map_slot(const gm__map *m, const void *key) {
    uint64_t h = (uint64_t)(uintptr_t)key * 0x9e3779b97f4a7c15u;
    int64_t i = (int64_t)(h >> 20) & (m->capacity - 1);
    while (m->keys[i] && m->keys[i] != key) i = (i + 1) & (m->capacity - 1);
    return i;
}

void **gm__map_find(const gm__map *m, const void *key) {
    if (!m->n) return NULL;
    int64_t i = map_slot(m, key);
    return m->keys[i] ? &m->values[i] : NULL;
}

static bool map_grow(gm__map *m) {
    gm__map big = { .n = m->n, .capacity = m->capacity ? 2 * m->capacity : 16 };
    big.keys = gm_alloc((size_t)big.capacity * sizeof *big.keys);
    big.values = gm_alloc((size_t)big.capacity * sizeof *big.values);
    if (!big.keys || !big.values) {
        gm__map_free(&big);
        return false;
    }
    for (int64_t i = 0; i < m->capacity; i++) {
        if (!m->keys[i]) continue;
        int64_t j = map_slot(&big, m->keys[i]);
        big.keys[j] = m->keys[i], big.values[j] = m->values[i];
    }
    gm__map_free(m);
    *m = big;
    return true;
}

void **gm__map_at(gm__map *m, const void *key) {
    if (2 * (m->n + 1) > m->capacity && !map_grow(m)) return NULL;
    int64_t i = map_slot(m, key);
    if (!m->keys[i]) {
        m->keys[i] = key;
        m->n++;
    }
    return &m->values[i];
}

void gm__map_free(gm__map *m) {
    gm_free(m->keys);
    gm_free(m->values);
    *m = (gm__map){ 0 };
}
