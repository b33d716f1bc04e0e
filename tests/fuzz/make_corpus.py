"""Writes the small files of corpus/, which fuzz targets begin with and other tests read too. Run by hand, with the
packages of tests/requirements.txt, after a change here; what it writes is committed."""

import gzip
import io
import json
import os
import re
import struct
import subprocess
import tempfile
import zlib

import numpy as np
import safetensors.numpy
from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))


def write(target, name, data):
    folder = os.path.join(HERE, "corpus", target)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as f:
        f.write(data)


def picture(height, width, channels, most=255):
    """Slopes in each channel, the last one in both directions."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [x / max(width - 1, 1), y / max(height - 1, 1), (x + y) / (width + height - 1),
        1 - x * y / (width * height)]
    return np.round(np.stack(planes[:channels], -1) * most).astype(int)


# ---- PNG, written here because no package writes every form ----

def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_rows(samples, depth):
    """Rows of samples [H, W, C] behind filter 0."""
    out = b""
    for row in samples:
        flat = row.reshape(-1)
        if depth == 16:
            out += b"\0" + flat.astype(">u2").tobytes()
        elif depth == 8:
            out += b"\0" + flat.astype("u1").tobytes()
        else:
            bits = "".join(format(v, "0%db" % depth) for v in flat)
            bits += "0" * (-len(bits) % 8)
            out += b"\0" + bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8))
    return out


def png(samples, kind, depth, interlaced=False, extra=b""):
    height, width = samples.shape[:2]
    passes = [(0, 0, 1, 1)]
    if interlaced:
        passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    parts = [samples[y::down, x::right] for y, x, down, right in passes]
    data = b"".join(png_rows(part, depth) for part in parts if part.size)
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, interlaced)
    return (b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + extra + png_chunk(b"IDAT", zlib.compress(data, 9)) +
            png_chunk(b"IEND", b""))


def make_png():
    for name, kind, channels in [("gray", 0, 1), ("rgb", 2, 3), ("gray_alpha", 4, 2), ("rgba", 6, 4)]:
        for depth in [8, 16] + ([1, 2, 4] if kind == 0 else []):
            for interlaced in (False, True):
                samples = picture(9, 13, channels, 2 ** depth - 1)
                write("png", "%s%d%s.png" % (name, depth, "i" * interlaced), png(samples, kind, depth, interlaced))
    for depth in (1, 2, 4, 8):
        n = min(2 ** depth, 100)
        colours = (picture(1, n, 3) if n > 2 else np.array([[[0, 0, 0], [255, 128, 0]]])).astype("u1").tobytes()
        extra = png_chunk(b"PLTE", colours)
        indices = picture(9, 13, 1, n - 1)
        write("png", "palette%d.png" % depth, png(indices, 3, depth, False, extra))
        write("png", "palette%dt.png" % depth, png(indices, 3, depth, True, extra + png_chunk(b"tRNS", b"\0\x80")))
    write("png", "gray8t.png", png(picture(9, 13, 1), 0, 8, False, png_chunk(b"tRNS", struct.pack(">H", 64))))
    write("png", "rgb8t.png", png(picture(9, 13, 3), 2, 8, False, png_chunk(b"tRNS", struct.pack(">HHH", 0, 0, 0))))
    write("png", "one.png", png(picture(9, 13, 3)[:1, :1], 2, 8))
    good = png(picture(9, 13, 3), 2, 8)
    write("png", "bad_crc.png", good[:40] + bytes([good[40] ^ 1]) + good[41:])
    write("png", "bad_size.png", good[:16] + struct.pack(">II", 2 ** 31 - 1, 2 ** 31 - 1) + good[24:])
    write("png", "bad_zero.png", good[:16] + struct.pack(">II", 0, 9) + good[24:])
    write("png", "bad_large.png", b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR",
                                                                   struct.pack(">IIBBBBB", 2 ** 17, 2 ** 12, 8, 6, 0,
                                                                           0, 0)) +
          png_chunk(b"IDAT", zlib.compress(b"\0" * 99, 9)) + png_chunk(b"IEND", b""))


# ---- JPEG ----

def jpeg(mode, channels, **options):
    image = Image.fromarray(picture(19, 37, channels).astype("u1").squeeze(), mode)
    out = io.BytesIO()
    image.save(out, "JPEG", **options)
    return out.getvalue()


def make_jpeg():
    write("jpeg", "gray.jpg", jpeg("L", 1, quality=95))
    write("jpeg", "rgb.jpg", jpeg("RGB", 3, quality=95, subsampling=0))
    write("jpeg", "rgb420.jpg", jpeg("RGB", 3, quality=90, subsampling=2))
    write("jpeg", "progressive.jpg", jpeg("RGB", 3, quality=95, subsampling=0, progressive=True))
    write("jpeg", "restart.jpg", jpeg("RGB", 3, quality=95, subsampling=0, restart_marker_blocks=2))
    write("jpeg", "cmyk.jpg", jpeg("CMYK", 4, quality=95))
    write("jpeg", "keep_rgb.jpg", jpeg("RGB", 3, quality=95, keep_rgb=True))
    good = jpeg("RGB", 3, quality=50)
    write("jpeg", "bad_cut.jpg", good[:len(good) * 3 // 4])
    write("jpeg", "bad_magic.jpg", b"\xff\xd8\xff\xe0junk")
    size = good.index(b"\xff\xc0") + 5
    write("jpeg", "bad_large.jpg", good[:size] + b"\xff\xdc\xff\xdc" + good[size + 4:])


# ---- tensors ----

def make_safetensors():
    arrays = {"a.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array(True), "c": np.zeros((0, 4)),
              "d": np.arange(5, dtype=np.int64), "e": np.arange(3, dtype=np.float16)}
    good = safetensors.numpy.save(arrays, {"format": "pt", "note": "\u20ac \"x\""})
    write("safetensors", "five.safetensors", good)
    write("safetensors", "empty.safetensors", safetensors.numpy.save({}))
    header = {"__metadata__": {"gemel.dtype.q": "i4:3,5"}, "q": {"dtype": "U8", "shape": [8], "data_offsets": [0, 8]},
              "f8": {"dtype": "F8_E4M3", "shape": [2], "data_offsets": [8, 10]},
              "bf": {"dtype": "BF16", "shape": [1], "data_offsets": [10, 12]}}
    text = json.dumps(header).encode()
    write("safetensors", "packed.safetensors", struct.pack("<Q", len(text)) + text + bytes(range(12)))
    overlap = text.replace(b"[8, 10]", b"[6, 8 ]")
    write("safetensors", "bad_overlap.safetensors", struct.pack("<Q", len(text)) + overlap + bytes(12))
    write("safetensors", "bad_length.safetensors", struct.pack("<Q", 2 ** 63) + good[8:])


def make_npy():
    for name, array in [("f4", np.arange(6, dtype="<f4").reshape(2, 3)), ("i8", np.arange(3)),
        ("bool", np.array([True, False])),
                        ("scalar", np.array(1.5)), ("empty", np.zeros((2, 0))), ("big", np.arange(4, dtype=">i2")),
                        ("c8", np.array([1 + 2j], "c8")), ("text", np.array(["a"]))]:
        out = io.BytesIO()
        np.save(out, np.asfortranarray(array) if name == "f4" else array)
        write("npy", name + ".npy", out.getvalue())
    for version in (2, 3):
        out = io.BytesIO()
        np.lib.format.write_array(out, np.arange(3, dtype="u1"), (version, 0))
        write("npy", "version%d.npy" % version, out.getvalue())


def make_idx():
    for name, code, kind in [("u8", 8, "u1"), ("i8", 9, "i1"), ("i16", 11, ">i2"), ("i32", 12, ">i4"),
        ("f32", 13, ">f4"), ("f64", 14, ">f8")]:
        data = bytes([0, 0, code, 2]) + struct.pack(">II", 2, 3) + np.arange(6).astype(kind).tobytes()
        write("idx", name + ".idx", data)
    write("idx", "u8.idx.gz", gzip.compress(bytes([0, 0, 8, 1]) + struct.pack(">I", 50) + bytes(50), 9, mtime=0))
    write("idx", "bad_empty.idx", bytes([0, 0, 8, 4]) + bytes(4) + b"\xff" * 12)
    write("idx", "bad_sizes.idx", bytes([0, 0, 8, 3]) + b"\xff" * 12)


def make_csv():
    write("csv", "plain.csv", b"id,x,name\n1,2.5,anna\n2,,bo\n")
    write("csv", "quoted.csv", b'"a","b ""q"""\r\n"1","x\r\ny"\r\n')
    write("csv", "missing.csv", b"a,b,c\nNA,?,null\n1e400,-inf,0x1\n\n-9223372036854775808,1.,.5\n")
    write("csv", "options.csv", b"\xffa;b\n1;2\n")
    write("csv", "numbers.csv", b"\x84a,b\n1,2\n3,x\n")
    write("csv", "bom.csv", b"\xef\xbb\xbfa\n\xc3\xa9\n")
    write("csv", "cr.csv", b'a,b\r1,"x\ry"\r2,z\r')
    write("csv", "plain.csv.gz", gzip.compress(b"a,b\n1,2\n", 9, mtime=0))
    write("csv", "bad_quote.csv", b'a,b\n1,"2\n')
    write("csv", "bad_rows.csv", b"a,b\n1\n")


