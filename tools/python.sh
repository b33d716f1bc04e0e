#!/bin/sh
# python.sh WORDS...: run Python in the project's virtual environment, .venv (or $GEMEL_VENV), which holds the packages
# of tests/requirements.txt. It is made at the first use and made anew when that file changes. Without words: make it.
set -eu
cd "$(dirname "$0")/.."
venv=${GEMEL_VENV:-.venv}
requirements=${GEMEL_REQUIREMENTS:-tests/requirements.txt}

make_venv() {
    if cmp -s "$requirements" "$venv/made-from"; then return; fi
    echo "Making $venv from $requirements" >&2
    rm -rf "$venv"
    python3 -m venv "$venv" || { echo "python.sh: python3 with venv is needed (Debian: python3-venv)" >&2; return 1; }
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements" >&2 || return 1
    cp "$requirements" "$venv/made-from"
}

if ! cmp -s "$requirements" "$venv/made-from"; then
    mkdir -p "$(dirname "$venv")"
    if command -v flock >/dev/null 2>&1; then exec 8>"$venv.lock" && flock 8; fi
    make_venv
    exec 8>&-
fi
[ $# -gt 0 ] || exit 0
exec "$venv/bin/python" "$@"
