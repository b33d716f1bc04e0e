"""gdb printers for Gemel's objects. In gdb, or in ~/.gdbinit:

    source tools/gdb/gemel.py

`print t` then shows a tensor's dtype, shape, layout and first elements, `print shape` a shape, `print pack` names and
shapes. They read memory only, so they work on core files and never call into the program. The library has to have
debug information (cmake --preset debug)."""

import struct

import gdb

MOST = 24  # elements shown

# struct's letter by kind and bits; the rest is converted below
LETTERS = {("F", 16): "e", ("F", 32): "f", ("F", 64): "d", ("S", 8): "b", ("S", 16): "h", ("S", 32): "i",
           ("S", 64): "q", ("U", 8): "B", ("U", 16): "H", ("U", 32): "I", ("U", 64): "Q", ("B", 8): "?"}


def dtype_of(number):
    """(name, bits, kind) from the library's own table."""
    row = gdb.parse_and_eval("gm__dtype_table")[number]
    return row["name"].string(), int(row["bits"]), chr(int(row["kind"]) & 255)


def sizes_of(shape):
    return [int(shape["d"][i]) for i in range(int(shape["n"]))]


def is_null(value):
    return int(value) == 0


def indices(sizes):
    """The row-major positions, as lists."""
    at = [0] * len(sizes)
    if 0 in sizes:
        return
    while True:
        yield at
        for i in reversed(range(len(sizes))):
            at[i] += 1
            if at[i] < sizes[i]:
                break
            at[i] = 0
        else:
            return


def element(memory, name, bits, kind):
    if name == "BF16":
        return struct.unpack("<f", b"\0\0" + bytes(memory))[0]
    letter = LETTERS.get((kind, bits))
    if letter is None or name.startswith("F8"):
        return "0x" + bytes(memory)[::-1].hex()
    return struct.unpack("<" + letter, bytes(memory))[0]


def text_of(value):
    return "%.6g" % value if isinstance(value, float) else str(value)


def elements_of(tensor):
    """The first elements in row-major order, and whether there are more."""
    name, bits, kind = dtype_of(int(tensor["dtype"]))
    sizes = sizes_of(tensor["shape"])
    if bits < 8 or is_null(tensor["storage"]) or is_null(tensor["storage"]["data"]):
        return [], False
    start = int(tensor["storage"]["data"]) + int(tensor["offset"]) * bits // 8
    strides = [int(tensor["stride"][i]) for i in range(len(sizes))]
    inferior, found = gdb.selected_inferior(), []
    for at in indices(sizes):
        if len(found) == MOST:
            return found, True
        place = start + sum(i * s for i, s in zip(at, strides)) * bits // 8
        found.append(text_of(element(inferior.read_memory(place, bits // 8), name, bits, kind)))
    return found, False


def summary(tensor):
    name = dtype_of(int(tensor["dtype"]))[0].lower()
    return "%s [%s]" % (name, ", ".join(map(str, sizes_of(tensor["shape"]))))


class TensorPrinter:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        t = self.value
        if int(t["o"]["refs"]) <= 0:
            return "gm_tensor (dead)"
        words = [summary(t)]
        if is_null(t["storage"]):
            words.append("(no values: a ghost)")
        elif not is_null(t["storage"]["rows"]):
            words.append("(a few rows, the others 0)")
        if bool(t["requires_grad"]):
            words.append("requires_grad")
        if not is_null(t["node"]):
            words.append("has history")
        found, more = elements_of(t)
        if found:
            words.append("{%s%s}" % (", ".join(found), ", ..." if more else ""))
        return " ".join(words)


class ShapePrinter:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        return "[%s]" % ", ".join(map(str, sizes_of(self.value)))


class PackPrinter:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        return "gm_pack of %d" % int(self.value["n"])

    def children(self):
        for i in range(int(self.value["n"])):
            entry = self.value["entries"][i]
            tensor = entry["t"]
            what = summary(tensor.dereference()) if not is_null(tensor) else "gm_pack of %d" % int(entry["p"]["n"])
            yield entry["name"].string(), what


PRINTERS = {"gm_tensor": TensorPrinter, "gm_shape": ShapePrinter, "gm_pack": PackPrinter}


def find_printer(value):
    kind = value.type
    if kind.code == gdb.TYPE_CODE_PTR:
        target = kind.target().unqualified()
        if target.name in ("gm_tensor", "gm_pack") and not is_null(value):
            return PRINTERS[target.name](value.dereference())
        return None
    return PRINTERS[kind.name](value) if kind.name in PRINTERS else None


gdb.pretty_printers.append(find_printer)
