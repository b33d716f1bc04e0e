# check.sh: what the scripts that try the command share; sourced from the root. It makes $work, which goes away at the
# end. A script ends with `done_checking`.
: "${GEMEL:=./gemel}"
failed=0
passed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

pass() { passed=$((passed + 1)); }
fault() {
    echo "$*" >&2
    cat "$work/out" "$work/err" >&2
    failed=$((failed + 1))
}
check() { if eval "$1"; then pass; else fault "not true: $1"; fi; }
expect() { # expect CODE STREAM PATTERN words...: exit code, and a line of out or err that matches
    code=$1 stream=$2 pattern=$3
    shift 3
    "$GEMEL" "$@" >"$work/out" 2>"$work/err" </dev/null
    got=$?
    if [ $got -eq "$code" ] && grep -q -- "$pattern" "$work/$stream"; then pass; else
        fault "gemel $*: exit $got, wanted $code and \"$pattern\" on $stream"
    fi
}
done_checking() {
    echo "$passed checks passed, $failed failed"
    [ $failed -eq 0 ]
}
