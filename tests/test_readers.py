"""Every format reads to the values that it holds; every bad file gives one clear line."""

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom import examples
from pydicom.data import get_testdata_file

from datamodules import InputError, Signal
from datamodules.grid import Grid
from datamodules.readers import Limits, fit_channels, read_image, to_signed
from datamodules.writers import safe_name, write_image

RAMP = np.linspace(0, 1, 32 * 40).reshape(32, 40)


def save(path, array) -> str:
    Image.fromarray(array).save(path)
    return str(path)


def test_eight_and_sixteen_bit_pictures_are_fractions_of_full_scale(tmp_path):
    eight, sixteen = np.round(RAMP * 255).astype(np.uint8), np.round(RAMP * 65535).astype(np.uint16)
    for name, array, step in (("a.png", eight, 255), ("a.tif", eight, 255), ("b.tiff", sixteen, 65535),
                              ("b.png", sixteen, 65535)):  # fmt: skip
        picture = read_image(save(tmp_path / name, array))
        assert not picture.physical
        assert np.abs(picture.pixels - RAMP).max() <= 0.51 / step
    jpeg = read_image(save(tmp_path / "a.jpg", eight))
    assert np.abs(jpeg.pixels - RAMP).max() < 0.03


def test_colour_keeps_its_channels_and_grey_stored_as_colour_loses_them(tmp_path):
    colour = np.zeros((20, 20, 3), np.uint8)
    colour[..., 0] = 255
    assert read_image(save(tmp_path / "c.png", colour)).pixels.shape == (20, 20, 3)
    grey = np.repeat(np.arange(20, dtype=np.uint8)[None, :, None], 20, 0).repeat(3, 2)
    assert read_image(save(tmp_path / "g.png", grey)).pixels.shape == (20, 20)
    assert fit_channels(np.full((4, 4, 3), [1.0, 0, 0], np.float32), 1)[0, 0, 0] == pytest.approx(0.299)
    assert fit_channels(np.ones((4, 4), np.float32), 3).shape == (4, 4, 3)


def test_arrays_hold_physical_values_and_integers_fractions(tmp_path):
    kpa = Signal(1, 0, 180, "kPa")
    np.save(tmp_path / "e.npy", (RAMP * 180).astype(np.float64))
    picture = read_image(tmp_path / "e.npy")
    assert picture.physical
    assert np.allclose(to_signed(picture, kpa)[..., 0], 2 * RAMP - 1, atol=1e-6)
    np.savez(tmp_path / "e.npz", e=RAMP.astype(np.float32) * 400)
    assert to_signed(read_image(tmp_path / "e.npz"), kpa).max() == 1, "clipped at the end of the range"
    np.save(tmp_path / "u.npy", np.round(RAMP * 255).astype(np.uint8))
    assert np.allclose(to_signed(read_image(tmp_path / "u.npy"), kpa)[..., 0], 2 * RAMP - 1, atol=0.005)


@pytest.mark.parametrize(
    ("name", "shape", "spacing"),
    [
        ("ybr_color", (209, 236, 3), 0.5105),  # JPEG, 30 frames, one region
        ("palette_color", (290, 680, 3), 0.2623),  # two regions, the first of them beyond the picture's edge
        ("rgb_color", (240, 320, 3), None),
        ("jpeg2k", (480, 640, 3), None),
    ],
)
def test_real_ultrasound_dicom(name, shape, spacing):
    picture = read_image(examples.get_path(name))
    assert picture.pixels.shape == shape
    assert 0 <= picture.pixels.min() < 0.05
    assert 0.5 < picture.pixels.max() <= 1
    assert (picture.spacing is None) == (spacing is None)
    if spacing:
        assert picture.spacing == pytest.approx((spacing, spacing), abs=1e-4)


def test_the_b_mode_region_is_cut_where_the_file_says():
    dataset = pydicom.dcmread(examples.get_path("palette_color"))
    region = dataset.SequenceOfUltrasoundRegions[0]
    rgb = pydicom.pixels.apply_color_lut(dataset.pixel_array, dataset) / 65535
    top, left = region.RegionLocationMinY0, region.RegionLocationMinX0
    picture = read_image(examples.get_path("palette_color")).pixels
    assert np.allclose(picture, rgb[top : top + picture.shape[0], left : left + picture.shape[1]], atol=1 / 255)


def test_frames_of_a_cine_loop():
    path = examples.get_path("ybr_color")
    first, third = read_image(f"{path}#0").pixels, read_image(f"{path}#2").pixels
    assert np.array_equal(first, read_image(path).pixels)
    assert not np.array_equal(first, third)
    with pytest.raises(InputError, match="frame 30 does not exist; it has 30, 0 to 29"):
        read_image(f"{path}#30")


def test_big_endian_dicom():
    assert read_image(get_testdata_file("ExplVR_BigEnd.dcm", download=False)).pixels.shape == (60, 80, 3)


