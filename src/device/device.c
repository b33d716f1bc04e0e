/* device.c: devices by their names. */
#include "../math/fp.h"
#include "device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const gm__device_kind *const device_kinds[] = { &gm__device_null, &gm__device_opencl };

static void device_destroy(void *object) {
    gm__device *d = object;
    if (d->env) d->kind->close(d);
}

static const gm_type device_type = { "device", sizeof(gm__device), device_destroy };

gm__device *gm__device_open_kind(const gm__device_kind *kind, int number) {
    gm__device *d = gm_object_new(&device_type);
    if (!d) return NULL;
    d->kind = kind;
    snprintf(d->label, sizeof d->label, "%s", kind->name);
    return kind->open(d, number) ? d : NULL;
}

/* The number behind "opencl:", 0 if there is none, -1 for anything else. */
static int device_number(const char *rest) {
    char *end;
    if (!*rest) return 0;
    long n = rest[0] == ':' && rest[1] >= '0' && rest[1] <= '9' ? strtol(rest + 1, &end, 10) : -1;
    return n < 0 || n > 1000 || *end ? -1 : (int)n;
}

gm__device *gm__device_open(const char *name) {
    if (!gm_ok()) return NULL;
    for (size_t i = 0; name && i < sizeof device_kinds / sizeof *device_kinds; i++) {
        size_t n = strlen(device_kinds[i]->name);
        if (strncmp(name, device_kinds[i]->name, n)) continue;
        int number = device_number(name + n);
        if (number >= 0) return gm__device_open_kind(device_kinds[i], number);
    }
    gm_fail(GM_ERROR_VALUE, "device: there is no \"%.100s\": cpu, null, opencl, opencl:1 ...", name ? name : "(NULL)");
    return NULL;
}
