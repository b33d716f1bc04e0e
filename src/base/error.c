/* error.c: the pending error of a thread. The first one is kept: later ones are its consequences. */
#include "../math/fp.h"
#include "context.h"
#include "scope.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

gm_error gm_error_code(void) { return gm__context()->error; }
bool gm_ok(void) { return !gm__context()->error; }

const char *gm_error_message(void) {
    gm_context *c = gm__context();
    c->error_seen = true;
    return c->error ? c->message : "";
}

const char *gm_error_name(gm_error code) {
    switch (code) {
    case GM_OK: return "OK";
#define ERROR_NAME(name, number, text) case number: return #name;
        GM_ERROR_CODES(ERROR_NAME)
#undef ERROR_NAME
    default: return "UNKNOWN";
    }
}

void gm_error_clear(void) {
    gm_context *c = gm__context();
    c->error = GM_OK;
    c->error_seen = false;
    c->message[0] = 0;
}

/* An error nobody looked at is told once, when the process ends. */
static void error_at_exit(void) {
    gm_context *c = gm__context();
    if (c->error && !c->error_seen) gm_log_line(GM_LOG_ERROR, "%s: %s", gm_error_name(c->error), c->message);
}

static void error_register(void) { atexit(error_at_exit); }

bool gm_fail(gm_error code, const char *format, ...) {
    gm_context *c = gm__context();
    if (c->error) return false;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(c->message, sizeof c->message, format, args);
    va_end(args);
    if (c->where_length && n >= 0 && n < (int)sizeof c->message - 8)
        snprintf(c->message + n, sizeof c->message - (size_t)n, " (in %s)", c->where);
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, error_register);
    c->error_seen = false;
    c->error = code ? code : GM_ERROR_INTERNAL;
    return false;
}

int gm_exit_status(void) {
    gm_context *c = gm__context();
    gm__owned_release(&c->owned, 0);
    if (!c->error) return 0;
    if (!c->error_seen) gm_log_line(GM_LOG_ERROR, "%s: %s", gm_error_name(c->error), c->message);
    c->error_seen = true;
    return 1;
}
