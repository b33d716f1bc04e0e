# tools/gdb/gemel.py shows tensors, shapes and packs. The library is compiled once more for it, with debug information,
# so this runs in CI only (GEMEL_STRICT=1).
set -eu
[ -n "${GEMEL_STRICT-}" ] || { echo "not run: set GEMEL_STRICT=1"; exit 0; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/app.c" <<'END'
#include <gemel/tensor.h>
int main(void) {
    const float values[] = { 1, 2.5f, -3, 4, 5, 6 };
    const int32_t integers[30] = { 7, 8 };
    gm_shape shape = GM_SHAPE(2, 3);
    gm_tensor *t = gm_from_data(shape, GM_F32, values), *many = gm_from_data(GM_SHAPE(30), GM_I32, integers);
    gm_pack *pack = gm_pack_new();
    gm_pack_set(pack, "weight", t);
    gm_pack_set(pack, "index", many);
    return gm_exit_status();
}
END
${CC:-cc} -g -O0 -Iinclude -Isrc "$work/app.c" src/all.c -o "$work/app" -lm -lpthread
gdb -q -nx -batch -ex 'source tools/gdb/gemel.py' -ex 'break gm_exit_status' -ex run -ex up -ex 'print t' -ex 'print *many' \
    -ex 'print pack' -ex 'print shape' "$work/app" >"$work/out" 2>&1
wanted() { grep -qF "$1" "$work/out" || { echo "gdb does not print: $1" >&2; cat "$work/out" >&2; exit 1; }; }
wanted '$1 = f32 [2, 3] {1, 2.5, -3, 4, 5, 6}'
wanted '$2 = i32 [30] {7, 8, 0,'
wanted ', ...}'
wanted '$3 = gm_pack of 2 = {weight = f32 [2, 3], index = i32 [30]}'
wanted '$4 = [2, 3]'
echo "5 checks passed, 0 failed"