def test_monochrome1_is_inverted_and_stored_bits_are_the_full_scale(tmp_path):
    from pydicom.dataset import Dataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    values = np.linspace(0, 4095, 400).reshape(20, 20).astype(np.uint16)
    for kind in ("MONOCHROME1", "MONOCHROME2"):
        dataset = Dataset()
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.6.1", generate_uid()
        dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = 20, 20, 1
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
        dataset.PhotometricInterpretation, dataset.PixelData = kind, values.tobytes()
        dataset.save_as(tmp_path / f"{kind}.dcm", enforce_file_format=True)
        pixels = read_image(tmp_path / f"{kind}.dcm").pixels
        expected = values / 4095 if kind == "MONOCHROME2" else 1 - values / 4095
        assert np.allclose(pixels, expected, atol=1e-6)


def bad_files(folder) -> dict[str, str]:
    """Bad files by name, with what must be said of each."""
    save(folder / "one.png", np.zeros((1, 1), np.uint8))
    save(folder / "long.png", np.zeros((20, 9000), np.uint8))
    whole = folder / "whole.png"
    save(whole, np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8))
    (folder / "cut.png").write_bytes(whole.read_bytes()[:600])
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.png").write_text("not a picture")
    (folder / "text.dcm").write_text("not a picture")
    (folder / "notes.txt").write_text("a note")
    np.save(folder / "nan.npy", np.where(RAMP > 0.5, np.nan, RAMP))
    np.save(folder / "inf.npy", np.where(RAMP > 0.9, np.inf, RAMP))
    np.save(folder / "cube.npy", np.zeros((20, 20, 20)))
    np.save(folder / "objects.npy", np.array([{"a": 1}] * 4, dtype=object), allow_pickle=True)
    return {
        "absent.png": "no such file",
        "one.png": "1 x 1 pixels, under the limit of 16",
        "long.png": "20 x 9000 pixels, over the limit of 8192",
        "cut.png": "cannot be decoded",
        "empty.png": "the file is empty",
        "text.png": "cannot be decoded",
        "text.dcm": "not a readable DICOM",
        "notes.txt": "unknown file type",
        "nan.npy": "values are NaN or infinite",
        "inf.npy": "values are NaN or infinite",
        "cube.npy": "array of shape",
        "objects.npy": "cannot be decoded",
    }


def test_every_bad_file_gives_one_line_with_its_name(tmp_path):
    for name, message in bad_files(tmp_path).items():
        with pytest.raises(InputError, match=message) as error:
            read_image(tmp_path / name)
        text = str(error.value)
        assert name in text
        assert "\n" not in text
        assert ";" in text, "what to do"


def test_a_huge_picture_is_refused_by_its_header_and_the_limit_can_be_raised(tmp_path):
    Image.new("1", (20_000, 20_000)).save(tmp_path / "huge.png")
    with pytest.raises(InputError, match=r"huge\.png.*8192.*raise limits\.max_side"):
        read_image(tmp_path / "huge.png")
    save(tmp_path / "long.png", np.zeros((20, 9000), np.uint8))
    assert read_image(tmp_path / "long.png", Limits(max_side=10_000)).pixels.shape == (20, 9000)


@pytest.mark.parametrize(("ending", "step"), [(".png", 255), (".tif", 65535), (".npy", 1e6)])
def test_what_is_written_reads_back(tmp_path, ending, step):
    kpa = Signal(1, 20, 180, "kPa")
    image = (2 * RAMP - 1)[..., None].astype(np.float32)
    write_image(tmp_path / f"e{ending}", image, kpa)
    read = to_signed(read_image(tmp_path / f"e{ending}"), kpa)
    assert np.abs(read - image).max() <= 1.1 / step
    assert [path.name for path in tmp_path.iterdir()] == [f"e{ending}"], "no temporary file stays"


def test_a_failed_write_leaves_nothing(tmp_path):
    from datamodules.writers import write_atomically

    def fail(file):
        file.write(b"half")
        raise RuntimeError("disk")

    (tmp_path / "a").write_text("old")
    with pytest.raises(RuntimeError):
        write_atomically(tmp_path / "a", fail)
    assert (tmp_path / "a").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_names_are_safe():
    assert safe_name("../../etc/passwd") == "etc_passwd"
    assert safe_name("benign (1)") == "benign_(1)"


def test_the_physical_grid_keeps_scale_and_cuts_or_pads():
    image = np.zeros((100, 100, 1), np.float32)
    image[20:40, 40:60] = 1  # 10 mm wide at 0.5 mm a pixel
    small = Grid((40, 30), spacing=1.0).resample(image, (0.5, 0.5), fill=-1.0)
    assert small.shape == (40, 30, 1)
    rows, columns = np.nonzero(small[..., 0] > 0.5)
    assert (rows.max() - rows.min() + 1, columns.max() - columns.min() + 1) == (10, 10)
    assert abs(columns.mean() - 14.5) <= 0.5, "about the middle"
    wide = Grid((40, 80), spacing=1.0).resample(image, (0.5, 0.5), fill=-1.0)
    assert (wide[:, :15] == -1).all()
    assert (wide[:, 65:] == -1).all()


def test_shrinking_is_antialiased_and_masks_stay_masks():
    stripes = np.tile(np.array([0.0, 1.0], np.float32), 32)[None, :, None].repeat(64, 0)
    assert np.abs(Grid((16, 16)).resample(stripes, None, 0) - 0.5).max() < 0.05
    assert set(np.unique(Grid((16, 16)).resample(stripes, None, 0, nearest=True))) <= {0, 1}
