# The programs in the documents compile without a warning and do what they say. A block opened by
#     ```c ok            exits with 0;
#     ```c fails: CODE   exits with 1 and reports that error;
#     ```c compiles      is compiled and linked only (it needs data, or minutes).
# Every error code has a page with one that fails with it and one that is right.
set -u
: "${GEMEL_BUILD:=build}" "${CC:=cc}"
here=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0
fault() { echo "$*" >&2; failed=$((failed + 1)); }

run_block() { # run_block NAME KIND
    if ! $CC -std=c11 -Wall -Wextra -Werror -pedantic -I"$here/include" "$work/$1.c" -o "$work/$1" -L"$GEMEL_BUILD" -lgemel \
        -Wl,-rpath,"$GEMEL_BUILD" 2>"$work/err"; then
        fault "$1 does not compile:"
        cat "$work/err" >&2
        return
    fi
    [ "$2" = compiles ] && { passed=$((passed + 1)); return; }
    (cd "$work" && "./$1") >"$work/out" 2>"$work/err" </dev/null
    code=$?
    case $2 in
    ok) [ $code -eq 0 ] || { fault "$1 exits with $code: $(cat "$work/err")"; return; } ;;
    *) [ $code -eq 1 ] && grep -q "$2: " "$work/err" || { fault "$1 exits with $code, wanted $2: $(cat "$work/err")"; return; } ;;
    esac
    passed=$((passed + 1))
}

for page in README.md docs/*.md docs/errors/*.md; do
    name=$(echo "$page" | tr '/.' '__')
    awk -v out="$work/$name" '
        /^```c (ok|fails: [A-Z]+|compiles)$/ { n++; kind = $0; sub(/^```c (fails: )?/, "", kind); print out, n, kind; inside = 1; next }
        /^```/ { inside = 0 }
        inside { print >(out "_" n ".c") }
    ' "$page" >"$work/blocks"
    while read -r base n kind; do run_block "$(basename "$base")_$n" "$kind"; done <"$work/blocks"
done

for code in $(sed -n 's/^    X(\([A-Z]*\), [0-9]*, ".*/\1/p' include/gemel/base.h); do
    page=docs/errors/$code.md
    [ -f "$page" ] || { fault "$page is missing"; continue; }
    grep -q '^```c ok$' "$page" || fault "$page has no program that is right"
    [ "$code" = INTERNAL ] || grep -q "^\`\`\`c fails: $code\$" "$page" || fault "$page has no program that fails with $code"
    grep -q "^| \[$code\]($code.md) |" docs/errors/README.md || fault "docs/errors/README.md does not list $code"
done
echo "$passed checks passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
