"""The values that the tests compare with are still those of PyTorch, Pillow and NumPy as they are installed here: every
tests/*/record_*.py runs again in a copy of the tests, and what it writes is compared with what is committed. Numbers may
differ by 1e-5, relative to the largest of their line: PyTorch's own order of summation changes between machines."""
import glob
import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def number(word):
    try:
        return float.fromhex(word) if "0x" in word else float(word)
    except ValueError:
        return None


def lines_agree(a, b):
    """Words are equal, or numbers that lie close together."""
    a, b = a.replace(",", " ").split(), b.replace(",", " ").split()
    if len(a) != len(b):
        return False
    sizes = [abs(number(w)) for w in a if number(w) is not None and abs(number(w)) < 1e300]
    bound = 1e-5 * max(sizes, default=0)
    for u, v in zip(a, b):
        x, y = number(u), number(v)
        if u != v and (x is None or y is None or not abs(x - y) <= bound):
            return False
    return True


def difference(old, new):
    with open(old, "rb") as f, open(new, "rb") as g:
        a, b = f.read(), g.read()
    if a == b:
        return None
    try:
        a, b = a.decode().splitlines(), b.decode().splitlines()
    except UnicodeDecodeError:
        return "other bytes"
    if len(a) != len(b):
        return "%d lines instead of %d" % (len(b), len(a))
    bad = [i for i, (u, v) in enumerate(zip(a, b)) if not lines_agree(u, v)]
    return "line %d: %.80s instead of %.80s" % (bad[0] + 1, b[bad[0]], a[bad[0]]) if bad else None


def run(script, copy):
    """How many files the script wrote; complaints."""
    before = {p: os.stat(p).st_mtime_ns for p in glob.glob(copy + "/tests/**/*", recursive=True) if os.path.isfile(p)}
    done = subprocess.run([sys.executable, script], cwd=copy, capture_output=True, text=True)
    if done.returncode:
        return 0, [done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "exit %d" % done.returncode]
    written, bad = 0, []
    for path in glob.glob(copy + "/tests/**/*", recursive=True):
        if not os.path.isfile(path) or "__pycache__" in path or before.get(path) == os.stat(path).st_mtime_ns:
            continue
        written += 1
        committed = os.path.join(ROOT, os.path.relpath(path, copy))
        what = difference(committed, path) if os.path.exists(committed) else "not committed"
        if what:
            bad.append("%s: %s" % (os.path.relpath(path, copy), what))
    return written, bad or ([] if written else ["wrote nothing"])


def main():
    failed = 0
    with tempfile.TemporaryDirectory() as copy:
        shutil.copytree(os.path.join(ROOT, "tests"), copy + "/tests", ignore=shutil.ignore_patterns("fuzz"))
        scripts = sorted(glob.glob(copy + "/tests/*/record_*.py"))
        for script in scripts:
            written, bad = run(script, copy)
            failed += bool(bad)
            print("%-36s %3d files, %s" % (os.path.relpath(script, copy), written, "; ".join(bad) or "as committed"))
    print("%d passed, %d failed" % (len(scripts) - failed, failed))
    return failed > 0 or not scripts


sys.exit(main())
