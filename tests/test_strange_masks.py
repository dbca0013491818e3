"""Masks, a line each: what it is, what lesion_value says, and the mask that is read or the words that are said."""

import numpy as np
import pytest
from PIL import Image

from datamodules.readers import read_mask
from tests.file_makers import (
    CLASSES,
    GREY,
    HALF,
    RAMP,
    as_mode,
    by_name,
    cut,
    dicom,
    level,
    made,
    npy,
    npz,
    palette,
    picture,
    refusal,
    tiff,
    with_alpha,
)

DISC = (np.hypot(*np.mgrid[-32:32, -32:32]) < 20).astype(np.uint8)
COLOUR = np.stack([GREY, 255 - GREY, GREY // 2], 2)


def soft(scale: int = 255) -> Image.Image:
    return Image.fromarray(DISC * np.uint8(scale)).resize((97, 97), Image.Resampling.BILINEAR)


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


# (what it is, file, how it is made, what lesion_value says, the mask or the words)

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


@pytest.mark.parametrize(("name", "make", "value", "expected"), by_name(MASKS))
def test_a_mask_or_words(tmp_path, name, make, value, expected):
    path = made(tmp_path, name, make)
    if isinstance(expected, str):
        refusal(expected, lambda: read_mask(path, value=value, remedy="say lesion_value"))
        return
    mask = read_mask(path, value=value)
    assert mask.dtype == bool
    assert np.array_equal(mask, expected)
