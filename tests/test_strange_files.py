"""Damaged and unusual files, a line each: what it is, and the value that is read or the words that are said."""

import io
import struct
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from datamodules import DeviceFolders, InputError, PairedFolderDataModule, Signal
from datamodules.readers import Limits, count_regions, read_image, read_mask
from tests.conftest import BUSI_ROOT, ROOT
from zoo.cli import main

DEVICES = BUSI_ROOT.parent / "dicom"
SIDE = 20
STEPS = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
RAMP = STEPS / STEPS.max()
GREY = np.round(RAMP * 255).astype(np.uint8)
Maker = Callable[[Path], object]


# ---- files that are made


def picture(array, **options) -> Maker:
    return lambda path: Image.fromarray(array).save(path, **options)


def as_mode(mode: str, kind: str = "PNG", array=GREY, **options) -> Maker:
    return lambda path: Image.fromarray(array).convert(mode).save(path, kind, **options)


def raw(data: bytes) -> Maker:
    return lambda path: path.write_bytes(data)


def encoded(array, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind, **options)
    return buffer.getvalue()


def npy(array) -> Maker:
    return lambda path: np.save(path, array, allow_pickle=True)


def npy_bytes(array) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def header(shape: str, dtype: str = "'<f4'", values: bytes = b"") -> Maker:
    text = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return raw(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + values)


def npz(save=np.savez, **arrays) -> Maker:
    return lambda path: save(path, **arrays)


def zipped(name: str, data: bytes, change=None) -> Maker:
    """A zip of one member; ``change`` is (offset in the local header, offset in the directory, bytes)."""

    def make(path):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr(name, data)
        whole = bytearray(buffer.getvalue())
        if change is not None:
            local, central, value = change
            directory = whole.index(b"PK\x01\x02")
            whole[local : local + len(value)] = value
            whole[directory + central : directory + central + len(value)] = value
        path.write_bytes(bytes(whole))

    return make


def cut(make: Maker, part: float) -> Maker:
    def cutting(path):
        make(path)
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])

    return cutting


def tiff(array, bits: int, sample_format: int, photometric: int = 1) -> Maker:
    """A TIFF of one strip, of a type that Pillow does not write."""
    values = np.ascontiguousarray(array).tobytes()
    tags = [(256, 4, array.shape[1]), (257, 4, array.shape[0]), (258, 3, bits), (259, 3, 1), (262, 3, photometric),
            (273, 4, 8), (277, 3, 1), (278, 4, array.shape[0]), (279, 4, len(values)),
            (339, 3, sample_format)]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    directory = struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)
    return raw(b"II*\x00" + struct.pack("<I", 8 + len(values)) + values + directory)


def turned(kind: str, orientation: int) -> Maker:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return picture(np.repeat(GREY[:, :, None], 3, 2), format=kind, exif=exif, quality=100)


def pages(*arrays) -> Maker:
    first, *others = (Image.fromarray(array) for array in arrays)
    return lambda path: first.save(path, save_all=True, append_images=others)


def region(box=(2, 17, 3, 18), delta=(0.02, 0.02), **other) -> Dataset:
    found = Dataset()
    found.RegionSpatialFormat, found.RegionDataType = 1, 1
    found.PhysicalUnitsXDirection = found.PhysicalUnitsYDirection = 3
    top, bottom, left, right = box
    found.RegionLocationMinY0, found.RegionLocationMaxY1 = top, bottom
    found.RegionLocationMinX0, found.RegionLocationMaxX1 = left, right
    found.PhysicalDeltaY, found.PhysicalDeltaX = delta
    for name, value in other.items():
        if value is None:
            delattr(found, name)
        else:
            setattr(found, name, value)
    return found


def dicom(array=GREY, syntax=ExplicitVRLittleEndian, regions=(), **tags) -> Maker:
    def make(path):
        found = Dataset()
        found.file_meta = FileMetaDataset()
        found.file_meta.TransferSyntaxUID = syntax
        found.SOPClassUID, found.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.6.1", generate_uid()
        found.Rows, found.Columns = array.shape[:2]
        found.SamplesPerPixel = 3 if array.ndim == 3 else 1
        if array.ndim == 3:
            found.PlanarConfiguration = 0
        bits = array.dtype.itemsize * 8
        found.BitsAllocated, found.BitsStored, found.HighBit = bits, bits, bits - 1
        found.PixelRepresentation = int(array.dtype.kind == "i")
        found.PhotometricInterpretation = "RGB" if array.ndim == 3 else "MONOCHROME2"
        found.PixelData = array.tobytes()
        if regions:
            found.SequenceOfUltrasoundRegions = Sequence(list(regions))
        for name, value in tags.items():
            if value is None:
                found.pop(name, None)
            else:
                setattr(found, name, value)
        if syntax != ExplicitVRLittleEndian:
            found.PixelData = pydicom.encaps.encapsulate([found.PixelData])
            found["PixelData"].is_undefined_length = True
        found.save_as(path, enforce_file_format=True)

    return make


def damaged_png(chunk: bytes, change: Callable[[bytes], bytes]) -> Maker:
    """A PNG of which one chunk is other, with the right checksum."""
    data = encoded(GREY)
    start = data.index(chunk)
    size = struct.unpack(">I", data[start - 4 : start])[0]
    body = change(data[start + 4 : start + 4 + size])
    chunked = struct.pack(">I", len(body)) + chunk + body + struct.pack(">I", zlib.crc32(chunk + body))
    return raw(data[: start - 4] + chunked + data[start + 8 + size :])


JPEG_2000, JPEG_LS, MPEG = (pydicom.uid.UID(f"1.2.840.10008.1.2.4.{number}") for number in ("90", "80", "102"))


def dicom_of(number: str) -> Maker:
    """A transfer syntax that pydicom does not write."""

    def make(path):
        dicom(syntax=MPEG)(path)
        path.write_bytes(path.read_bytes().replace(b"1.2.4.102", f"1.2.4.{number}".encode()))

    return make


# ---- pictures, arrays and DICOM: (what it is, file, how it is made, the pixels or the words)

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\nshowpage\n"
BMP_BOMB = b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 60000, 60000, 1, 24, 0, 0, 0, 0, 0, 0)
SIGNED_BYTES = (STEPS % 200 - 100).astype(np.int8)

