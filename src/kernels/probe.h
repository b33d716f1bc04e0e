/* probe.h: the contraction probe. The contract holds only if the compiler did not fuse x * y + z. */
#ifdef GM_KERNEL_DECLARE
GM_KERNEL(float, probe_muladd, (float x, float y, float z))
#else
static float GM_K(probe_muladd)(float x, float y, float z) { return x * y + z; }
#endif
