"""Damaged and unusual files, a line each: what it is, and the value that is read or the words that are said."""

import struct
import time
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image

from datamodules.readers import Limits, count_regions, read_image
from tests.conftest import BUSI_ROOT
from tests.file_makers import (
    GREY,
    JPEG_2000,
    JPEG_LS,
    MPEG,
    RAMP,
    SIGNED_BYTES,
    STEPS,
    as_mode,
    by_name,
    cut,
    damaged_png,
    dicom,
    dicom_of,
    encoded,
    header,
    made,
    npy,
    npy_bytes,
    npz,
    pages,
    picture,
    raw,
    refusal,
    region,
    tiff,
    turned,
    zipped,
)

DEVICES = BUSI_ROOT.parent / "dicom"

# (what it is, file, how it is made, the pixels or the words)

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\nshowpage\n"
BMP_BOMB = b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 60000, 60000, 1, 24, 0, 0, 0, 0, 0, 0)

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
    ("bomb: a header of gigabytes", "a.npz", lambda p: _grown(p, zipfile.ZIP_DEFLATED), "got 16372"),
    ("bomb: by bzip2", "a.npz", lambda p: _grown(p, zipfile.ZIP_BZIP2), "method 12 is not numpy's"),
    ("bomb: 100,000 members", "a.npz", lambda p: _of_many(p, 100_000), "a zip of too many members"),
    ("bomb: a zip in a zip", "a.npz", zipped("a.npy", b"PK" + bytes(99)), "cannot be decoded"),
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


def _grown(path, compression):
    """A member whose first bytes promise a header of 4 GB, and that has many zeros of it."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("a.npy", b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1) + bytes(2**24))


def _of_many(path, members):
    """One member, listed often."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", npy_bytes(RAMP))
    whole = path.read_bytes()
    start, end = whole.index(b"PK\x01\x02"), whole.index(b"PK\x05\x06")
    directory = members * whole[start:end]
    listed = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, len(directory), start, 0)
    path.write_bytes(whole[:start] + directory + listed)


def _zip_of(path, make):
    make(path.with_suffix(".npy"))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path.with_suffix(".npy"), "a.npy")


def test_the_table_is_long():
    assert sum(map(len, (NUMBERS, PICTURES, ARCHIVES, DICOMS, NAMES))) >= 180


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
