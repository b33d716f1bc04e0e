"""NumPy and Gemel: .npy files both ways and byte for byte, and memory shared through DLPack both ways."""

import ctypes
import os
import sys
import tempfile
import unittest

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from gemel_ctypes import DTYPES, GM, array_of, tensor_of

CAPSULE = ctypes.pythonapi
CAPSULE.PyCapsule_New.restype = ctypes.py_object
CAPSULE.PyCapsule_New.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
CAPSULE.PyCapsule_GetPointer.restype = ctypes.c_void_p
CAPSULE.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
CAPSULE.PyCapsule_SetName.argtypes = [ctypes.py_object, ctypes.c_char_p]
USED = {b"dltensor": b"used_dltensor", b"dltensor_versioned": b"used_dltensor_versioned"}


class Exported:
    """What numpy.from_dlpack wants: an object with a capsule."""

    def __init__(self, t, versioned):
        self.t, self.versioned = t, versioned

    def __dlpack_device__(self):
        return 1, 0

    def __dlpack__(self, **unused):
        if self.versioned:
            return CAPSULE.PyCapsule_New(GM.gm_to_dlpack(self.t), b"dltensor_versioned", None)
        return CAPSULE.PyCapsule_New(GM.gm_to_dlpack_unversioned(self.t), b"dltensor", None)


def imported(array, versioned):
    capsule = array.__dlpack__(max_version=(1, 0)) if versioned else array.__dlpack__()
    name = b"dltensor_versioned" if versioned else b"dltensor"
    pointer = CAPSULE.PyCapsule_GetPointer(capsule, name)
    t = (GM.gm_from_dlpack if versioned else GM.gm_from_dlpack_unversioned)(pointer)
    assert t, GM.gm_error_message()
    CAPSULE.PyCapsule_SetName(capsule, USED[name])
    return t


def samples():
    rng = np.random.default_rng(3)
    for name in DTYPES:
        for shape in [(), (1,), (7,), (0,), (3, 4), (2, 0, 3), (2, 3, 4, 5), (100000,), (1, 1, 1)]:
            yield rng.integers(0, 2 if name == "bool" else 100, size=shape).astype(name)
    yield np.array([np.nan, -np.inf, -0.0, 5e-324, 1e308])


class Npy(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.ours, self.theirs = (os.path.join(self.dir.name, name) for name in ("ours.npy", "theirs.npy"))

    def tearDown(self):
        self.dir.cleanup()

    def check_read(self, array):
        got = array_of(GM.gm_load_npy(self.theirs.encode()))
        self.assertEqual((got.dtype, got.shape), (array.dtype.newbyteorder("="), array.shape))
        np.testing.assert_array_equal(got, array)

    def test_both_ways(self):
        for array in samples():
            np.save(self.theirs, array)
            self.check_read(array)
            self.assertTrue(GM.gm_save_npy(tensor_of(array), self.ours.encode()), GM.gm_error_message())
            with open(self.ours, "rb") as ours, open(self.theirs, "rb") as theirs:
                self.assertEqual(ours.read(), theirs.read(), (array.dtype, array.shape))

    def test_orders(self):
        for name in DTYPES:
            array = np.arange(60).reshape(3, 4, 5).astype(name)
            for variant in (np.asfortranarray(array), array.astype(array.dtype.newbyteorder(">")),
                            np.asfortranarray(array.astype(array.dtype.newbyteorder(">"))), array[::2, ::-1].T):
                np.save(self.theirs, variant)
                self.check_read(variant)

    def test_versions(self):
        array = np.arange(6.0).reshape(2, 3)
        for version in [(1, 0), (2, 0), (3, 0)]:
            with open(self.theirs, "wb") as f:
                np.lib.format.write_array(f, array, version)
            self.check_read(array)

    def test_refused(self):
        for array in (np.array([{}], object), np.array(["text"]), np.zeros(2, [("a", "f4"), ("b", "i4")])):
            np.save(self.theirs, array)
            self.assertIsNone(GM.gm_load_npy(self.theirs.encode()))
            self.assertIn(b"descr", GM.gm_error_message())
            GM.gm_error_clear()


class Dlpack(unittest.TestCase):
    def test_numpy_takes_ours(self):
        for versioned in (False, True):
            for array in samples():
                t = tensor_of(array)
                got = np.from_dlpack(Exported(t, versioned))
                np.testing.assert_array_equal(got, array)
                if array.size:
                    self.assertEqual(got.ctypes.data, GM.gm_data(t), "no copy")

    def test_we_take_numpys(self):
        for versioned in (False, True):
            for array in samples():
                t = imported(array, versioned)
                np.testing.assert_array_equal(array_of(t), array)
                if array.size:
                    self.assertEqual(array.ctypes.data, GM.gm_data(t), "no copy")

    def test_strides(self):
        array = np.arange(60, dtype=np.int32).reshape(3, 4, 5)
        for versioned in (False, True):
            for view in (array.T, array[::2, 1:3, ::-1], array[::-1, ::-1],
                         np.broadcast_to(array[0], (2, 4, 5)).copy()):
                np.testing.assert_array_equal(array_of(imported(view, versioned)), view)

    def test_read_only(self):
        array = np.arange(5.0)
        array.flags.writeable = False
        t = imported(array, True)
        np.testing.assert_array_equal(array_of(t), array)
        self.assertNotEqual(array.ctypes.data, GM.gm_data(t), "what may not be written to is copied")


if __name__ == "__main__":
    unittest.main()
