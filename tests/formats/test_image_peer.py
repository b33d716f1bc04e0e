"""Pictures as Pillow reads them: PNG files bit for bit, JPEG files within a rounding of its own libjpeg-turbo."""

import ctypes
import glob
import os
import sys
import tempfile
import unittest

import numpy as np
from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
from gemel_ctypes import GM, array_of, tensor_of

CORPUS = os.path.join(HERE, "..", "fuzz", "corpus")


class Args(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("channels", ctypes.c_int32), ("min_size", ctypes.c_int32)]


def read(path, channels=0):
    args = Args(ctypes.sizeof(Args), channels, 0)
    return array_of(GM.gm_read_image_with(path.encode(), ctypes.byref(args)))


def pillow(path, mode):
    with Image.open(path) as image:
        return np.asarray(image.convert(mode)).reshape(image.height, image.width, -1)


class Pictures(unittest.TestCase):
    def test_png(self):
        paths = [p for p in sorted(glob.glob(CORPUS + "/png/*.png")) if "bad" not in p and "16" not in p]
        self.assertGreater(len(paths), 20)
        for path in paths:
            np.testing.assert_array_equal(read(path, 3), pillow(path, "RGBA")[..., :3], path)
            np.testing.assert_array_equal(read(path, 4), pillow(path, "RGBA"), path)

    def test_luma(self):
        path = CORPUS + "/png/rgb8.png"
        np.testing.assert_array_equal(read(path, 1), pillow(path, "L"))

    def test_jpeg(self):
        paths = [p for p in sorted(glob.glob(CORPUS + "/jpeg/*.jpg")) if "bad" not in p]
        self.assertGreater(len(paths), 5)
        for path in paths:
            difference = read(path, 3).astype(int) - pillow(path, "RGB").astype(int)
            self.assertLessEqual(abs(difference).max(), 1, path)

    def test_ours(self):
        rng = np.random.default_rng(1)
        with tempfile.TemporaryDirectory() as folder:
            for shape in [(1, 1), (5, 7), (64, 100, 1), (33, 9, 2), (20, 30, 3), (20, 30, 4)]:
                array = rng.integers(0, 256, shape).astype(np.uint8)
                path = os.path.join(folder, "a.png")
                self.assertTrue(GM.gm_write_png(path.encode(), tensor_of(array)), GM.gm_error_message())
                with Image.open(path) as image:
                    got = np.asarray(image).reshape(array.shape)
                np.testing.assert_array_equal(got, array)


if __name__ == "__main__":
    unittest.main()
