/* isa_end.h: close the region that isa_begin.h opened. */

#if GM_ISA_AVX512 || GM_ISA_AVX2
#  if defined(__clang__)
#    pragma clang attribute pop
#  else
#    pragma GCC pop_options
#  endif
#endif
#if !GM_ISA_AVX512 && !GM_ISA_AVX2 && !GM_ISA_NEON && defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__)
#  pragma GCC pop_options
#endif
#undef GM_ISA
#undef GM_OTHER_TYPES
#undef GM_VBYTES
#undef GM_HAS_FMA
#undef GM_VF
#undef GM_VD
#undef gm_ziplo
#undef gm_ziphi
#undef gm_ziplod
#undef gm_ziphid
#undef gm_vturn
#undef gm_vturnd
