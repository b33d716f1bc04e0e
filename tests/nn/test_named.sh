# Every layer of the public headers is used by a test of this room, by its name.
set -u
passed=0
failed=0
for name in $(cat include/gemel/nn/*.h | sed -n 's/^GM_API gm_module \*\(gm_[a-z0-9_]*\)(.*/\1/p' | sed 's/_with$//; s/^gm_sequential_list$/gm_sequential/' | sort -u); do
    if grep -q "[^a-z0-9_]$name[ (]" tests/nn/test_*.c; then passed=$((passed + 1)); else
        echo "no test in tests/nn uses $name" >&2
        failed=$((failed + 1))
    fi
done
echo "$passed checks passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 60 ]
