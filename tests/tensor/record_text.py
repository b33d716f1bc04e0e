"""Writes text.txt beside it: arrays and how NumPy prints them, for test_print.c. Run by hand after a change here.

A case is a line "DTYPE [SIZES] DATA", DATA being the elements' bytes in hexadecimal,
    repeated as often as the array needs,
or "iota" for 0, 1, 2 ...; then the lines of the text, each behind "|"."""

import os

import numpy as np

SHORT = {"float32": "f32", "float64": "f64", "int8": "i8", "int16": "i16", "int32": "i32", "int64": "i64",
         "uint8": "u8", "uint16": "u16", "uint32": "u32", "uint64": "u64", "bool": "bool"}
CASES = []


def case(array, data=None):
    array = np.asarray(array)
    sizes = ", ".join(map(str, array.shape))
    text = "".join("|%s\n" % line for line in str(array).split("\n"))
    CASES.append("%s [%s] %s\n%s" % (SHORT[array.dtype.name], sizes, data or array.tobytes().hex() or "00", text))


def iota(shape, dtype):
    case(np.arange(np.prod(shape)).astype(dtype).reshape(shape), "iota")


def tiled(values, shape, dtype):
    pattern = np.array(values, dtype)
    case(np.resize(pattern, shape), pattern.tobytes().hex())


def floats(dtype):
    f = np.dtype(dtype).type
    for row in [[0], [0, 1, 2], [-0.0, 0.0], [1.5, 2.25, -3], [0.1, 0.2, 0.3], [1 / 3, 2 / 3], [1e-4, 1], [9.9e-5, 1],
        [1, 1000],
                [1, 1000.1], [0.5, 499], [1e5], [1e6], [999999], [1e7, 3e7], [1e8], [99999999.0], [1e-5], [1e10, 1],
                    [1e300, 1],
                [1e38, 1e-38], [np.nan], [np.nan, 1], [np.inf, 1], [-np.inf, 1], [np.nan, np.inf, -np.inf], [np.inf,
                    1e10],
                [-np.inf, -1e-10], [np.nan, 0.5, 100], [-1, 1], [-1.5, 22.125], [123456.789], [0.123456789123, 1],
                [0.999999999, 1], [0.9999999949], [1.000000005], [2.5e-9, 0], [0.00012345678912], [1e-4],
                [1234.5678, 99.99], [16777216, 1], [1e15, 1e15], [2 ** -10, 2 ** -9], [1e-7, 0], [0.1 + 0.2], [7e-45,
                    1e-40]]:
        with np.errstate(over="ignore"):
            case(np.array(row, dtype))
    rng = np.random.default_rng(7)
    for i in range(60):
        n = int(rng.integers(1, 7))
        case((rng.standard_normal(n) * 10.0 ** rng.integers(-4, 8)).astype(dtype))
    for i in range(60):
        bits = rng.integers(0, 2 ** 32, 3 * np.dtype(dtype).itemsize // 4, dtype=np.uint32)
        case(bits.view(dtype))
    for i in range(40):
        case((rng.integers(-1000, 1000, 5) / rng.choice([2, 8, 10, 64, 100])).astype(dtype))
    case(np.ldexp(f(1), np.arange(-30, 30, 7)).astype(dtype))
    for value in [0, -0.0, 1, -1.5, 1 / 3, 0.1, 1e15, 1e16, 123456789.0, 9.99e15, 1e-4, 9.9e-5, 1e22, 1e-30, np.nan,
        np.inf,
                  -np.inf, 1e100, 5e-324, 1.17549435e-38, 16777217, 2.0 ** -44]:
        with np.errstate(over="ignore"):
            case(np.array(value, dtype))
    tiled([1.5, -2.25, 1e-3], (4, 5), dtype)
    tiled([0.1, 20, 300], (2, 3, 4), dtype)
    tiled([1, 2.5, np.nan], (40,), dtype)
    tiled([1 / 3, 2 / 3, 1], (3, 11), dtype)
    tiled([1e-10, 12345], (2, 30), dtype)
    tiled([0.5, 0.25], (1200,), dtype)
    tiled([0.5, 1e9, 3], (30, 50), dtype)
    iota((1001,), dtype)
    iota((1000,), dtype)
    iota((10, 10, 11), dtype)
    iota((2, 600), dtype)
    iota((600, 2), dtype)
    iota((1500, 1), dtype)
    iota((1, 1, 1, 1500), dtype)
    case(np.zeros((0,), dtype))
    case(np.zeros((3, 0, 2), dtype))


def integers(dtype):
    info = np.iinfo(dtype)
    case(np.array([info.min, info.max], dtype))
    case(np.array(info.max, dtype))
    case(np.array([[1, 20], [100, 3]], dtype))
    case(np.array([0], dtype))
    case(np.arange(24).astype(dtype).reshape(2, 3, 4))
    tiled([1, 100, 7], (50,), dtype)
    tiled([5, 6, 77, info.max], (13, 90), dtype)
    tiled([1, 2, 3], (8, 8, 20), dtype)
    case(np.zeros((2, 0), dtype))


def booleans():
    case(np.array(True))
    case(np.array([True, False, True]))
    tiled([True, False], (3, 30), bool)
    tiled([True, False, False], (1001,), bool)
    case(np.zeros((2, 2), bool))


for name in ("float32", "float64"):
    floats(name)
for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"):
    integers(name)
booleans()
for shape in [(2, 2, 2, 2), (1, 2, 1, 3, 1), (7, 1, 200), (101, 5, 2)]:
    iota(shape, "int64")
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "text.txt"), "w") as out:
    out.write("# NumPy %s; written by record_text.py\n" % np.__version__)
    out.write("".join(CASES))
