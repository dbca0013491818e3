"""Whatever the bytes of a file are: an InputError of one line, or values that a picture can have; nothing else."""

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from datamodules import InputError
from datamodules.readers import Limits, Picture, read_image, read_mask
from tests.file_makers import GREY, RAMP, dicom, npy, npz, picture, region, tiff, with_alpha

LIMITS = Limits(min_side=1, max_side=64)  # so that a promised side cannot cost time
FORMATS = {
    "grey.png": picture(GREY),
    "alpha.png": with_alpha(GREY),
    "wide.png": picture((RAMP * 65535).astype(np.uint16)),
    "grey.jpg": picture(GREY),
    "grey.bmp": picture(GREY),
    "grey.tif": picture(GREY),
    "packed.tif": picture(GREY, compression="tiff_lzw"),
    "signed.tif": tiff((RAMP * 999 - 400).astype("<i2"), 16, 2),
    "floats.npy": npy(RAMP),
    "levels.npy": npy(GREY),
    "packed.npz": npz(np.savez_compressed, a=RAMP),
    "plain.npz": npz(a=GREY),
    "grey.dcm": dicom(regions=[region()]),
    "signed.dcm": dicom((RAMP * 999 - 400).astype(np.int16), RescaleSlope="2", RescaleIntercept="1"),
}
ENDINGS = sorted({Path(name).suffix for name in FORMATS})
quick = settings(
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def check(path: Path) -> None:
    """The property. A mask is read too, since it takes other ways."""
    for read in (read_image, read_mask):
        found = found_or_said(read, path)
        if isinstance(found, str):
            assert found.isprintable(), "one line"
            assert found.startswith(f"{path}: ")
            assert "; " in found, "what to do"
            continue
        pixels = found.pixels if isinstance(found, Picture) else found
        assert pixels.ndim == 2 or pixels.shape[2:] == (3,)
        assert max(pixels.shape[:2]) <= LIMITS.max_side
        if isinstance(found, Picture):
            assert pixels.dtype == np.float32
            assert np.isfinite(pixels).all()
            assert found.physical or (pixels.min() >= 0 and pixels.max() <= 1)
        else:
            assert pixels.dtype == bool


def found_or_said(read: Callable, path: Path) -> Picture | np.ndarray | str:
    """What is read, or the words of an InputError."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return read(path, LIMITS)
        except InputError as error:
            return str(error)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole")
    for name, make in FORMATS.items():
        make(folder / name)
    return {name: (folder / name).read_bytes() for name in FORMATS}


EDITS = st.lists(
    st.tuples(
        st.sampled_from(["set", "cut", "insert", "drop"]), st.integers(0, 999), st.binary(min_size=1, max_size=4)
    ),
    min_size=1,
    max_size=4,
)


def edited(data: bytes, edits: list[tuple[str, int, bytes]]) -> bytes:
    """``data`` after small damages, each at some thousandths of its length cubed: most where headers are."""
    for kind, thousandths, value in edits:
        at = int((thousandths / 1000) ** 3 * len(data))
        after = {"set": data[at + len(value) :], "cut": b"", "insert": data[at:], "drop": data[at + len(value) :]}[kind]
        data = data[:at] + (b"" if kind == "drop" else value) + after
    return data


@pytest.mark.parametrize("name", FORMATS)
@settings(quick, max_examples=150)
@given(edits=EDITS)
def test_damaged_files(tmp_path, whole, name, edits):
    (tmp_path / name).write_bytes(edited(whole[name], edits))
    check(tmp_path / name)


@pytest.mark.parametrize("ending", ENDINGS)
@settings(quick, max_examples=80)
@given(data=st.binary(min_size=1, max_size=200), name=st.sampled_from(sorted(FORMATS)), percent=st.integers(0, 20))
def test_random_bytes_after_any_beginning(tmp_path, whole, ending, data, name, percent):
    path = tmp_path / f"a{ending}"
    path.write_bytes(whole[name][: percent * len(whole[name]) // 100] + data)
    check(path)


NUMBERS = [f"{order}{kind}{size}" for order in "<>" for kind, sizes in (("i", "1248"), ("u", "1248"), ("f", "248"))
           for size in sizes]  # fmt: skip


@settings(quick, max_examples=150)
@given(raw=arrays.arrays("<i8", (5, 7), elements=st.integers(-(2**63), 2**63 - 1)), dtype=st.sampled_from(NUMBERS))
def test_every_number_is_the_one_that_was_stored(tmp_path, raw, dtype):
    with np.errstate(all="ignore"):
        array = (raw / 1000 if "f" in dtype else raw).astype(dtype)
    np.save(tmp_path / "a.npy", array)
    with np.errstate(all="ignore"):
        finite = np.isfinite(array.astype(np.float32)).all()
    found = found_or_said(read_image, tmp_path / "a.npy")
    if not finite:
        assert "values are NaN or infinite" in found
        return
    full_scale = {"|u1": 255, "<u2": 65535, ">u2": 65535}.get(array.dtype.str)
    assert found.physical == (full_scale is None)
    assert np.allclose(found.pixels, array.astype(np.float64) / (full_scale or 1), rtol=1e-6, atol=1e-30)


@settings(quick, max_examples=60)
@given(
    array=arrays.arrays(st.sampled_from([np.uint8, ">u2", np.int32, np.float32]), (5, 7), elements=st.integers(0, 3)),
    value=st.integers(0, 3),
)
def test_every_mask_is_what_was_meant_or_is_asked_about(tmp_path, array, value):
    np.save(tmp_path / "a.npy", array)
    values = set(array.ravel().tolist())
    assert np.array_equal(read_mask(tmp_path / "a.npy", LIMITS, value=value), array == value)
    if len(values) == 1 or (len(values) == 2 and 0 in values):
        assert np.array_equal(read_mask(tmp_path / "a.npy", LIMITS), array > 0)
    else:
        with pytest.raises(InputError, match=f"has {len(values)} values"):
            read_mask(tmp_path / "a.npy", LIMITS)
