/* proto.c: the wire format of protocol buffers, writing side.
 *
 * A nested message's length comes before its content and takes as many bytes as it needs, so the content is written
 * first and moved up when its length is known. Messages here are small, or hold one large field at their end; moving
 * costs less than a second pass to measure, and the bytes are those that Google's library writes. */
#include "../math/fp.h"
#include "proto.h"

#include <string.h>

enum { PROTO_VARINT = 0, PROTO_FIXED64 = 1, PROTO_LENGTH = 2, PROTO_FIXED32 = 5 };

static int proto_varint_bytes(uint8_t out[10], uint64_t v) {
    int n = 0;
    for (; v >= 128; v >>= 7) out[n++] = (uint8_t)(v | 128);
    out[n++] = (uint8_t)v;
    return n;
}

static void proto_varint(gm__builder *p, uint64_t v) {
    uint8_t bytes[10];
    gm__builder_bytes(p, bytes, (size_t)proto_varint_bytes(bytes, v));
}

static void proto_key(gm__builder *p, int field, int wire) { proto_varint(p, (uint64_t)field << 3 | (uint64_t)wire); }

static void proto_fixed(gm__builder *p, uint64_t bits, int n) {
    uint8_t bytes[8];
    for (int i = 0; i < n; i++) bytes[i] = (uint8_t)(bits >> 8 * i);
    gm__builder_bytes(p, bytes, (size_t)n);
}

static void proto_fixed_double(gm__builder *p, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    proto_fixed(p, bits, 8);
}

void gm__proto_int(gm__builder *p, int field, int64_t value) {
    if (!value) return;
    proto_key(p, field, PROTO_VARINT);
    proto_varint(p, (uint64_t)value);
}

void gm__proto_bool(gm__builder *p, int field, bool value) {
    proto_key(p, field, PROTO_VARINT);
    proto_varint(p, value);
}

void gm__proto_float(gm__builder *p, int field, float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    proto_key(p, field, PROTO_FIXED32);
    proto_fixed(p, bits, 4);
}

void gm__proto_double(gm__builder *p, int field, double value) {
    proto_key(p, field, PROTO_FIXED64);
    proto_fixed_double(p, value);
}

void gm__proto_doubles(gm__builder *p, int field, const double *values, size_t n) {
    proto_key(p, field, PROTO_LENGTH);
    proto_varint(p, 8 * (uint64_t)n);
    for (size_t i = 0; i < n; i++) proto_fixed_double(p, values[i]);
}

void gm__proto_bytes(gm__builder *p, int field, const void *bytes, size_t n) {
    proto_key(p, field, PROTO_LENGTH);
    proto_varint(p, n);
    gm__builder_bytes(p, bytes, n);
}

void gm__proto_text(gm__builder *p, int field, const char *text) {
    if (!text) return;
    size_t mark = gm__proto_open(p, field);
    gm__builder_utf8(p, text);
    gm__proto_close(p, mark);
}

size_t gm__proto_open(gm__builder *p, int field) {
    proto_key(p, field, PROTO_LENGTH);
    return p->n;
}

void gm__proto_close(gm__builder *p, size_t mark) {
    if (p->failed) return;
    uint8_t length[10];
    size_t content = p->n - mark, n = (size_t)proto_varint_bytes(length, content);
    gm__builder_bytes(p, length, n); /* makes the room */
    if (p->failed) return;
    memmove(p->text + mark + n, p->text + mark, content);
    memcpy(p->text + mark, length, n);
}