NUMBERS = [
    ("unsigned 8 bits", "a.npy", npy(GREY), GREY / 255),
    ("unsigned 16 bits", "a.npy", npy((RAMP * 65535).astype("<u2")), (RAMP * 65535).astype(int) / 65535),
    ("unsigned 16 bits, big-endian", "a.npy", npy((RAMP * 65535).astype(">u2")), (RAMP * 65535).astype(int) / 65535),
    ("unsigned 32 bits are values", "a.npy", npy(STEPS.astype("<u4")), STEPS),
    ("unsigned 32 bits, big-endian", "a.npy", npy(STEPS.astype(">u4")), STEPS),
    ("unsigned 64 bits", "a.npy", npy(STEPS.astype("<u8")), STEPS),
    ("signed 8 bits", "a.npy", npy(SIGNED_BYTES), SIGNED_BYTES),
    ("signed 16 bits", "a.npy", npy((STEPS - 200).astype("<i2")), STEPS - 200),
    ("signed 16 bits, big-endian", "a.npy", npy((STEPS - 200).astype(">i2")), STEPS - 200),
    ("signed 32 bits", "a.npy", npy((STEPS - 200).astype("<i4")), STEPS - 200),
    ("signed 64 bits, big-endian", "a.npy", npy((STEPS - 200).astype(">i8")), STEPS - 200),
    ("half floats", "a.npy", npy(STEPS.astype("<f2")), STEPS),
    ("floats, big-endian", "a.npy", npy(RAMP.astype(">f4")), RAMP),
    ("doubles, big-endian", "a.npy", npy(RAMP.astype(">f8")), RAMP),
    ("long doubles", "a.npy", npy(RAMP.astype(np.longdouble)), RAMP),
    ("booleans", "a.npy", npy(RAMP > 0.5), RAMP > 0.5),
    ("columns first", "a.npy", npy(np.asfortranarray(RAMP)), RAMP),
    ("axes of length one", "a.npy", npy(RAMP[None, :, :, None]), RAMP),
    ("NPY of version 2", "a.npy", lambda p: np.lib.format.write_array(p.open("wb"), RAMP, (2, 0)), RAMP),
    ("NPZ of several: the first", "a.npz", npz(a=RAMP, b=GREY), RAMP),
    ("NPZ, compressed", "a.npz", npz(np.savez_compressed, a=RAMP), RAMP),
    ("NPZ called NPY", "a.npy", zipped("a.npy", npy_bytes(RAMP)), RAMP),
    ("NPY called NPZ", "a.npz", raw(npy_bytes(RAMP)), RAMP),
    ("NPZ with a note before its array", "a.npz", lambda p: _with_note(p), RAMP),
    ("complex numbers", "a.npy", npy(RAMP * 1j), "holds complex numbers"),
    ("dates", "a.npy", npy(STEPS.astype("M8[D]")), "holds dates"),
    ("time spans", "a.npy", npy(STEPS.astype("m8[s]")), "holds time spans"),
    ("records", "a.npy", npy(np.zeros((20, 20), [("a", "f4"), ("b", "f4")])), "holds records"),
    ("records of names beyond Latin", "a.npy", npy(np.zeros((20, 20), [("値", "f4")])), "NPY of version 3"),
    ("text", "a.npy", npy(STEPS.astype("U3")), "holds text"),
    ("bytes", "a.npy", npy(STEPS.astype("S3")), "holds text"),
    ("objects", "a.npy", npy(np.full((20, 20), None)), "holds Python objects"),
    ("not a number", "a.npy", npy(np.where(RAMP > 0.5, np.nan, RAMP)), "values are NaN or infinite"),
    ("infinite", "a.npy", npy(np.where(RAMP > 0.5, -np.inf, RAMP)), "values are NaN or infinite"),
    ("beyond float32", "a.npy", npy(np.where(RAMP > 0.5, 1e300, RAMP)), "values are NaN or infinite"),
    ("one number", "a.npy", npy(np.float32(1)), r"array of shape \(\)"),
    ("a line", "a.npy", npy(np.zeros(400)), r"array of shape \(400,\)"),
    ("two channels", "a.npy", npy(np.zeros((20, 20, 2))), r"array of shape \(20, 20, 2\)"),
    ("channels first", "a.npy", npy(np.zeros((3, 20, 20))), r"array of shape \(3, 20, 20\)"),
    ("a stack", "a.npy", npy(np.zeros((2, 20, 20, 3))), r"array of shape \(2, 20, 20, 3\)"),
    ("no rows of an array", "a.npy", npy(np.zeros((0, 20))), "0 x 20 pixels, under"),
    ("too small", "a.npy", npy(np.zeros((15, 20))), "15 x 20 pixels, under the limit of 16"),
    ("TIFF of signed 8 bits", "a.tif", tiff(SIGNED_BYTES, 8, 2), SIGNED_BYTES),
    ("TIFF of signed 16 bits", "a.tif", tiff((STEPS - 200).astype("<i2"), 16, 2), STEPS - 200),
    ("TIFF of unsigned 16 bits", "a.tif", tiff((STEPS * 100).astype("<u2"), 16, 1), STEPS * 100 / 65535),
    ("TIFF of 16 bits, white is zero", "a.tif", tiff((STEPS * 100).astype("<u2"), 16, 1, 0), 1 - STEPS * 100 / 65535),
    ("TIFF of signed 32 bits", "a.tif", tiff((STEPS - 200).astype("<i4"), 32, 2), STEPS - 200),
    ("TIFF of unsigned 32 bits", "a.tif", tiff((STEPS * 10**7).astype("<u4"), 32, 1), STEPS * 1e7),
    ("TIFF of floats", "a.tif", tiff(RAMP.astype("<f4"), 32, 3), RAMP),
    ("TIFF of floats, not a number", "a.tif", tiff(np.full((20, 20), np.nan, "<f4"), 32, 3), "NaN or infinite"),
    ("TIFF of doubles", "a.tif", tiff(RAMP.astype("<f8"), 64, 3), "cannot be decoded"),
    ("TIFF of complex numbers", "a.tif", tiff(RAMP.astype("<c8"), 64, 6), "cannot be decoded"),
]  # fmt: skip