def make_json():
    write("json", "all.json", b'{"a": [1, -2.5e-3, true, false, null, "\\u20ac\\ud83d\\ude00\\n\\/"], '
          b'"b": {"": {}}, "c": []}\n')
    write("json", "many.json", json.dumps({"k%d" % i: i for i in range(20)}).encode())
    write("json", "numbers.json", b"[0, -0, -0e8, 1e308, 1e999, 9223372036854775807, 9223372036854775808, 0.1, 1E+2]")
    write("json", "bad_twice.json", b'{"a": 1, "a": 2}')
    write("json", "bad_deep.json", b"[" * 200)
    write("json", "bad_escape.json", b'"\\ud800"')


def make_graph():
    write("graph", "net.txt", b"""gemel graph 1
batch 2
draws 1
%0 f32[B, 1, 6, 6] = input "x"
@c f32[2, 1, 3, 3]
@w f32[3, 4]
@b f32[4]
%2 f32[B, 2, 4, 4] = conv(%0, @c, n=2, groups=1, stride=[1, 1], dilation=[1, 1]) in "0.conv"
%3 f32[B, 2, 4, 4] = relu(%2) no_grad
%4 f32[B, 2, 4, 4] = dropout(%3, key=77, count=draw 0, p=0.25)
%5 f32[B+1, 3] = fill(shape=[B+1, 3], dtype=f32, start=1)
%7 f32[B+1, 4] = matmul(%5, @w)
%9 f32[B+1, 4] = add(%7, @b) ; a comment
assign(@b, @b)
output "y" = %4
output "z" = %9
gradient @b += %9
end
""")
    write("graph", "bad_cycle.txt", b'gemel graph 1\n%0 f32[2] = input "x"\n%1 f32[2] = add(%0, %2)\n'
          b"%2 f32[2] = relu(%1)\nend\n")
    write("graph", "bad_size.txt", b"gemel graph 1\n%0 f32[2147483648, 2147483648] = fill("
          b"shape=[2147483648, 2147483648], dtype=f32)\nend\n")
    # One call of every operation's every case, a few together: what `test_text FILE` writes.
    program = os.path.join(os.environ.get("GEMEL_BUILD", "build"), "test_text")
    with tempfile.NamedTemporaryFile("r") as texts:
        subprocess.run([program, texts.name], check=True)
        graphs = texts.read().split("gemel graph 1\n")[1:]
    for first in range(0, len(graphs), 24):
        lines, offset = [], 0
        for graph in graphs[first:first + 24]:
            lines += [re.sub(r"%(\d+)", lambda m: "%%%d" % (int(m[1]) + offset), line)
                      for line in graph.splitlines() if line != "end"]
            offset += 100
        lines.sort(key=lambda line: "= input " not in line)
        text = "\n".join(["gemel graph 1"] + lines + ["end", ""])
        places = {}
        text = re.sub(r"%(\d+)", lambda m: "%%%d" % places.setdefault(m[1], len(places)), text)
        write("graph", "ops_%d.txt" % (first // 24), text.encode())


def make_cifar():
    write("cifar", "two.bin", (bytes([3]) + bytes(3072)) * 2)
    write("cifar", "bad_label.bin", bytes([10]) + bytes(3072))


def make_table():
    write("table", "words.csv", b"w,h,kind\n1,2.5,small\n3,,big\n5,6,small\n")
    write("table", "numbers.csv", b"0.5,1,2\n1.5,0,2\n2.5,2,0\n")
    write("table", "target.csv", b"a,b\n1,0.5\n2,nan\n")
    write("table", "bad_label.csv", b"a,b\n1,-1\n")
    write("table", "bad_text.csv", b"a,b\nx,1\n")


def make_picture():
    """Some of the files that the decoders have."""
    for name in "png/rgba8i.png", "png/gray1.png", "png/bad_crc.png", "jpeg/rgb420.jpg", "jpeg/bad_cut.jpg":
        with open(os.path.join(HERE, "corpus", name), "rb") as f:
            write("picture", os.path.basename(name), f.read())


if __name__ == "__main__":
    make_safetensors()
    make_npy()
    make_idx()
    make_csv()
    make_json()
    make_graph()
    make_png()
    make_jpeg()
    make_cifar()
    make_table()
    make_picture()
