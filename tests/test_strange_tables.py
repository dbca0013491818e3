"""Damaged and unusual manifests and folders, a line each: what it is, and what is read or the words that refuse it."""

import codecs
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from datamodules import BUSI, DeviceFolders, InputError, PairedFolderDataModule
from datamodules.manifest import read_manifest
from datamodules.tables import LINE, read_table

HEAD = "id,patient,source,target\n"
A, B = "a,p,source/a.png,target/a.png\n", "b,q,source/b.png,target/b.png\n"
PLAIN = HEAD + A + B
PATIENTS = {"patient": ["p", "q"]}
LABELS = "id,patient,source,label\n"
LA, LB = "a,p,source/a.png,", "b,q,source/b.png,"
SPLITS = "id,patient,source,split\n"
FILES = {"source": ["source/a.png", "source/b.png"], "target": ["target/a.png", "target/b.png"]}

# By what it is: the text or the bytes, and the columns that are read or a part of the one line that is printed.
TABLES: dict[str, tuple[str | bytes, dict[str, list[str]] | str]] = {
    "plain": (PLAIN, PATIENTS | FILES),
    "names like missing values": (PLAIN.replace(",p,", ",NA,").replace(",q,", ",null,"), {"patient": ["NA", "null"]}),
    "names like one number": (PLAIN.replace(",p,", ",001,").replace(",q,", ",1,"), {"patient": ["001", "1"]}),
    "names like dates and floats": (
        PLAIN.replace(",p,", ",1e3,").replace(",q,", ",1000.0,"),
        {"patient": ["1e3", "1000.0"]},
    ),
    "a space after a patient": (PLAIN.replace(",q,", ",p ,"), {"patient": ["p", "p"]}),
    "a patient on two sides but for a space": (
        SPLITS + LA + "train\n" + LB.replace("q", "p ") + "test\n",
        "m.csv: patient 'p' is in the splits test and train",
    ),
    "spaces everywhere": (PLAIN.replace(",", " , "), PATIENTS | FILES),
    "no-break spaces and tabs": (PLAIN.replace(",p,", ",\u00a0p\t,"), PATIENTS),
    "a comma at the end of every row": (HEAD + A.replace("\n", ",\n") + B.replace("\n", ",\n"), PATIENTS | FILES),
    "a comma at the end of the header": (PLAIN.replace("target\n", "target,\n"), PATIENTS | FILES),
    "commas at the end of all lines": (PLAIN.replace("\n", ",,\n"), PATIENTS | FILES),
    "a cell too many": (HEAD + A + B.replace("\n", ",x\n"), "m.csv row 3: has 5 fields but the header 4"),
    "a cell too few": (HEAD + A + "b,source/b.png,target/b.png\n", "m.csv row 3: has 3 fields but the header 4"),
    "a comma in a name": (HEAD + A + B.replace("q", "q, jr"), "m.csv row 3: has 5 fields but the header 4"),
    "a comma in a quoted name": (HEAD + A + B.replace("q", '"q, jr"'), {"patient": ["p", "q, jr"]}),
    "quotes after a space": (HEAD + A + B.replace(",q,", ', "q, jr",'), {"patient": ["p", "q, jr"]}),
    "a line break in a quoted name": (
        HEAD + A.replace("p", '"p\np"', 1) + B.replace("b.png", "c.png", 1),
        "m.csv row 4: source 'source/c.png' does not exist",
    ),
    "a quote that does not end": (
        HEAD + A + B.replace("q", '"q'),
        r"m.csv: not a readable CSV \(row 3: unexpected end",
    ),
    "text after a quote": (HEAD + A + B.replace("q", '"q"r'), r"not a readable CSV \(row 3: ',' expected after"),
    "a row of empty cells, as spreadsheets write": (PLAIN + ",,,\n,,,\n", PATIENTS),
    "empty lines above and between": ("\n\n" + HEAD + "\n" + A + "\n" + B, PATIENTS),
    "a fault below empty lines": (
        "\n" + HEAD + "\n" + A + "\n" + B.replace(",q,", ",,"),
        "m.csv row 6: 'patient' is emp",
    ),
    "semicolons": (PLAIN.replace(",", ";"), PATIENTS | FILES),
    "tabs": (PLAIN.replace(",", "\t"), PATIENTS | FILES),
    "bars": (
        PLAIN.replace(",", "|"),
        r"m.csv: its header 'id\|patient\|source\|target' has none of id, patient, source",
    ),
    "Windows line ends": (PLAIN.replace("\n", "\r\n"), PATIENTS | FILES),
    "old line ends": (PLAIN.replace("\n", "\r"), PATIENTS | FILES),
    "no line end": (PLAIN.rstrip(), PATIENTS | FILES),
    "a UTF-8 mark": (codecs.BOM_UTF8 + PLAIN.encode(), PATIENTS | FILES),
    "UTF-16, as spreadsheets save it": (PLAIN.replace(",", "\t").encode("utf-16"), PATIENTS | FILES),
    "UTF-16 without a mark": (PLAIN.encode("utf-16-le"), r"m.csv: not a readable CSV \(row 1 holds a NUL byte\)"),
    "another alphabet": (PLAIN.replace(",p,", ",Παύλος,"), {"patient": ["Παύλος", "q"]}),
    "Latin-1": (PLAIN.replace(",q,", ",qué,").encode("latin-1"), r"m.csv: not a readable CSV \(row 3: invalid contin"),
    "a NUL byte": (PLAIN.replace("q", "q\0", 1), r"m.csv: not a readable CSV \(row 3 holds a NUL byte\)"),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", r"m.csv: not a readable CSV \(row 1: invalid start byte\)"),
    "nothing": (b"", "m.csv: the file is empty; write a header and a row an image"),
    "line ends alone": ("\n\n\n", "m.csv: the file is empty"),
    "a header alone": (HEAD, "m.csv: has no rows; list at least one image a row"),
    "a doubled column": (PLAIN.replace("target\n", "source\n"), "m.csv: column 'source' stands twice in the header"),
    "a column doubled but for capitals": (PLAIN.replace("target", "Source", 1), "column 'source' stands twice"),
    "a header in capitals": (PLAIN.replace("id,patient", "ID,Patient"), PATIENTS),
    "no header": (A + B, "m.csv: its header 'a, p, source/a.png, target/a.png' has none of id, patient, source; add"),
    "a header without patients": (PLAIN.replace("patient", "name"), "m.csv: column 'patient' is missing; add it to"),
    "pandas' own numbers": (f",{HEAD}0,{A}1,{B}", PATIENTS | FILES),
    "a column without a name": (f",{HEAD}x,{A}y,{B}", "m.csv: column 1 has no name; name it in the header, or drop it"),
    "an empty column without a name": ("id,,patient,source\na,,p,source/a.png\n", {"patient": ["p"]}),
    "a column of one's own": ("id,patient,source,age\na,p,source/a.png,61\n", {"age": ["61"]}),
    "labels in capitals": (LABELS + LA + "Benign\n" + LB + "MALIGNANT \n", {"label": ["benign", "malignant"]}),
    "labels as numbers": (
        LABELS + LA + "0\n" + LB + "0\n",
        "m.csv row 2: label '0' is none of .*, as in 1 more rows; write what it stands for, such as benign for 0 and",
    ),
    "another label": (LABELS + LA + "benign\n" + LB + "cyst\n", "m.csv row 3: label 'cyst' is none of benign, malig"),
    "half of the labels": (LABELS + LA + "benign\n" + LB + "\n", "m.csv row 3: 'label' is empty while other rows have"),
    "splits in capitals": (SPLITS + LA + "Train\n" + LB + " TEST\n", {"split": ["train", "test"]}),
    "another split": (SPLITS + LA + "train\n" + LB + "dev\n", "m.csv row 3: split 'dev' is none of train, val, test"),
    "an id twice but for a space": (
        HEAD + A + B.replace("b,", "a ,", 1),
        "m.csv row 3: id 'a' stands in an earlier ro",
    ),
    "half of the targets": (HEAD + A + "b,q,source/b.png,\n", "m.csv row 3: 'target' is empty while other rows have"),
    "a missing picture": (PLAIN.replace("source/b", "source/c"), "m.csv row 3: source 'source/c.png' does not exist"),
    "a folder": (PLAIN.replace("source/b.png", "source"), "m.csv row 3: source 'source' does not exist"),
    "a path that leaves": (PLAIN.replace("source/b", "../b"), "m.csv row 3: source '../b.png' leaves the dataset's"),
    "a path of 5,000 letters": (PLAIN.replace("source/b", 5000 * "b"), r"row 3: source 'b{200}\.\.\.' does not exist"),
    "a picture's link to nothing": (
        PLAIN.replace("source/b", "source/gone"),
        "m.csv row 3: source 'source/gone.png' is a link to 'nowhere.png', which is not there",
    ),
    "a cell of 200,000 letters": (
        PLAIN.replace("q", 200_000 * "q", 1),
        r"not a readable CSV \(row 3: field larger than",
    ),
    "a header of 200,000 letters": (200_000 * "x", r"m.csv: not a readable CSV \(row 1: field larger than field limit"),
    "masks with spaces between": (
        "id,patient,source,lesion\na,p,source/a.png, source/a.png ; source/b.png ;\n",
        {"lesion": ["source/a.png;source/b.png;"]},
    ),
}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Two pairs, and a link to nothing."""
    folder = tmp_path_factory.mktemp("pictures")
    for side in ("source", "target"):
        (folder / side).mkdir()
        for number, name in enumerate("ab"):
            Image.new("L", (16, 16), 50 + number).save(folder / side / f"{name}.png")
    (folder / "source" / "gone.png").symlink_to("nowhere.png")
    return folder


@pytest.mark.parametrize("what", TABLES)
def test_manifest(what, pictures):
    written, expected = TABLES[what]
    path = pictures / "m.csv"
    path.write_bytes(written.encode() if isinstance(written, str) else written)
    if isinstance(expected, str):
        with pytest.raises(InputError, match=expected) as error:
            read_manifest(path)
        assert len(str(error.value).splitlines()) == 1
        return
    rows = read_manifest(path).rows
    assert {column: rows[column].tolist() for column in expected} == expected


PIECES = st.sampled_from(
    [b"id", b"patient", b"source", b",", b";", b"\t", b"\n", b"\r", b'"', b" ", b"\0", b"\xff", b"a"]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES | st.binary(max_size=4), max_size=40).map(b"".join))
def test_any_bytes_are_a_table_of_text_or_are_refused(tmp_path_factory, raw):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(raw)
    try:
        table = read_table(path, ("id", "patient", "source"))
    except InputError:
        return
    cells = table.drop(columns=LINE).to_numpy().ravel().tolist()
    assert all(isinstance(cell, str) and cell == cell.strip() for cell in cells)
    assert table[LINE].is_monotonic_increasing


# By what it is: the files of a folder of pairs and what stands in "lesion" and "valid" of "a", or the words.
PAIRS = ["source/a.png", "source/b.png", "target/a.png", "target/b.png"]
FOLDERS: dict[str, tuple[list[str], tuple[str, str] | str]] = {
    "pairs alone": (PAIRS, ("", "")),
    "masks by name": ([*PAIRS, "lesion/a.png", "valid/a.png"], ("lesion/a.png", "valid/a.png")),
    "a mask of another format": ([*PAIRS, "lesion/a.bmp"], ("lesion/a.bmp", "")),
    "a mask beside the picture": ([*PAIRS, "source/a_mask.png"], ("source/a_mask.png", "")),
    "two masks beside the picture": (
        [*PAIRS, "source/a_mask.png", "source/a_mask_1.png"],
        ("source/a_mask.png;source/a_mask_1.png", ""),
    ),
    "BUSI's names in the masks' folder": (
        [*PAIRS, "lesion/a_mask.png", "lesion/a_mask_1.png"],
        ("lesion/a_mask.png;lesion/a_mask_1.png", ""),
    ),
    "masks in both places": ([*PAIRS, "lesion/a.png", "source/a_mask.png"], ("lesion/a.png;source/a_mask.png", "")),
    "a mask beside no picture": (
        [*PAIRS, "source/c_mask.png"],
        "source/c_mask.png: belongs to no picture: there is no",
    ),
    "a lesion of no picture": ([*PAIRS, "lesion/c.png"], "lesion/c.png: belongs to no picture: there is no 'c'"),
    "a valid mask of no picture": ([*PAIRS, "valid/A.png"], "valid/A.png: belongs to no picture: there is no 'A'"),
    "a mask beside a target": ([*PAIRS, "target/a_mask.png"], "'a_mask' stands in only one of source/ and target/"),
    "a folder 'masks'": ([*PAIRS, "masks/a.png"], "masks: is not read under this name; call it as what it is, source"),
    "a folder in capitals": ([*PAIRS, "Lesion/a.png"], "Lesion: is not read under this name"),
    "hidden files, as some systems leave": ([*PAIRS, "source/._a.png", "lesion/._a.png"], ("", "")),
    "other files": ([*PAIRS, "source/notes.txt", "source/Thumbs.db", "about.png"], ("", "")),
    "endings in capitals": (["source/a.PNG", "target/a.Png", "lesion/a.PNG"], ("lesion/a.PNG", "")),
    "two pictures of one name": ([*PAIRS, "source/a.bmp"], "a.png: 'a.bmp' has the same name; keep one of them"),
    "a target alone": ([*PAIRS, "target/c.png"], "'c' stands in only one of source/ and target/"),
    "masks alone": (["source/a_mask.png"], "a_mask.png: belongs to no picture: there is no 'a'"),
    "no pictures": (["target/a.png"], "source: holds no images; put the source pictures there"),
    "a link to nothing": (
        [*PAIRS, "lesion/a.png -> gone.png"],
        "lesion/a.png: is a link to 'gone.png', which is not th",
    ),
    "a link to itself": ([*PAIRS, "lesion/a.png -> a.png"], "lesion/a.png: is a link to 'a.png', which is not there"),
    "a link to a picture": ([*PAIRS, "lesion/a.png -> ../source/a.png"], ("lesion/a.png", "")),
    "a link out of the folder": ([*PAIRS, "lesion/a.png -> /etc/passwd"], "lesion 'lesion/a.png' leaves the dataset's"),
    "a name that is not UTF-8": (
        [*PAIRS, os.fsdecode(b"source/\xff.png")],
        r"'\\udcff.png' is no name that a table can hold",
    ),
    "a name with a line break": ([*PAIRS, "source/a\nb.png"], r"'a\\nb.png' is no name that a table can hold"),
    "a folder called like a picture": ([*PAIRS, "lesion/a.png/x.png"], ("", "")),
}


def put(root, names) -> None:
    """Pictures, and links where a name has an arrow."""
    for name in names:
        name, _, goal = name.partition(" -> ")
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        if goal:
            (root / name).symlink_to(goal)
        else:
            Image.new("L", (16, 16)).save(root / name, format="PNG")


@pytest.mark.parametrize("what", FOLDERS)
def test_folder_of_pairs(what, tmp_path):
    names, expected = FOLDERS[what]
    put(tmp_path, names)
    if isinstance(expected, str):
        with pytest.raises(InputError, match=expected) as error:
            PairedFolderDataModule(tmp_path).manifest()
        assert len(str(error.value).splitlines()) == 1
        return
    row = PairedFolderDataModule(tmp_path).manifest().rows.iloc[0]
    assert (row["lesion"], row["valid"]) == expected


def test_patients_of_file_names_are_stripped_too(tmp_path):
    put(tmp_path, ["source/q0_1.png", "source/q0 _2.png"])
    assert PairedFolderDataModule(tmp_path, patient_separator="_").manifest().rows["patient"].tolist() == ["q0", "q0"]


# The same of a folder with a folder a device, where both images of each are listed.
SCANS = [f"{device}/{name}.png" for device in ("one", "two") for name in "ab"]
DEVICES: dict[str, tuple[list[str], list[str] | str]] = {
    "no masks": (SCANS, ["", "", "", ""]),
    "masks beside the pictures": (
        [*SCANS, "one/a_mask.png", "one/a_mask_1.png", "two/b_mask.png"],
        ["one/a_mask.png;one/a_mask_1.png", "", "", "two/b_mask.png"],
    ),
    "masks in a folder": ([*SCANS, "one/lesion/b.png"], ["", "one/lesion/b.png", "", ""]),
    "a mask of another device's picture": (
        [*SCANS, "one/c.png", "two/c_mask.png"],
        "two/c_mask.png: belongs to no pict",
    ),
    "a lesion of no picture": ([*SCANS, "two/lesion/c.png"], "two/lesion/c.png: belongs to no picture"),
    "a folder 'masks'": (
        [*SCANS, "two/masks/a.png"],
        "two/masks: is not read under this name; call it as what it is, les",
    ),
}


@pytest.mark.parametrize("what", DEVICES)
def test_folder_of_devices(what, tmp_path):
    names, expected = DEVICES[what]
    put(tmp_path, names)
    data = DeviceFolders(tmp_path, target_device="two")
    if isinstance(expected, str):
        with pytest.raises(InputError, match=expected):
            data.manifest()
    else:
        assert data.manifest().rows["lesion"].tolist() == expected


# And of BUSI's layout.
BENIGN = ["benign/benign (1).png", "benign/benign (2).png"]
RELEASED: dict[str, tuple[list[str], list[str] | str]] = {
    "no masks": (BENIGN, ["", ""]),
    "two lesions": (
        [*BENIGN, "benign/benign (2)_mask.png", "benign/benign (2)_mask_1.png"],
        ["", "benign/benign (2)_mask.png;benign/benign (2)_mask_1.png"],
    ),
    "a mask of no picture": (
        [*BENIGN, "benign/benign (3)_mask.png"],
        "belongs to no picture: there is no 'benign .3.'",
    ),
    "a link to nothing": (
        [*BENIGN, "benign/benign (3).png -> gone.png"],
        "is a link to 'gone.png', which is not there",
    ),
    "another picture": ([*BENIGN, "benign/cover.png"], ["", ""]),
}


@pytest.mark.parametrize("what", RELEASED)
def test_busi(what, tmp_path):
    names, expected = RELEASED[what]
    put(tmp_path, names)
    if isinstance(expected, str):
        with pytest.raises(InputError, match=expected):
            BUSI(tmp_path).manifest()
    else:
        assert BUSI(tmp_path).manifest().rows["lesion"].tolist() == expected
