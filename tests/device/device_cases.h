/* device_cases.h: what tests of devices share: a device to test with, and results on it against those of the CPU. */
#ifndef DEVICE_CASES_H
#define DEVICE_CASES_H

#include "../ops/op_cases.h"
#include "device/device.h"

#include <sys/wait.h>
#include <unistd.h>

/* For the leak sanitizer: PoCL (3.1) keeps a few hundred bytes of each program that its compiler builds. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) { return "leak:libpocl.so\n"; }

/* Drivers may end the process where they do not like a machine: PoCL (3.1) does without /sys, as in a bare chroot. So a
 * child asks first. */
static inline bool device_survives(void) {
    int status = 0;
    pid_t child = fork();
    if (!child) {
        gm__device_open("opencl");
        _exit(0);
    }
    return child < 0 || (waitpid(child, &status, 0) == child && WIFEXITED(status));
}

/* True if there is an OpenCL device that programs may be run on; said loudly, where there is none. */
static inline bool device_present(void) {
    if (!device_survives()) {
        printf("SKIPPED: the OpenCL driver ends processes on this machine\n");
        CHECK(access("/sys/devices/system/cpu", F_OK) || !getenv("GEMEL_STRICT"), "an OpenCL device must be there");
        return false;
    }
    gm_scope s = gm_scope_open();
    gm__device *d = gm__device_open("opencl");
    if (d) printf("%s\n", d->label);
    else printf("SKIPPED: %s\n", gm_error_message());
    CHECK(d || gm_error_code() == GM_ERROR_UNSUPPORTED);
    CHECK(d || !getenv("GEMEL_STRICT"), "an OpenCL device must be there");
    gm_error_clear();
    gm_scope_close(&s);
    return d != NULL;
}

/* The outputs of two packs are the same, but for what a NaN is made of. */
static inline void device_same(gm_pack *a, gm_pack *b, const char *what) {
    CHECK(a && b, "%s: %s", what, gm_error_message());
    gm_error_clear();
    for (int64_t i = 0; a && b && i < gm_pack_count(b); i++)
        CHECK(case_same_bits(gm_pack_at(a, i), gm_pack_at(b, i)), "%s: output %s", what, gm_pack_name(b, i));
}

#endif
