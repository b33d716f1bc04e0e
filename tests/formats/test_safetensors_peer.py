"""Gemel's safetensors files and those of the safetensors package: each reads the other's, and the bytes are the same."""

import ctypes
import os
import tempfile
import unittest

import numpy as np
import safetensors
import safetensors.numpy

DTYPES = {"float32": 1, "float64": 2, "float16": 3, "int8": 5, "int16": 6, "int32": 7, "int64": 8, "uint8": 9,
          "uint16": 10, "uint32": 11, "uint64": 12, "bool": 13}


class Shape(ctypes.Structure):
    _fields_ = [("n", ctypes.c_int32), ("reserved", ctypes.c_int32), ("d", ctypes.c_int64 * 16)]


def load_library():
    lib = ctypes.CDLL(os.path.join(os.environ.get("GEMEL_BUILD", "build"), "libgemel.so"))
    pointer, text = ctypes.c_void_p, ctypes.c_char_p
    for name, result, arguments in [
            ("gm_error_message", text, []), ("gm_pack_new", pointer, []),
                ("gm_from_data", pointer, [Shape, ctypes.c_int32, pointer]),
            ("gm_pack_set", ctypes.c_bool, [pointer, text, pointer]), ("gm_pack_count", ctypes.c_int64, [pointer]),
            ("gm_pack_set_text", ctypes.c_bool, [pointer, text, text]), ("gm_get_text", text, [pointer, text]),
            ("gm_pack_name", text, [pointer, ctypes.c_int64]), ("gm_pack_at", pointer, [pointer, ctypes.c_int64]),
            ("gm_shape_of", Shape, [pointer]), ("gm_dtype_of", ctypes.c_int32, [pointer]),
                ("gm_data", pointer, [pointer]),
            ("gm_load_safetensors_with", pointer, [text, pointer]), ("gm_safetensors_metadata", pointer, [text]),
            ("gm_save_safetensors", ctypes.c_bool, [pointer, pointer, text])]:
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    return lib


GM = load_library()


def pack_of(arrays):
    pack = GM.gm_pack_new()
    for name, array in arrays.items():
        shape = Shape(array.ndim, 0, (ctypes.c_int64 * 16)(*array.shape))
        data = np.ascontiguousarray(array).ctypes.data
        assert GM.gm_pack_set(pack, name.encode(), GM.gm_from_data(shape, DTYPES[array.dtype.name], data))
    return pack


def arrays_of(pack):
    names = {number: name for name, number in DTYPES.items()}
    arrays = {}
    for i in range(GM.gm_pack_count(pack)):
        t = GM.gm_pack_at(pack, i)
        shape, dtype = GM.gm_shape_of(t), np.dtype(names[GM.gm_dtype_of(t)])
        sizes = tuple(shape.d[:shape.n])
        n = int(np.prod(sizes)) * dtype.itemsize
        array = np.frombuffer(ctypes.string_at(GM.gm_data(t), n), dtype).reshape(sizes)
        arrays[GM.gm_pack_name(pack, i).decode()] = array
    return arrays


def samples():
    rng = np.random.default_rng(1)
    arrays = {}
    for i, name in enumerate(DTYPES):
        values = rng.integers(0, 2 if name == "bool" else 100, size=(i + 1, 3))
        arrays["layer.%d.%s" % (i, name)] = values.astype(name)
    arrays["scalar"] = np.array(2.5, np.float32)
    arrays["empty"] = np.zeros((0, 4), np.float64)
    arrays["caf\u00e9 \"quoted\"\n\U0001f600"] = np.arange(5, dtype=np.uint8)
    return arrays


class Safetensors(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.ours, self.theirs = (os.path.join(self.dir.name, name) for name in ("ours.safetensors",
                "theirs.safetensors"))

    def tearDown(self):
        self.dir.cleanup()

    def check_equal(self, got, wanted):
        self.assertEqual(sorted(got), sorted(wanted))
        for name, array in wanted.items():
            self.assertEqual((got[name].dtype, got[name].shape), (array.dtype, array.shape), name)
            np.testing.assert_array_equal(got[name], array, name)

    def save_ours(self, arrays, notes):
        metadata = GM.gm_pack_new()
        for key, value in notes.items():
            self.assertTrue(GM.gm_pack_set_text(metadata, key.encode(), value.encode()))
        saved = GM.gm_save_safetensors(pack_of(arrays), metadata, self.ours.encode())
        self.assertTrue(saved, GM.gm_error_message())

    def test_they_read_ours(self):
        notes = {"format": "np", "graph": "line\n\"\u20ac\"\t\u0001", "a": ""}
        self.save_ours(samples(), notes)
        self.check_equal(safetensors.numpy.load_file(self.ours), samples())
        with safetensors.safe_open(self.ours, "np") as f:
            self.assertEqual(f.metadata(), notes)

    def test_we_read_theirs(self):
        safetensors.numpy.save_file(samples(), self.theirs, metadata={"format": "np", "x": "\u20ac\n"})
        self.check_equal(arrays_of(GM.gm_load_safetensors_with(self.theirs.encode(), None)), samples())
        metadata = GM.gm_safetensors_metadata(self.theirs.encode())
        self.assertEqual(GM.gm_get_text(metadata, b"x").decode(), "\u20ac\n")

    def test_same_bytes(self):
        for notes in ({}, {"format": "np"}):
            self.save_ours(samples(), notes)
            safetensors.numpy.save_file(samples(), self.theirs, metadata=notes or None)
            with open(self.ours, "rb") as ours, open(self.theirs, "rb") as theirs:
                self.assertEqual(ours.read(), theirs.read())


if __name__ == "__main__":
    unittest.main()
