"""record_pixels.py: what Pillow and torchvision make of a picture, for test_pixels.c. Run with both installed:
python tests/data/record_pixels.py writes tests/data/data/pixels.txt.

A line is: name, dtype (u8 or f32), sizes [H, W, C] (or [C, H, W] for to_tensor and normalize), the bytes in hexadecimal
(f32 little-endian). The picture is 13 x 11 x 3 and made by a formula that the test has too."""
import os
import sys

import numpy as np
import torch
import PIL
import torchvision
from PIL import Image
from torchvision.transforms import InterpolationMode as Mode
from torchvision.transforms import functional as F

sys.stdout = open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "pixels.txt"), "w")

H, W = 13, 11
i = np.arange(H * W * 3, dtype=np.int64)
y, x, c = i // (W * 3), i // 3 % W, i % 3
values = ((x * 11 + y * 7 * (c + 1) + (i * i * 2654435761 >> 7) % 60) % 256).astype(np.uint8)
picture = Image.fromarray(values.reshape(H, W, 3), "RGB")
gray = picture.convert("L")
real = Image.fromarray(np.asarray(gray, dtype=np.float32) / np.float32(255), "F")
filters = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC, "nearest": Image.NEAREST}


def put(name, array):
    array = np.ascontiguousarray(array)
    kind = {"uint8": "u8", "float32": "f32"}[str(array.dtype)]
    sizes = " ".join(str(n) for n in array.shape)
    print(name, kind, array.ndim, sizes, array.tobytes().hex())


print(f"# Pillow {PIL.__version__}, torchvision {torchvision.__version__}")
put("picture", picture)
for name, how in filters.items():
    for h, w in (7, 6), (22, 19), (13, 5), (3, 11):
        put(f"resize {name} {h} {w}", picture.resize((w, h), how))
    put(f"resize_gray {name} 6 5", gray.resize((5, 6), how))
    put(f"resize_f32 {name} 6 14", real.resize((14, 6), how))
put("resize_shorter bilinear 7", F.resize(picture, 7, Mode.BILINEAR))
put("resize_shorter bilinear 16", F.resize(picture, 16, Mode.BILINEAR))
for h, w in (6, 5), (7, 8), (20, 6):
    put(f"center_crop {h} {w}", F.center_crop(picture, (h, w)))
put("flip_horizontal", F.hflip(picture))
put("flip_vertical", F.vflip(picture))
put("to_tensor", F.to_tensor(picture).numpy())
put("normalize", F.normalize(F.to_tensor(picture), [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]).numpy())
for degrees in 30, -77.5, 90, 180, 270, 0:
    put(f"rotate nearest {degrees}", F.rotate(picture, degrees, Mode.NEAREST))
    put(f"rotate bilinear {degrees}", F.rotate(picture, degrees, Mode.BILINEAR))
put("grayscale", np.asarray(gray)[:, :, None])
for factor in 0.0, 0.3, 1.0, 1.7:
    put(f"brightness {factor}", F.adjust_brightness(picture, factor))
    put(f"contrast {factor}", F.adjust_contrast(picture, factor))
    put(f"saturation {factor}", F.adjust_saturation(picture, factor))
for factor in -0.5, -0.1, 0.0, 0.2, 0.45:
    put(f"hue {factor}", F.adjust_hue(picture, factor))
square = F.center_crop(picture, (11, 11))
put("square", square)
put("rotate_square nearest 90", F.rotate(square, 90, Mode.NEAREST))
floats = F.to_tensor(picture)
for factor in 0.3, 1.7:
    put(f"brightness_f32 {factor}", F.adjust_brightness(floats, factor).numpy())
    put(f"contrast_f32 {factor}", F.adjust_contrast(floats, factor).numpy())
    put(f"saturation_f32 {factor}", F.adjust_saturation(floats, factor).numpy())
put("hue_f32 0.2", F.adjust_hue(floats, 0.2).numpy())
