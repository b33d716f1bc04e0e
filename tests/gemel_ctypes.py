"""The library as the tests that are written in Python call it: GM.gm_...(), arrays to tensors and back."""

import ctypes
import os

import numpy as np

DTYPES = {"float32": 1, "float64": 2, "float16": 3, "int8": 5, "int16": 6, "int32": 7, "int64": 8, "uint8": 9,
          "uint16": 10, "uint32": 11, "uint64": 12, "bool": 13, "complex64": 19}


class Shape(ctypes.Structure):
    _fields_ = [("n", ctypes.c_int32), ("reserved", ctypes.c_int32), ("d", ctypes.c_int64 * 16)]


POINTER, TEXT, BOOL, INT32, INT64 = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_bool, ctypes.c_int32, ctypes.c_int64
FUNCTIONS = {
    "gm_error_message": (TEXT,),
    "gm_error_clear": (None,),
    "gm_from_data": (POINTER, Shape, INT32, POINTER),
    "gm_shape_of": (Shape, POINTER),
    "gm_dtype_of": (INT32, POINTER),
    "gm_data": (POINTER, POINTER),
    "gm_read": (BOOL, POINTER, INT32, POINTER, ctypes.c_size_t),
    "gm_pack_new": (POINTER,),
    "gm_pack_set": (BOOL, POINTER, TEXT, POINTER),
    "gm_pack_set_text": (BOOL, POINTER, TEXT, TEXT),
    "gm_pack_count": (INT64, POINTER),
    "gm_pack_name": (TEXT, POINTER, INT64),
    "gm_pack_at": (POINTER, POINTER, INT64),
    "gm_get_text": (TEXT, POINTER, TEXT),
    "gm_load_safetensors_with": (POINTER, TEXT, POINTER),
    "gm_safetensors_metadata": (POINTER, TEXT),
    "gm_save_safetensors": (BOOL, POINTER, POINTER, TEXT),
    "gm_load_npy": (POINTER, TEXT),
    "gm_save_npy": (BOOL, POINTER, TEXT),
    "gm_read_image_with": (POINTER, TEXT, POINTER),
    "gm_write_png": (BOOL, TEXT, POINTER),
    "gm_to_dlpack": (POINTER, POINTER),
    "gm_from_dlpack": (POINTER, POINTER),
    "gm_to_dlpack_unversioned": (POINTER, POINTER),
    "gm_from_dlpack_unversioned": (POINTER, POINTER),
}


def load_library():
    lib = ctypes.CDLL(os.path.join(os.environ.get("GEMEL_BUILD", "build"), "libgemel.so"))
    for name, (result, *arguments) in FUNCTIONS.items():
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    return lib


GM = load_library()


def tensor_of(array):
    shape = Shape(array.ndim, 0, (INT64 * 16)(*array.shape))
    return GM.gm_from_data(shape, DTYPES[array.dtype.name], np.ascontiguousarray(array).ctypes.data)


def array_of(t):
    assert t, GM.gm_error_message()
    names = {number: name for name, number in DTYPES.items()}
    shape, dtype = GM.gm_shape_of(t), GM.gm_dtype_of(t)
    array = np.empty(tuple(shape.d[:shape.n]), names[dtype])
    assert GM.gm_read(t, dtype, array.ctypes.data, array.nbytes), GM.gm_error_message()
    return array


def pack_of(arrays):
    pack = GM.gm_pack_new()
    for name, array in arrays.items():
        assert GM.gm_pack_set(pack, name.encode(), tensor_of(array)), GM.gm_error_message()
    return pack


def arrays_of(pack):
    assert pack, GM.gm_error_message()
    return {GM.gm_pack_name(pack, i).decode(): array_of(GM.gm_pack_at(pack, i)) for i in range(GM.gm_pack_count(pack))}
