"""Files, damaged and unusual ones too, by the code that makes them; what is asked of a refusal."""

import io
import struct
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

from datamodules import InputError

SIDE = 20
STEPS = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
RAMP = STEPS / STEPS.max()
GREY = np.round(RAMP * 255).astype(np.uint8)
Maker = Callable[[Path], object]


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


HALF = RAMP > 0.5
CLASSES = (STEPS // 150).astype(np.uint8)  # 0, 1, 2
SIGNED_BYTES = (STEPS % 200 - 100).astype(np.int8)


def level(value, dtype="u1"):
    return (HALF * value).astype(dtype)


def palette(*colours, array=None) -> Maker:
    def make(path):
        image = Image.fromarray((HALF * 1).astype(np.uint8) if array is None else array)
        image.putpalette([part for colour in colours for part in colour])
        image.save(path)

    return make


def with_alpha(alpha, base=None) -> Maker:
    grey = level(255) if base is None else base
    return picture(np.dstack([grey, grey, grey, alpha]))


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
