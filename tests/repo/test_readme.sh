# The README's program, as it stands there: it compiles without a warning, runs on a data set in the form of Fashion-MNIST
# that is made here, leaves what it says it leaves, and leaks nothing.
set -eu
: "${GEMEL_BUILD:=build}" "${CC:=cc}"
here=$(pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0
fault() {
    echo "$*" >&2
    exit 1
}
pass() { passed=$((passed + 1)); }

awk '/^```c( .*)?$/ { on = 1; next } /^```$/ { if (on) exit } on' README.md >"$work/app.c"
lines=$(grep -c . "$work/app.c")
{ [ "$lines" -ge 10 ] && [ "$lines" -le 20 ]; } || fault "the README's program has $lines lines"
pass

# 128 pictures of 28 x 28, k * 78 bright pixels in class k; 32 of them for testing
fill() { printf "%$1s" '' | tr ' ' "$2"; }
for k in 0 1 2 3 4 5 6 7; do
    { [ $k -eq 0 ] || fill $((k * 78)) '\310'; fill $((784 - k * 78)) '\024'; } >"$work/image$k"
    printf "\\00$k" >"$work/label$k"
done
write_set() { # write_set NAME COUNT(in octal, one byte) REPEATS(of 8)
    { printf "\\000\\000\\010\\003\\000\\000\\000$2\\000\\000\\000\\034\\000\\000\\000\\034"
      for i in $(seq "$3"); do cat "$work"/image[0-7]; done; } >"$work/data/$1-images-idx3-ubyte"
    { printf "\\000\\000\\010\\001\\000\\000\\000$2"
      for i in $(seq "$3"); do cat "$work"/label[0-7]; done; } >"$work/data/$1-labels-idx1-ubyte"
}
mkdir "$work/data"
write_set train '\200' 16
write_set t10k '\040' 4
GM_FASHION_MNIST=$work/data GM_THREADS=2
export GM_FASHION_MNIST GM_THREADS

run() { # run PROGRAM: in a directory of its own
    rm -rf "$work/run"
    mkdir "$work/run"
    (cd "$work/run" && "$@" >out 2>err) || fault "the README's program fails: $(cat "$work/run/out" "$work/run/err")"
    [ -s "$work/run/fashion.safetensors" ] || fault "the README's program leaves no model"
    ls "$work"/run/runs/fashion/*tfevents* >/dev/null || fault "the README's program leaves no TensorBoard log"
    passed=$((passed + 3))
}

$CC -std=c11 -Wall -Wextra -Werror -pedantic -I include "$work/app.c" -o "$work/app" -L "$GEMEL_BUILD" -lgemel \
    -Wl,-rpath,"$(cd "$GEMEL_BUILD" && pwd)"
run "$work/app"
[ "$(LC_ALL=C head -c 8 "$work/run/fashion.safetensors" | wc -c)" -eq 8 ] && pass

# With the leak sanitizer's allocator under the static library; a program that does leak shows that it sees.
libs=$(sed -n 's/^Libs.private://p' "$GEMEL_BUILD/gemel.pc")
[ -f "$GEMEL_BUILD/libgemel.a" ] || fault "there is no libgemel.a in $GEMEL_BUILD"
printf '#include <stdlib.h>\nvoid *volatile p;\nint main(void) { p = malloc(9); p = NULL; return 0; }\n' >"$work/leak.c"
if $CC -fsanitize=leak "$work/leak.c" -o "$work/leak" 2>/dev/null && ! "$work/leak" 2>"$work/leaks" &&
    grep -q 'detected memory leaks' "$work/leaks"; then
    $CC -std=c11 -fsanitize=leak -I include "$work/app.c" -o "$work/app_leak" "$GEMEL_BUILD/libgemel.a" $libs -lm -pthread
    run "$work/app_leak"
else
    echo "not checked: the leak sanitizer does not work here"
    [ -z "${GEMEL_STRICT-}" ] || exit 1
fi
cd "$here"
echo "$passed checks passed, 0 failed"
