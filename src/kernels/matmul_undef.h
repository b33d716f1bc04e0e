/* matmul_undef.h: forget the words that matmul_tile.h and matvec.h were told. */
#undef MM
#undef MM_T
#undef MM_V
#undef MM_VN
#undef MM_LOAD
#undef MM_STORE
#undef MM_SPLAT
#undef MM_VFMA
#undef MM_FMA
#undef MM_TRANSPOSE
#undef MM_NR
#undef MM_NC
#undef MM_MIN
