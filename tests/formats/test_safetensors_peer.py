"""Gemel's safetensors files and those of the safetensors package: each reads the other's, and the bytes are the same."""

import os
import sys
import tempfile
import unittest

import numpy as np
import safetensors
import safetensors.numpy

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from gemel_ctypes import DTYPES, GM, arrays_of, pack_of


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
