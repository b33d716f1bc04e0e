# The public headers compile alone and together, as C11 and as C++11 to 20, without a warning, with every compiler that
# is here, and for Windows and macOS targets. With GEMEL_STRICT=1 (in CI) a missing compiler is a failure.
set -u
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

check() { # check COMPILER WORDS... FILE
    if "$@" -fsyntax-only -Wall -Wextra -Werror -pedantic -Iinclude 2>"$work/log"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $*" >&2
        cat "$work/log" >&2
    fi
}

missing() {
    echo "not checked: $1 is not installed"
    [ -z "${GEMEL_STRICT-}" ] || failed=$((failed + 1))
}

# each header alone, and all together
for header in include/gemel/*.h; do
    name=$(basename "$header" .h)
    printf '#include <gemel/%s.h>\nint gemel_header_is_here;\n' "$name" >"$work/$name.c"
done
for header in include/gemel/*.h; do printf '#include <gemel/%s>\n' "$(basename "$header")"; done >"$work/together.c"
echo 'int gemel_headers_are_here;' >>"$work/together.c"

for name in $(cat include/gemel/*.h | sed -n 's/^# *include <\([a-z]*\.h\)>.*/\1/p' | sort -u); do
    case $name in
    stdbool.h | stddef.h | stdint.h) ;;
    *) echo "a public header includes <$name>; only stdbool.h, stddef.h and stdint.h are wanted" >&2; failed=$((failed + 1)) ;;
    esac
done

for cc in gcc clang; do
    command -v $cc >/dev/null 2>&1 || { missing $cc; continue; }
    for file in "$work"/*.c; do check $cc -std=c11 "$file"; done
done
for cxx in g++ clang++; do
    command -v $cxx >/dev/null 2>&1 || { missing $cxx; continue; }
    for file in "$work"/*.c; do
        for standard in 11 14 17 20; do check $cxx -std=c++$standard -x c++ "$file"; done
    done
done
if command -v clang >/dev/null 2>&1; then
    for target in x86_64-pc-windows-msvc aarch64-pc-windows-msvc x86_64-apple-darwin arm64-apple-macos11; do
        for file in "$work"/*.c; do
            check clang --target=$target -ffreestanding -std=c11 "$file"
            check clang++ --target=$target -ffreestanding -nostdinc++ -std=c++11 -x c++ "$file"
        done
    done
fi
echo "$passed checks passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
