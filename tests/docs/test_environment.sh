# docs/environment.md lists exactly the GM_ variables that the library and the command read.
set -eu
LC_ALL=C
export LC_ALL
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
find src tools/gemel -name '*.[ch]' ! -name all.c | xargs grep -hoE '[a-z_]*env[a-z_]*\("GM_[A-Z0-9_]+"' |
    sed 's/.*"\(.*\)"/\1/' | sort -u >"$work/read"
sed -n 's/^| `\(GM_[A-Z0-9_]*\)`.*/\1/p' docs/environment.md | sort -u >"$work/told"
if ! diff "$work/read" "$work/told" >"$work/diff"; then
    echo "read by the sources (<) and listed in docs/environment.md (>) differ:" >&2
    cat "$work/diff" >&2
    exit 1
fi
echo "$(wc -l <"$work/read") checks passed, 0 failed"
