#!/bin/sh
# docs.sh: write docs/api/ from the public headers: a page per header and an index of every name.
set -eu
LC_ALL=C
export LC_ALL
cd "$(dirname "$0")/.."
out=docs/api
rm -rf $out
mkdir -p $out
for header in include/gemel/*.h; do
    name=$(basename "$header" .h)
    awk -v index_file=$out/names -f tools/docs/api.awk "$header" >"$out/$name.md"
done
{
    echo "# The interface, by name"
    echo
    echo "One page per header:"
    for page in $out/*.md; do
        name=$(basename "$page" .md)
        echo "[$name.h]($name.md)"
    done
    echo
    sort -u $out/names | awk -F '\t' '{ printf "- [`%s`](%s.md#%s)\n", $1, $2, tolower($3) }'
} >$out/README.md
n=$(sort -u $out/names | wc -l)
rm -f $out/names
echo "Wrote $out: $n names"
