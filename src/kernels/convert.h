/* convert.h: runs of elements from one data type to another.
 *
 * In blocks: load into the source's domain, cross to the target's, store. Floats become integers by saturation (NaN
 * gives 0), integers become narrower ones by wrapping, anything but zero is true. */
#ifdef GM_KERNEL_DECLARE
GM_KERNEL(void, convert, (const void *from, gm_dtype from_dtype, void *to, gm_dtype to_dtype, int64_t n))
#else


/* ---- loads: every dtype into its domain ---- */

#define CONVERT_LOOP(to_type, from_type, expression)                                                                   \
    do {                                                                                                               \
        const from_type *x = from;                                                                                     \
        to_type *y = to;                                                                                               \
        for (int64_t i = 0; i < n; i++) y[i] = (to_type)(expression);                                                  \
    } while (0);                                                                                                       \
    break

static void GM_K(convert_load)(const void *from, gm_dtype dtype, void *to, int64_t n) {
    switch (dtype) {
    case GM_F16: CONVERT_LOOP(float, uint16_t, GM_K(f16_to_f32)(x[i]));
    case GM_BF16: CONVERT_LOOP(float, uint16_t, GM_K(bf16_to_f32)(x[i]));
    case GM_F8E4M3: CONVERT_LOOP(float, uint8_t, GM_K(f8e4m3_to_f32)(x[i]));
    case GM_F8E5M2: CONVERT_LOOP(float, uint8_t, GM_K(f8e5m2_to_f32)(x[i]));
    case GM_I8: CONVERT_LOOP(int32_t, int8_t, x[i]);
    case GM_I16: CONVERT_LOOP(int32_t, int16_t, x[i]);
    case GM_U8: case GM_BOOL: CONVERT_LOOP(int32_t, uint8_t, x[i]);
    case GM_U16: CONVERT_LOOP(int32_t, uint16_t, x[i]);
    case GM_U32: CONVERT_LOOP(int64_t, uint32_t, x[i]);
    default: memcpy(to, from, (size_t)n * (dtype == GM_F32 || dtype == GM_I32 ? 4 : 8)); break;
    }
}

/* ---- domain to float domain, and float domain to narrow float ---- */

static void GM_K(convert_to_f32)(const void *from, gm_dtype domain, void *to, int64_t n) {
    switch (domain) {
    case GM_F64: CONVERT_LOOP(float, double, x[i]);
    case GM_I32: CONVERT_LOOP(float, int32_t, x[i]);
    case GM_I64: CONVERT_LOOP(float, int64_t, x[i]);
    case GM_U64: CONVERT_LOOP(float, uint64_t, x[i]);
    default: memcpy(to, from, (size_t)n * 4); break;
    }
}

static void GM_K(convert_to_f64)(const void *from, gm_dtype domain, void *to, int64_t n) {
    switch (domain) {
    case GM_F32: CONVERT_LOOP(double, float, x[i]);
    case GM_I32: CONVERT_LOOP(double, int32_t, x[i]);
    case GM_I64: CONVERT_LOOP(double, int64_t, x[i]);
    case GM_U64: CONVERT_LOOP(double, uint64_t, x[i]);
    default: memcpy(to, from, (size_t)n * 8); break;
    }
}

static void GM_K(convert_store_float)(const void *from, void *to, gm_dtype dtype, int64_t n) {
    switch (dtype) {
    case GM_F16: CONVERT_LOOP(uint16_t, float, GM_K(f32_to_f16)(x[i]));
    case GM_BF16: CONVERT_LOOP(uint16_t, float, GM_K(f32_to_bf16)(x[i]));
    case GM_F8E4M3: CONVERT_LOOP(uint8_t, float, GM_K(f32_to_f8e4m3)(x[i]));
    case GM_F8E5M2: CONVERT_LOOP(uint8_t, float, GM_K(f32_to_f8e5m2)(x[i]));
    default: break;
    }
}

/* ---- domain to integers and bool ---- */