PICTURES = [
    ("one bit", "a.png", as_mode("1", array=GREY // 128 * 255), RAMP > 0.5),
    ("grey with alpha", "a.png", as_mode("LA"), GREY / 255),
    ("colours with alpha", "a.png", as_mode("RGBA"), GREY / 255),
    ("a palette", "a.png", as_mode("P"), GREY / 255),
    ("CMYK", "a.jpg", as_mode("CMYK", "JPEG", np.full((20, 20, 3), 255, np.uint8)), np.ones((20, 20))),
    ("interlaced TIFF pages: the first", "a.tif", pages(GREY, 255 - GREY), GREY / 255),
    ("LZW", "a.tif", picture(GREY, compression="tiff_lzw"), GREY / 255),
    ("JPEG called PNG", "a.png", raw(encoded(np.full((20, 20), 255, np.uint8), "JPEG")), np.ones((20, 20))),
    ("PNG called TIFF", "a.tif", raw(encoded(GREY)), GREY / 255),
    ("capital ending", "A.PNG", raw(encoded(GREY)), GREY / 255),
    ("bytes after the end", "a.png", raw(encoded(GREY) + b"x" * 99), GREY / 255),
    ("spaces and brackets in its name", "a (1) [x].png", raw(encoded(GREY)), GREY / 255),
    ("a screenshot's narrow space in its name", "at 10.00\u202fAM.png", raw(encoded(GREY)), GREY / 255),
    ("a name beyond Latin", "超音波.png", raw(encoded(GREY)), GREY / 255),
    ("upside down by EXIF", "a.png", turned("PNG", 3), GREY[::-1, ::-1] / 255),
    ("mirrored by EXIF", "a.png", turned("PNG", 2), GREY[:, ::-1] / 255),
    ("turned by EXIF", "a.png", turned("PNG", 6), np.rot90(GREY, -1) / 255),
    ("transposed by EXIF", "a.png", turned("PNG", 5), GREY.T / 255),
    ("turned TIFF", "a.tif", picture(GREY, tiffinfo={274: 8}), np.rot90(GREY) / 255),
    ("upright by EXIF", "a.png", turned("PNG", 1), GREY / 255),
    ("an orientation that is none", "a.png", turned("PNG", 77), GREY / 255),
    ("page of a TIFF", "a.tif#1", pages(GREY, 255 - GREY), 1 - GREY / 255),
    ("page that is not there", "a.tif#7", pages(GREY, GREY), "frame 7 does not exist"),
    ("frame of a PNG", "a.png#2", raw(encoded(GREY)), "has no frames; leave out '#2'"),
    ("frame of an NPY", "a.npy#0", npy(RAMP), "has no frames; leave out '#0'"),
    ("region of a PNG", "a.png#@1", raw(encoded(GREY)), "has no regions; leave out '@1'"),
    ("EPS called PNG", "a.png", raw(EPS), "cannot be decoded"),
    ("EPS called JPEG", "a.jpg", raw(EPS), "cannot be decoded"),
    ("PDF called PNG", "a.png", raw(b"%PDF-1.4\n"), "cannot be decoded"),
    ("SVG called PNG", "a.png", raw(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), "cannot be decoded"),
    ("GIF called PNG", "a.png", raw(encoded(GREY, "GIF")), "cannot be decoded"),
    ("EPS", "a.eps", raw(EPS), "unknown file type '.eps'"),
    ("GIF", "a.gif", raw(encoded(GREY, "GIF")), "unknown file type '.gif'"),
    ("no bytes", "a.png", raw(b""), "the file is empty"),
    ("zeros", "a.png", raw(bytes(500)), "cannot be decoded"),
    ("signature only", "a.png", raw(encoded(GREY)[:8]), "cannot be decoded"),
    ("PNG, truncated", "a.png", cut(raw(encoded(GREY)), 0.6), "cannot be decoded"),
    ("JPEG, truncated", "a.jpg", cut(raw(encoded(GREY, "JPEG")), 0.8), "cannot be decoded"),
    ("BMP, truncated", "a.bmp", cut(raw(encoded(GREY, "BMP")), 0.9), "cannot be decoded"),
    ("TIFF, truncated", "a.tif", cut(raw(encoded(GREY, "TIFF")), 0.5), "cannot be decoded"),
    ("PNG, wrong checksum", "a.png", raw(encoded(GREY).replace(b"IDAT", b"IDAT\x00", 1)), "cannot be decoded"),
    ("PNG of no width", "a.png", damaged_png(b"IHDR", lambda b: struct.pack(">I", 0) + b[4:]), "pixels, under|decoded"),
    ("PNG of a colour type that is none", "a.png", damaged_png(b"IHDR", lambda b: b[:9] + b"\x09" + b[10:]), "decoded"),
    ("PNG that promises 4 billion pixels a side", "a.png",
     damaged_png(b"IHDR", lambda b: b"\x7f\xff\xff\xff" * 2 + b[8:]), "8192"),
    ("PNG that promises 60,000 pixels a side", "a.png",
     damaged_png(b"IHDR", lambda b: struct.pack(">II", 60000, 60000) + b[8:]), "8192 pixels a side|limit of 8192"),
    ("BMP that promises 60,000 pixels a side", "a.bmp", raw(BMP_BOMB), "8192 pixels a side"),
    ("PNG of garbage", "a.png", damaged_png(b"IDAT", lambda b: zlib.compress(b"x" * 9)), "cannot be decoded"),
    ("narrow", "a.png", picture(np.zeros((20, 3), np.uint8)), "20 x 3 pixels, under the limit of 16"),
]  # fmt: skip

ARCHIVES = [
    ("NPY, truncated", "a.npy", cut(npy(RAMP), 0.5), "its header promises 3328 bytes and it has 1664"),
    ("NPY, signature only", "a.npy", raw(b"\x93NUMPY"), "cannot be decoded"),
    ("NPY of zeros", "a.npy", raw(bytes(400)), "cannot be decoded"),
    ("NPY of version 9", "a.npy", raw(b"\x93NUMPY\x09\x00" + bytes(99)), "NPY of version 9.0"),
    ("pickle called NPY", "a.npy", raw(b"\x80\x04K\x01."), "cannot be decoded"),
    ("text called NPY", "a.npy", raw(b"1 2 3\n"), "cannot be decoded"),
    ("header that promises terabytes", "a.npy", header("(1000000, 1000000)"), "1000000 x 1000000 pixels, over"),
    ("header that promises a line of terabytes", "a.npy", header("(1000000000000,)"), "array of shape"),
    ("header within limits, without values", "a.npy", header("(8000, 8000)"), "its header promises 256000"),
    ("header of a negative side", "a.npy", header("(-20, 20)"), "-20 x 20 pixels, under"),
    ("header of a boolean side", "a.npy", header("(True, 20)"), "array of shape"),
    ("header of a text as side", "a.npy", header("('a', 20)"), "cannot be decoded"),
    ("header of 2**64 a side", "a.npy", header("(18446744073709551616, 20)"), "over the limit"),
    ("header of many axes", "a.npy", header(str((2,) * 40)), "array of shape of 40 dimensions"),
    ("header of a type that is none", "a.npy", header("(20, 20)", "'<q9'"), "cannot be decoded"),
    ("header that is code", "a.npy", header("__import__('os').getpid()"), "cannot be decoded"),
    ("header longer than the file", "a.npy", raw(b"\x93NUMPY\x01\x00\xff\xff{"), "cannot be decoded"),
    ("NPZ, truncated", "a.npz", cut(npz(a=RAMP), 0.7), "cannot be decoded"),
    ("NPZ, empty archive", "a.npz", npz(), "holds no array"),
    ("NPZ, no bytes", "a.npz", raw(b""), "the file is empty"),
    ("zip of pictures", "a.npz", zipped("a.png", encoded(GREY)), "holds no array"),
    ("NPZ, encrypted", "a.npz", zipped("a.npy", npy_bytes(RAMP), (6, 8, b"\x01")), "is encrypted"),
    ("NPZ of unknown compression", "a.npz", zipped("a.npy", npy_bytes(RAMP), (8, 10, b"\x63")), "method 99"),
    ("NPZ, wrong checksum", "a.npz", zipped("a.npy", npy_bytes(RAMP), (14, 16, b"1234")), "cannot be decoded"),
    ("NPZ of a member that is no array", "a.npz", zipped("a.npy", b"hello"), "cannot be decoded"),
    ("NPZ of a truncated member", "a.npz", zipped("a.npy", npy_bytes(RAMP)[:900]), "its header promises 3328 bytes"),
    ("bomb: a directory of gigabytes", "a.npz",
     zipped("a.npy", npy_bytes(RAMP), (22, 24, struct.pack("<I", 4 * 10**9))), "and it has 4000000000"),
    ("two arrays in one NPY", "a.npy", raw(npy_bytes(RAMP) * 2), "its header promises 3328 bytes and it has 6656"),
    ("bomb: 20,000 pixels a side", "a.npz", npz(np.savez_compressed, a=np.zeros((20000, 20), bool)), "over the limit"),
    ("bomb: header of terabytes", "a.npz", lambda p: _zip_of(p, header("(9000000, 9000000)")), "over the limit"),
    ("objects in an NPZ", "a.npz", npz(a=np.full((20, 20), None)), "holds Python objects"),
]  # fmt: skip

SIGNED = (STEPS - 100).astype(np.int16)
DICOMS = [
    ("grey", "a.dcm", dicom(), GREY / 255),
    ("without an ending", "a", dicom(), GREY / 255),
    ("ending of a number", "IM.0001", dicom(), GREY / 255),
    ("signed pixels are values", "a.dcm", dicom(SIGNED), STEPS - 100),
    ("signed pixels and a rescale", "a.dcm", dicom(SIGNED, RescaleSlope="0.5", RescaleIntercept="50"), STEPS / 2),
    ("rescale slope of unsigned pixels", "a.dcm", dicom(RescaleSlope="2", RescaleIntercept="-10"), GREY * 2.0 - 10),
    ("a rescale that does nothing", "a.dcm", dicom(RescaleSlope="1", RescaleIntercept="0"), GREY / 255),
    ("a rescale that is left empty", "a.dcm", dicom(RescaleSlope="", RescaleIntercept=None), GREY / 255),
    ("a rescale that is not a number", "a.dcm", dicom(RescaleSlope="nan", RescaleIntercept="0"), "NaN or inf|decoded"),
    ("12 of 16 bits", "a.dcm", dicom((STEPS * 10).astype(np.uint16), BitsStored=12, HighBit=11), STEPS * 10 / 4095),
    ("bits beyond the stored ones are an overlay's", "a.dcm",
     dicom((STEPS + 2**12).astype(np.uint16), BitsStored=12, HighBit=11), STEPS / 4095),
    ("white is zero", "a.dcm", dicom(PhotometricInterpretation="MONOCHROME1"), 1 - GREY / 255),
    ("one region", "a.dcm", dicom(regions=[region()]), GREY[2:18, 3:19] / 255),
    ("region beyond the picture", "a.dcm", dicom(regions=[region((0, 99, 2, 99))]), GREY[:, 2:] / 255),
    ("a spectrum before the tissue", "a.dcm",
     dicom(regions=[region((0, 9, 0, 9), RegionDataType=3), region()]), GREY[2:18, 3:19] / 255),
    ("second of two regions", "a.dcm#@1", dicom(regions=[region(), region((0, 17, 0, 16))]), GREY[:18, :17] / 255),
    ("second region of a frame", "a.dcm#0@1", dicom(regions=[region(), region((0, 17, 0, 16))]), GREY[:18, :17] / 255),
    ("region that is not there", "a.dcm#@2", dicom(regions=[region()]), "region 2 does not exist; it has 1 of tissue"),
    ("region of a file without any", "a.dcm#@1", dicom(), "region 1 does not exist; it has 0 of tissue"),
    ("region without a corner", "a.dcm", dicom(regions=[region(RegionLocationMaxX1=None)]), "0 has no whole box"),
    ("region of an empty corner", "a.dcm", dicom(regions=[region(RegionLocationMinY0="")]), "0 has no whole box"),
    ("region turned around", "a.dcm", dicom(regions=[region((17, 2, 3, 18))]), "region 0 holds no pixels"),
    ("region beside the picture", "a.dcm", dicom(regions=[region((2, 17, 300, 320))]), "region 0 holds no pixels"),
    ("region of three rows", "a.dcm", dicom(regions=[region((2, 4, 3, 18))]), "3 x 16 pixels, under the limit"),
    ("frame that is not there", "a.dcm#1", dicom(), "frame 1 does not exist; it has 1, 0 to 0"),
    ("frame that is no number", "a.dcm#x", dicom(), "frame 'x' is not a number"),
    ("frame of many digits", "a.dcm#" + "9" * 5000, dicom(), "is not a number"),
    ("frame in other digits", "a.dcm#²", dicom(), "is not a number"),
    ("negative frame", "a.dcm#-1", dicom(), "frame '-1' is not a number"),
    ("no pixels", "a.dcm", dicom(PixelData=None), "cannot be decompressed"),
    ("fewer pixels than promised", "a.dcm", dicom(PixelData=bytes(100)), "cannot be decompressed"),
    ("no rows", "a.dcm", dicom(Rows=None), "not a readable DICOM"),
    ("rows of 65,535", "a.dcm", dicom(Rows=65535), "65535 x 20 pixels, over the limit"),
    ("zero rows", "a.dcm", dicom(Rows=0), "0 x 20 pixels, under the limit"),
    ("no photometric interpretation", "a.dcm", dicom(PhotometricInterpretation=None), "cannot be decompressed"),
    ("a palette without its table", "a.dcm", dicom(PhotometricInterpretation="PALETTE COLOR"), "decompressed"),
    ("13 bits allocated", "a.dcm", dicom(BitsAllocated=13), "cannot be decompressed"),
    ("more frames than pixels", "a.dcm#5", dicom(NumberOfFrames="9"), "cannot be decompressed"),
    ("a syntax that nobody knows", "a.dcm", dicom_of("999"), "by another program"),
    ("JPEG XL", "a.dcm", dicom_of("110"), "JPEG XL.*djxl or Python's imagecodecs"),
    ("video", "a.dcm", dicom(syntax=MPEG), "MPEG.*ffmpeg"),
    ("JPEG 2000 of garbage", "a.dcm", dicom(syntax=JPEG_2000), "cannot be decompressed"),
    ("JPEG-LS", "a.dcm", dicom(syntax=JPEG_LS), r"cannot be decompressed.*(pylibjpeg|again)"),
    ("truncated in its header", "a.dcm", cut(dicom(), 0.2), "not a readable DICOM|decoded"),
    ("truncated in its pixels", "a.dcm", cut(dicom(), 0.8), "cannot be decompressed|not a readable|decoded"),
    ("text called DICOM", "a.dcm", raw(b"hello"), "not a readable DICOM"),
    ("preamble only", "a.dcm", raw(bytes(128) + b"DICM"), "not a readable DICOM|decoded"),
    ("PNG called DICOM", "a.dcm", raw(encoded(GREY)), "not a readable DICOM"),
]  # fmt: skip

NAMES = [
    ("no such file", "b.png", lambda p: None, "no such file"),
    ("a folder", "a.png", lambda p: p.mkdir(), "a folder; name a file in it"),
    ("a dangling link", "a.png", lambda p: p.symlink_to(p.parent / "no.png"), "a link to a file that is not there"),
    ("a link to itself", "a.png", lambda p: p.symlink_to(p), "cannot be reached"),
    ("a name of 5,000 characters", "a" * 5000 + ".png", None, r"\.\.\.: the name is longer than 255 bytes"),
    ("a name of 300 bytes in 100 characters", "超" * 100 + ".png", None, "the name is longer than 255 bytes"),
    ("a name with NUL", "a\0.png", None, r"a\\x00\.png: the name holds characters that are no text"),
    ("a name of two lines", "a\nb.png", None, r"a\\nb\.png: the name holds characters"),
    ("a name that is not UTF-8", "a\udcff.png", None, r"a\\udcff\.png: the name holds characters"),
    ("a path through a file", "a.png/b.png", None, "cannot be reached|no such file"),
    ("no ending that is known", "a.txt", raw(b"x"), "unknown file type '.txt'"),
]  # fmt: skip


def _with_note(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("note.txt", "hello")
        archive.writestr("a.npy", npy_bytes(RAMP))


def _zip_of(path, make):
    make(path.with_suffix(".npy"))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path.with_suffix(".npy"), "a.npy")


# ---- masks: (what it is, file, how it is made, what lesion_value says, the mask or the words)

HALF = RAMP > 0.5
DISC = (np.hypot(*np.mgrid[-32:32, -32:32]) < 20).astype(np.uint8)
CLASSES = (STEPS // 150).astype(np.uint8)  # 0, 1, 2
COLOUR = np.stack([GREY, 255 - GREY, GREY // 2], 2)


def level(value, dtype="u1"):
    return (HALF * value).astype(dtype)


def soft(scale: int = 255) -> Image.Image:
    return Image.fromarray(DISC * np.uint8(scale)).resize((97, 97), Image.Resampling.BILINEAR)


def palette(*colours, array=None) -> Maker:
    def make(path):
        image = Image.fromarray((HALF * 1).astype(np.uint8) if array is None else array)
        image.putpalette([part for colour in colours for part in colour])
        image.save(path)

    return make


def with_alpha(alpha, base=None) -> Maker:
    grey = level(255) if base is None else base
    return picture(np.dstack([grey, grey, grey, alpha]))


MASKS = [
    ("0 and 255", "a.png", picture(level(255)), None, HALF),
    ("0 and 1", "a.png", picture(level(1)), None, HALF),
    ("0 and 127", "a.png", picture(level(127)), None, HALF),
    ("0 and 1 in 16 bits", "a.png", picture(level(1, "u2")), None, HALF),
    ("0 and 300 in 16 bits", "a.png", picture(level(300, "u2")), None, HALF),
    ("0 and 65535 in a TIFF", "a.tif", picture(level(65535, "u2")), None, HALF),
    ("0 and 1 in a TIFF of 32 bits", "a.tif", tiff(level(1, "<i4"), 32, 2), None, HALF),
    ("one bit", "a.png", as_mode("1", array=level(255)), None, HALF),
    ("booleans", "a.npy", npy(HALF), None, HALF),
    ("NPY of 0 and 1", "a.npy", npy(level(1)), None, HALF),
    ("NPY of 0 and 1 in 64 bits", "a.npy", npy(level(1, "i8")), None, HALF),
    ("NPY of 0 and 1, big-endian", "a.npy", npy(level(1, ">u2")), None, HALF),
    ("NPY of 0.0 and 1.0", "a.npy", npy(level(1, "f4")), None, HALF),
    ("NPZ of 0 and 1", "a.npz", npz(m=level(1)), None, HALF),
    ("all 0", "a.png", picture(level(0)), None, HALF & False),
    ("all 1", "a.png", picture(level(0) + np.uint8(1)), None, HALF | True),
    ("grey as colour", "a.png", picture(np.repeat(level(1)[:, :, None], 3, 2)), None, HALF),
    ("red on black", "a.png", picture(np.dstack([level(255), level(0), level(0)])), None, HALF),
    ("a palette of black and red", "a.png", palette((0, 0, 0), (128, 0, 0)), None, HALF),
    ("a palette of white, then black", "a.png", palette((255, 255, 255), (0, 0, 0)), None, ~HALF),
    ("turned by EXIF", "a.png", lambda p: _turned_mask(p), None, np.rot90(HALF, -1)),
    ("a soft border", "a.png", lambda p: soft().save(p), None, np.asarray(soft()) > 127.5),
    ("JPEG", "a.jpg", picture(np.kron(DISC, np.ones((2, 2), np.uint8)) * 255, quality=75), None,
     np.kron(DISC, np.ones((2, 2))) > 0),
    ("JPEG, empty", "a.jpg", picture(level(0)), None, HALF & False),
    ("DICOM of 0 and 1", "a.dcm", dicom(level(1)), None, HALF),
    ("a value of a DICOM", "a.dcm", dicom(CLASSES), 1, "one value of a DICOM mask cannot be asked for"),
    ("opaque alpha", "a.png", with_alpha(level(0) + np.uint8(255)), None, HALF),
    ("class 1 of three", "a.png", picture(CLASSES), 1, CLASSES == 1),
    ("class 2 of three", "a.npy", npy(CLASSES), 2, CLASSES == 2),
    ("a class that is not there", "a.png", picture(CLASSES), 7, CLASSES == 7),
    ("an index of a palette", "a.png", palette((0, 0, 0), (9, 0, 0), (0, 9, 0), array=CLASSES), 2, CLASSES == 2),
    ("three classes", "a.png", picture(CLASSES), None, r"has 3 values \(0, 1, 2\).*lesion_value"),
    ("three classes in 16 bits", "a.png", picture(CLASSES.astype("u2")), None, r"has 3 values \(0, 1, 2\)"),
    ("three classes in an NPY", "a.npy", npy(CLASSES * 1.5), None, r"has 3 values \(0, 1.5, 3\)"),
    ("three classes in a palette", "a.png", palette((0, 0, 0), (9, 0, 0), (0, 9, 0), array=CLASSES), None, "has 3 val"),
    ("0, 127 and 255", "a.png", picture(CLASSES * np.uint8(127)), None, r"has 3 values \(0, 127, 254\)"),
    ("1 and 2", "a.png", picture(level(1) + np.uint8(1)), None, r"has 2 values \(1, 2\)"),
    ("a colour picture", "a.png", picture(COLOUR), None, "a colour picture of several colours, which is no mask"),
    ("a colour picture, though a value is said", "a.png", picture(COLOUR), 1, "a colour picture"),
    ("a B-mode", "a.png", picture(GREY), None, r"has 256 values \(0, 1, 2, .*which is no mask"),
    ("a dark B-mode", "a.png", picture((RAMP**4 * 255).astype(np.uint8)), None, "which is no mask"),
    ("a confidence map", "a.npy", npy(RAMP), None, r"has 400 values .*which is no mask"),
    ("alpha that is the mask", "a.png", with_alpha(level(255), level(0)), None, "has an alpha channel"),
    ("alpha beside the mask", "a.png", with_alpha(level(255).T.copy()), None, "has an alpha channel.*lesion_value"),
    ("grey with alpha", "a.png", lambda p: Image.merge("LA", [Image.fromarray(level(255))] * 2).save(p), None, "alpha"),
    ("not a number", "a.npy", npy(np.where(HALF, np.nan, 0)), None, "NaN or infinite"),
    ("JPEG of 0 and 1", "a.jpg", picture(level(1), quality=100), None, "which is no mask"),
    ("classes with soft borders", "a.png", lambda p: _resized(CLASSES * np.uint8(127)).save(p), None, "is no mask"),
    ("a small third class with soft borders", "a.png", lambda p: _resized(_with_a_spot()).save(p), None, "is no mask"),
    ("JPEG of three classes", "a.jpg", picture(np.kron(CLASSES, np.ones((8, 8), "u1")) * 127), None, "is no mask"),
    ("truncated", "a.png", cut(picture(level(255)), 0.7), None, "cannot be decoded"),
    ("frame of a PNG", "a.png#1", picture(level(255)), None, "has no frames"),
]  # fmt: skip


def _resized(array) -> Image.Image:
    return Image.fromarray(array).resize((210, 210), Image.Resampling.BILINEAR)


def _with_a_spot():
    mask = level(255)
    mask[2:5, 2:5] = 127
    return mask


def _turned_mask(path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(level(255)).save(path, exif=exif)


# ---- the tables are run


def by_name(table) -> list:
    names = [line[0] for line in table]
    assert len(set(names)) == len(names)
    return [pytest.param(*line[1:], id=line[0]) for line in table]


def made(folder: Path, name: str, make: Maker | None) -> Path:
    if make is not None:
        make(folder / name.partition("#")[0])
    return folder / name


def refusal(words: str, read: Callable) -> str:
    """What is said: one line with the file, what is wrong and what to do."""
    with pytest.raises(InputError, match=words) as error:
        read()
    text = str(error.value)
    assert text.isprintable()
    assert ": " in text
    assert "; " in text, "what to do"
    return text


def test_the_table_is_long():
    assert sum(map(len, (NUMBERS, PICTURES, ARCHIVES, DICOMS, NAMES, MASKS))) >= 180


@pytest.mark.parametrize(("name", "make", "expected"), by_name([*NUMBERS, *PICTURES, *ARCHIVES, *DICOMS, *NAMES]))
def test_pixels_or_words(tmp_path, name, make, expected):
    path = made(tmp_path, name, make)
    if isinstance(expected, str):
        text = refusal(expected, lambda: read_image(path))
        assert name[:8].partition("#")[0] in text or "\\" in text
        return
    pixels = read_image(path).pixels
    assert pixels.dtype == np.float32
    assert pixels.shape == expected.shape
    assert np.allclose(pixels, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("name", "make", "value", "expected"), by_name(MASKS))
def test_a_mask_or_words(tmp_path, name, make, value, expected):
    path = made(tmp_path, name, make)
    if isinstance(expected, str):
        refusal(expected, lambda: read_mask(path, value=value, remedy="say lesion_value"))
        return
    mask = read_mask(path, value=value)
    assert mask.dtype == bool
    assert np.array_equal(mask, expected)


@pytest.mark.parametrize(
    ("name", "make", "words"), by_name([line for line in ARCHIVES if line[0].startswith(("bomb", "header"))])
)
def test_bombs_are_refused_by_their_headers_within_a_second(tmp_path, name, make, words):
    path = made(tmp_path, name, make)
    start = time.perf_counter()
    refusal(words, lambda: read_image(path))
    assert time.perf_counter() - start < 1


def test_what_may_not_be_read_is_named(tmp_path, monkeypatch):
    picture(GREY)(tmp_path / "a.png")

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Image, "open", refuse)
    refusal("a.png: may not be read; correct its permissions", lambda: read_image(tmp_path / "a.png"))
    monkeypatch.setattr(Path, "stat", refuse)
    refusal(r"a.png: cannot be reached \(Permission denied\)", lambda: read_image(tmp_path / "a.png"))


@pytest.mark.parametrize(
    ("delta", "expected"),
    [
        ((0.02, 0.03), (0.2, 0.3)),
        ((0.02, -0.02), (0.2, 0.2)),
        ((0, 0.02), "says a pixel spacing of 0 x 0.2 mm, which cannot be"),
        ((float("nan"), 0.02), "says a pixel spacing of nan x 0.2 mm"),
        ((float("inf"), 0.02), "says a pixel spacing of inf x 0.2 mm"),
        ((500.0, 500.0), "says a pixel spacing of 5000 x 5000 mm"),
        ((1e-9, 1e-9), "says a pixel spacing of 1e-08 x 1e-08 mm"),
    ],
)
def test_the_spacing_of_a_region(tmp_path, delta, expected):
    dicom(regions=[region(delta=delta)])(tmp_path / "a.dcm")
    check_spacing(tmp_path, expected)


@pytest.mark.parametrize(
    ("spacing", "expected"),
    [
        (["0.2", "0.3"], (0.2, 0.3)),
        (["0", "0"], "says a pixel spacing of 0 x 0 mm"),
        (["-0.2", "0.2"], "says a pixel spacing of -0.2 x 0.2 mm"),
        (["nan", "0.2"], "says a pixel spacing of nan x 0.2 mm"),
        (["0.2"], "says a pixel spacing that is no two numbers"),
        (None, "does not say its pixel spacing"),
    ],
)
def test_the_spacing_of_a_picture(tmp_path, spacing, expected):
    dicom(**({} if spacing is None else {"PixelSpacing": spacing}))(tmp_path / "a.dcm")
    check_spacing(tmp_path, expected)


def check_spacing(folder: Path, expected) -> None:
    """It matters only to who asks for a grid in mm; pictures are read without."""
    read = read_image(folder / "a.dcm")
    (folder / "own.csv").write_text("id,patient,source\na,a,a.dcm\n")
    data = PairedFolderDataModule(folder / "own.csv", size=(16, 16), spacing=0.2)
    if isinstance(expected, str):
        assert read.spacing is None
        assert "a.dcm" in refusal(f"{expected}.*add a column 'spacing'", data.load)
        return
    assert read.spacing == pytest.approx(expected)
    assert data.load()[1].arrays["file_spacing"][0, 0, 0].tolist() == pytest.approx(expected)


# ---- what only a set of files shows


def folder_of(root: Path, **columns) -> Path:
    """``source/0.png``, ... and what else is given: makers by column, each with an ending."""
    for column, (ending, makers) in {"source": (".png", [picture(GREY)] * 2), **columns}.items():
        (root / column).mkdir(parents=True)
        for number, make in enumerate(makers):
            make(root / column / f"{number}{ending}")
    return root


def module(root: Path, **arguments) -> PairedFolderDataModule:
    return PairedFolderDataModule(root, **({"size": (20, 20)} | arguments))


KPA = Signal(1, 0, 180, "kPa")


def test_an_empty_valid_mask_is_refused_and_an_empty_lesion_counted(tmp_path):
    masks = (".png", [picture(level(1)), picture(level(0))])
    refusal(r"row 3 \(id '1'\): valid 'valid/1.png' is empty", module(folder_of(tmp_path / "a", valid=masks)).load)
    images = module(folder_of(tmp_path / "b", lesion=masks)).load()[1]
    assert images.arrays["empty_lesion"].ravel().tolist() == [False, True]
    assert np.array_equal(images.mask("lesion", 0)[..., 0], HALF)


def test_a_lesion_of_several_classes_is_asked_about_and_said(tmp_path):
    root = folder_of(tmp_path, lesion=(".png", [picture(CLASSES)] * 2))
    with pytest.raises(
        InputError, match=r"has 3 values \(0, 1, 2\), .* say which value is the lesion by data.lesion_value"
    ):
        module(root).load()
    images = module(root, lesion_value=2).load()[1]
    assert np.array_equal(images.mask("lesion", 1)[..., 0], CLASSES == 2)
    assert not images.arrays["empty_lesion"].any()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (RAMP * 400, r"target/0.npy: values from 0 to 400, beyond the declared 0 to 180 kPa; .* data.target.low"),
        (RAMP * 180 - 1, r"target/0.npy: values from -1 to 179, beyond the declared 0 to 180 kPa"),
        (STEPS.astype(np.int64), r"target/0.npy: values from 0 to 399, beyond"),
        (SIGNED_BYTES, r"target/0.npy: values from -100 to 99, beyond"),
        (RAMP * 3, "target: all values lie from 0 to 3, under 2 % of the declared 0 to 180 kPa; .* data.target.low"),
        (RAMP * 0 + 90, "target: all values lie from 90 to 90, under 2 %"),
        (level(1), "target: all values lie from 0 to 0.705882, under 2 % .*; store them over the files' full scale"),
    ],
)
def test_values_beyond_the_declared_range_or_in_a_sliver_of_it(tmp_path, values, words):
    root = folder_of(tmp_path, target=(".npy", [npy(values)] * 2))
    with pytest.raises(InputError, match=words):
        module(root, target=KPA).load()


def test_a_range_that_is_used_is_taken_and_kept(tmp_path):
    root = folder_of(tmp_path, target=(".npy", [npy(RAMP * 3), npy(RAMP * 0 + 120)]))
    images = module(root, target=KPA).load()[1]
    assert images.arrays["target_range"][:, 0, 0].tolist() == [[0, 3], [120, 120]], "one picture may be flat"
    assert images.arrays["source_range"][0, 0, 0].tolist() == [0, 255]
    assert module(root, target=Signal(1, 0, 130, "kPa"), clip=True).load()[1].image("target", 1).max() < 1
    wide = folder_of(tmp_path / "wide", target=(".npy", [npy(RAMP * 400)] * 2))
    assert module(wide, target=KPA, clip=True).load()[1].image("target", 1).max() == 1


def test_only_trusted_values_must_lie_in_the_range(tmp_path):
    values = np.where(HALF, RAMP * 100, -999)
    root = folder_of(tmp_path, target=(".npy", [npy(values)] * 2), valid=(".npy", [npy(HALF)] * 2))
    assert module(root, target=KPA).load()[1].arrays["target_range"].min() >= 50


def test_unit_fractions_where_grey_levels_are_declared(tmp_path):
    root = folder_of(tmp_path, target=(".npy", [npy(RAMP)] * 2))
    with pytest.raises(InputError, match="all values lie from 0 to 1, under 2 % of the declared 0 to 255 grey level"):
        module(root).load()


def test_scanners_state_the_range_of_both_sides_at_once(tmp_path):
    for device in ("a", "b"):
        folder_of(tmp_path / device)
        for number in range(2):
            npy(RAMP * 400)(tmp_path / device / f"{number}.npy")
    with pytest.raises(
        InputError, match=r"a/0\.npy: values from 0 to 400, .* by data\.signal\.low and data\.signal\.high"
    ):
        DeviceFolders(tmp_path, "b", size=(20, 20)).load()


def test_the_command_line_takes_the_options(tmp_path, capsys):
    root = folder_of(tmp_path / "own", source=(".dcm", [dicom()] * 2), lesion=(".png", [picture(CLASSES)] * 2))
    command = ["fit", "--print_config", f"--config={ROOT / 'configs' / 'pix2pix.yaml'}",
               f"--config={ROOT / 'configs' / 'data' / 'folder.yaml'}", f"--data.root={root}"]  # fmt: skip
    for option in ("region=all", "region=2", "lesion_value=3", "clip=true"):
        with pytest.raises(SystemExit):
            main([*command, f"--data.{option}"])
        assert f"    {option.replace('=', ': ')}\n" in capsys.readouterr().out


def test_several_regions_are_one_of_them_all_or_none(tmp_path):
    both = dicom(regions=[region((0, 17, 0, 15)), region((2, 19, 3, 18))])
    root = folder_of(
        tmp_path, source=(".dcm", [both, dicom(regions=[region()])]), target=(".dcm", [both, dicom(regions=[region()])])
    )
    assert count_regions(root / "source" / "0.dcm") == 2
    shapes = {
        choice: dict(zip(rows["id"], images.arrays["shape"][:, 0, 0].tolist(), strict=True))
        for choice in (0, "all", "whole")
        for rows, images in [module(root, region=choice).load()]
    }
    assert shapes[0] == {"0": [18, 16], "1": [16, 16]}
    assert shapes["all"] == {"0@0": [18, 16], "0@1": [18, 16], "1": [16, 16]}
    assert shapes["whole"] == {"0": [20, 20], "1": [20, 20]}
    rows, images = module(root, region="all", size=(18, 16)).load()
    assert rows["patient"].tolist() == ["0", "0", "1"]
    assert np.allclose(images.image("target", 1)[..., 0], GREY[2:20, 3:19] / 127.5 - 1, atol=1e-4)
    with pytest.raises(InputError, match=r"1\.dcm: region 1 does not exist; it has 1 of tissue"):
        module(root, region=1).load()
    for name in ("0", "1"):
        (root / "source" / f"{name}.dcm").write_bytes(b"no")
    with pytest.raises(InputError, match="not a readable DICOM") as error:
        module(root, region="all").load()
    assert len(str(error.value).splitlines()) == 2, "all faults together"
    with pytest.raises(InputError, match="region -1: give a number from 0, 'all' or 'whole'"):
        module(root, region=-1)


def test_faults_of_one_region_name_the_row_of_the_manifest(tmp_path):
    two = [region((0, 17, 0, 15)), region((2, 19, 3, 18))]
    root = folder_of(tmp_path, source=(".dcm", [dicom(regions=two)] * 2), valid=(".png", [picture(level(1))] * 2))
    with pytest.raises(InputError, match=r"row 3 \(id '1@1'\): valid 'valid/1.png' is 20 x 20 but source is 18 x 16"):
        module(root, region="all").load()


# ---- DICOM files of seven devices

FOUND = [
    ("acuson_8frames.dcm", (202, 320), 1, 2.29375),
    ("aloka_ssd4000.dcm", (392, 304), 2, 0.382653),
    ("esaote_6100_ybr422.dcm", (480, 616), 1, 0.0616),
    ("ge_logiq700.dcm", (480, 640), 0, None),
    ("philips_cx50_3regions.dcm", (459, 680), 1, 0.330542),
    ("philips_cx50_palette.dcm", (459, 680), 1, 0.262288),
]


@pytest.mark.skipif(not DEVICES.is_dir(), reason="the devices' files are not here")
@pytest.mark.parametrize(("name", "shape", "regions", "spacing"), FOUND)
def test_files_of_real_devices(name, shape, regions, spacing):
    found = read_image(DEVICES / name)
    assert found.pixels.shape[:2] == shape
    assert 0 <= found.pixels.min() < 0.01
    assert 0.9 < found.pixels.max() <= 1
    assert found.spacing == (None if spacing is None else pytest.approx((spacing, spacing), rel=1e-4))
    assert count_regions(DEVICES / name) == regions
    if regions == 2:
        assert read_image(DEVICES / f"{name}#0@1").pixels.shape[:2] == shape


@pytest.mark.skipif(not DEVICES.is_dir(), reason="the devices' files are not here")
def test_a_lossless_jpeg_is_read_or_says_what_decodes_it():
    from pydicom.pixels import get_decoder

    path = DEVICES / "philips_epiq7c.dcm"
    if get_decoder(pydicom.dcmread(path).file_meta.TransferSyntaxUID).is_available:
        assert read_image(path).pixels.shape == (721, 997)
    else:
        refusal(r"JPEG Lossless.*pip install 'pylibjpeg\[all\]'", lambda: read_image(path))


def test_limits_hold_for_every_format(tmp_path):
    for name, make in (("a.png", picture(GREY)), ("a.npy", npy(RAMP)), ("a.dcm", dicom())):
        make(tmp_path / name)
        for limits, words in ((Limits(min_side=21), "under the limit of 21"), (Limits(16, 19), "over the limit of 19")):
            refusal(words, lambda name=name, limits=limits: read_image(tmp_path / name, limits))
