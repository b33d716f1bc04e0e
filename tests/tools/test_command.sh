# The command line of `gemel`: results, exit codes, suggestions, streams.
set -u
. tests/tools/check.sh

expect 0 out '^gemel [0-9]*\.[0-9]*\.[0-9]*$' version
expect 0 out '^gemel [0-9]' --version
expect 0 out '^zlib  *\(yes\|no\)$' version --features
expect 0 out '^{"version": "[0-9.]*", "isa": "[a-z0-9]*", "features": {.*"zlib": \(true\|false\).*}}$' version --json
expect 0 out '^usage: gemel version' version --help
expect 0 out '^usage: gemel version' help version
expect 0 out '^  version ' --help
expect 0 out '^  version ' help
expect 2 err '^  version '
expect 2 err 'did you mean "version"' vesrion
expect 2 err 'did you mean "version"' help versoin
expect 2 err 'unknown command "zzzzzzzz"$' zzzzzzzz
expect 2 err 'did you mean --features' version --feature
expect 2 err 'did you mean --json' version --jsno
expect 2 err 'takes no value' version --json=1
expect 2 err 'unexpected argument "x"' version x
expect 2 err 'unknown flag -x' version -x

# every command explains itself, on standard output
for name in $(sed -n 's/^COMMAND(\(.*\))$/\1/p' tools/gemel/commands.def); do
    expect 0 out "^usage: gemel $name" "$name" --help
    expect 2 err 'unknown flag --no-such-flag' "$name" --no-such-flag
done

# silence is not for errors
GM_LOG=0
export GM_LOG
expect 1 err '^gemel: error: IO: .*no-such-file' inspect "$work/no-such-file"
unset GM_LOG

# a result that cannot be written is a failure
if [ -e /dev/full ]; then
    "$GEMEL" version >/dev/full 2>"$work/err"
    [ $? -eq 1 ] && grep -q 'standard output' "$work/err" && passed=$((passed + 1)) || failed=$((failed + 1))
fi
done_checking
