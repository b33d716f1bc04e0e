/* about.c: what this build is and has. */
#include "../math/fp.h"
#include "gemel/base.h"

const char *gm_version(void) {
#define ABOUT_TEXT2(a) #a
#define ABOUT_TEXT(a) ABOUT_TEXT2(a)
    return ABOUT_TEXT(GM_VERSION_MAJOR) "." ABOUT_TEXT(GM_VERSION_MINOR) "." ABOUT_TEXT(GM_VERSION_PATCH);
}

static const struct { const char *name; bool present; } about_features[] = {
#ifdef GM_HAVE_ZLIB
    { "zlib", true },
#else
    { "zlib", false },
#endif
#ifdef GM_HAVE_JPEG
    { "libjpeg", true },
#else
    { "libjpeg", false },
#endif
#ifdef GM_HAVE_PNG
    { "libpng", true },
#else
    { "libpng", false },
#endif
#ifdef GM_HAVE_OPENCL
    { "opencl", true },
#else
    { "opencl", false },
#endif
};

bool gm_feature(int index, const char **name, bool *present) {
    if (index < 0 || index >= (int)(sizeof about_features / sizeof *about_features)) return false;
    if (name) *name = about_features[index].name;
    if (present) *present = about_features[index].present;
    return true;
}