#define CONVERT_FLOAT_TO_INT(source, from_name, name)                                                                  \
    static void GM_K(name)(const void *from, void *to, gm_dtype dtype, int64_t n) {                                    \
        switch (dtype) {                                                                                               \
        case GM_I8: CONVERT_LOOP(int8_t, source, GM_K(from_name##_to_i8)(x[i]));                                       \
        case GM_I16: CONVERT_LOOP(int16_t, source, GM_K(from_name##_to_i16)(x[i]));                                    \
        case GM_I32: CONVERT_LOOP(int32_t, source, GM_K(from_name##_to_i32)(x[i]));                                    \
        case GM_I64: CONVERT_LOOP(int64_t, source, GM_K(from_name##_to_i64)(x[i]));                                    \
        case GM_U8: CONVERT_LOOP(uint8_t, source, GM_K(from_name##_to_u8)(x[i]));                                      \
        case GM_U16: CONVERT_LOOP(uint16_t, source, GM_K(from_name##_to_u16)(x[i]));                                   \
        case GM_U32: CONVERT_LOOP(uint32_t, source, GM_K(from_name##_to_u32)(x[i]));                                   \
        case GM_U64: CONVERT_LOOP(uint64_t, source, GM_K(from_name##_to_u64)(x[i]));                                   \
        case GM_BOOL: CONVERT_LOOP(uint8_t, source, x[i] != 0);                                                        \
        default: break;                                                                                                \
        }                                                                                                              \
    }
CONVERT_FLOAT_TO_INT(float, f32, convert_f32_to_int)
CONVERT_FLOAT_TO_INT(double, f64, convert_f64_to_int)

#define CONVERT_INT_TO_INT(source, name)                                                                               \
    static void GM_K(name)(const void *from, void *to, gm_dtype dtype, int64_t n) {                                    \
        switch (dtype) {                                                                                               \
        case GM_I8: case GM_U8: CONVERT_LOOP(uint8_t, source, x[i]);                                                   \
        case GM_I16: case GM_U16: CONVERT_LOOP(uint16_t, source, x[i]);                                                \
        case GM_I32: case GM_U32: CONVERT_LOOP(uint32_t, source, x[i]);                                                \
        case GM_I64: case GM_U64: CONVERT_LOOP(uint64_t, source, x[i]);                                                \
        case GM_BOOL: CONVERT_LOOP(uint8_t, source, x[i] != 0);                                                        \
        default: break;                                                                                                \
        }                                                                                                              \
    }
CONVERT_INT_TO_INT(int32_t, convert_i32_to_int)
CONVERT_INT_TO_INT(int64_t, convert_i64_to_int)

static void GM_K(convert_to_int)(const void *from, gm_dtype domain, void *to, gm_dtype dtype, int64_t n) {
    switch (domain) {
    case GM_F32: GM_K(convert_f32_to_int)(from, to, dtype, n); break;
    case GM_F64: GM_K(convert_f64_to_int)(from, to, dtype, n); break;
    case GM_I32: GM_K(convert_i32_to_int)(from, to, dtype, n); break;
    default: GM_K(convert_i64_to_int)(from, to, dtype, n); break;
    }
}

/* ---- all of it, a block at a time ---- */

enum { GM_K(convert_block_n) = 256 };

static void GM_K(convert_block)(const void *from, gm_dtype from_dtype, void *to, gm_dtype to_dtype, int64_t n) {
    gm_dtype a = gm__domain(from_dtype), b = gm__domain(to_dtype);
    double loaded[GM_K(convert_block_n)], crossed[GM_K(convert_block_n)];
    const void *x = from;
    if (a != from_dtype) {
        GM_K(convert_load)(from, from_dtype, loaded, n);
        x = loaded;
    }
    if (!gm_is_float(to_dtype)) GM_K(convert_to_int)(x, a, to, to_dtype, n);
    else if (b == GM_F64) GM_K(convert_to_f64)(x, a, to, n);
    else if (to_dtype == GM_F32) GM_K(convert_to_f32)(x, a, to, n);
    else {
        GM_K(convert_to_f32)(x, a, crossed, n);
        GM_K(convert_store_float)(crossed, to, to_dtype, n);
    }
}

static void GM_K(convert)(const void *from, gm_dtype from_dtype, void *to, gm_dtype to_dtype, int64_t n) {
    int a = gm__element_bytes(from_dtype), b = gm__element_bytes(to_dtype);
    if (from_dtype == to_dtype) {
        memcpy(to, from, (size_t)n * (size_t)a);
        return;
    }
    for (int64_t i = 0; i < n; i += GM_K(convert_block_n)) {
        int64_t m = n - i < GM_K(convert_block_n) ? n - i : GM_K(convert_block_n);
        GM_K(convert_block)((const char *)from + i * a, from_dtype, (char *)to + i * b, to_dtype, m);
    }
}

#undef CONVERT_LOOP
#undef CONVERT_FLOAT_TO_INT
#undef CONVERT_INT_TO_INT
#endif
