"""Sets of films and figures with lists beside them: MIMIC-CXR, Open-i's tables, ROCO, NLM, CBIS."""

from __future__ import annotations

import csv
import gzip
import io
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components.cards import Card
from components.errors import UserError
from components.readers.registry import check_reader, read_rows
from components.records import OUTSIDE
from components.sample.dicom import encode_dicom
from components.sample.settings import SampleSettings
from components.sample.world import make_source
from tests.components.readers.conftest import Split

Read = Callable[[str, Path], Split]
REPORT = " FINDINGS:  Clear ___ lungs.\n \n IMPRESSION:\n Normal.\n"


def draw(path: Path, shade: int = 5) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (4, 4), shade).save(path)


def write_csv(path: Path, rows: list[list[Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    content = text.getvalue().encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def write_mimic(root: Path, rows: list[list[Any]], reports: str = "files") -> None:
    write_csv(
        root / "mimic-cxr-2.0.0-split.csv.gz",
        [["dicom_id", "study_id", "subject_id", "split"], *rows],
    )
    study = root / "files/p10/p10000032/s50414267"
    draw(study / "02aa804e.jpg")
    draw(study / "174413ec.jpg", 9)
    report = root / reports / "p10/p10000032/s50414267.txt"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(REPORT)


@pytest.mark.parametrize("reports", ["files", "mimic-cxr-reports/files"])
def test_mimic_films_carry_their_studys_report(tmp_path: Path, read: Read, reports: str) -> None:
    rows = [
        ["02aa804e", "50414267", "10000032", "train"],
        ["174413ec", "50414267", "10000032", "validate"],
    ]
    write_mimic(tmp_path, rows, reports)
    metadata = [["dicom_id", "ViewPosition"], ["02aa804e", "PA"]]
    write_csv(tmp_path / "mimic-cxr-2.0.0-metadata.csv.gz", metadata)
    found, rejects = read("mimic_cxr_report", tmp_path)
    assert rejects == []
    assert [(row.id, row.split, row.category) for row in found] == [
        ("02aa804e", "train", "PA"), ("174413ec", "validation", ""),
    ]  # fmt: skip
    assert {(row.fields["caption"], row.group) for row in found} == {
        ("Clear ___ lungs. Normal.", "p10000032")
    }


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (["02aa804e", "50414267", "10000032", "dev"], "unknown-split"),
        (["02aa804e", "50414267", "10000033", "train"], "patients-disagree"),
        (["02aa804e", "5", "10000032", "train"], "missing-report"),
        (["absent", "50414267", "10000032", "train"], "missing-image"),
        (["../../../../../secret", "50414267", "10000032", "train"], "path-outside"),
        (["02aa804e", "50414267", "", "train"], "missing-subject_id"),
        (["02aa804e", "50414267"], "wrong-number-of-cells"),
    ],
)
def test_mimic_lines_that_cannot_be_used_are_named(
    tmp_path: Path, read: Read, row: list[str], reason: str
) -> None:
    draw(tmp_path / "secret.jpg")
    root = tmp_path / "raw"
    write_mimic(root, [["174413ec", "50414267", "10000032", "test"], row])
    found, rejects = read("mimic_cxr_report", root)
    assert [item.split for item in found] == ["test"]
    origin = "mimic-cxr-2.0.0-split.csv.gz#2"
    assert [(reject.origin, reject.reason) for reject in rejects] == [(origin, reason)]


def test_mimic_reports_without_sections_are_outside(tmp_path: Path, read: Read) -> None:
    write_mimic(tmp_path, [["02aa804e", "50414267", "10000032", "train"]])
    report = tmp_path / "files/p10/p10000032/s50414267.txt"
    report.write_text(" WET READ: nothing.\n")
    assert [reject.reason for reject in read("mimic_cxr_report", tmp_path)[1]] == [OUTSIDE]
    write_csv(tmp_path / "mimic-cxr-2.0.0-split.csv.gz", [["dicom_id", "study"], ["a", "1"]])
    with pytest.raises(UserError, match="has no column"):
        read("mimic_cxr_report", tmp_path)


REPORTS = ["uid", "MeSH", "Problems", "image", "indication", "comparison", "findings", "impression"]


def write_openi(root: Path, films: list[list[Any]]) -> None:
    rows = [
        [1, "normal", "normal", "Xray Chest PA", "", "None.", "Clear,\nXXXX lungs.", "Normal."],
        [2, "", "", "", "", "", "", ""],
    ]
    write_csv(root / "indiana_reports.csv", [REPORTS, *rows])
    write_csv(root / "indiana_projections.csv", [["uid", "filename", "projection"], *films])
    draw(root / "images/images_normalized/1_IM-0001-4001.dcm.png")


def test_openi_as_tables(tmp_path: Path, read: Read) -> None:
    films = [
        [1, "1_IM-0001-4001.dcm.png", "Frontal"],
        [1, "1_IM-0001-3001.dcm.png", "Lateral"],
        [2, "1_IM-0001-4001.dcm.png", "Frontal"],
        [3, "1_IM-0001-4001.dcm.png", "Frontal"],
        [1, "../../indiana_reports.csv", "Frontal"],
        [1, "", "Frontal"],
    ]
    write_openi(tmp_path, films)
    rows, rejects = read("iu_xray", tmp_path)
    assert [(row.fields["caption"], row.group, row.category) for row in rows] == [
        ("Clear, XXXX lungs. Normal.", "1", "frontal")
    ]
    assert rows[0].attributes == {"view": "frontal"}
    assert [reject.reason for reject in rejects] == [
        "missing-image", "empty-caption", "missing-report", "path-outside", "missing-filename",
    ]  # fmt: skip
    assert rejects[0].origin == "indiana_projections.csv#2"
    (tmp_path / "indiana_projections.csv").unlink()
    with pytest.raises(UserError, match="no projections file"):
        read("iu_xray", tmp_path)


def write_roco(root: Path) -> Path:
    part = root / "data/train/radiology"
    for number in range(1, 4):
        draw(part / f"images/ROCO_0000{number}.jpg", number)
    (part / "captions.txt").write_text(
        "".join(f"ROCO_0000{n}\t Figure {n}.\n" for n in range(1, 6))
    )
    licences = ["CC BY", "CC BY-ND", "NO-CC CODE"]
    lines = [f"ROCO_0000{n},PMC77_a-g{n}.jpg,{cc}\n" for n, cc in enumerate(licences, start=1)]
    (part / "licences.txt").write_text("".join(["ROCO_ID,PMC_ID,CC\n", *lines]))
    return part


def test_roco_takes_what_its_licences_allow(tmp_path: Path, read: Read) -> None:
    part = write_roco(tmp_path)
    draw(part / "images/ROCO_00004.jpg")
    rows, rejects = read("roco", tmp_path)
    assert [(row.fields["caption"], row.group) for row in rows] == [("Figure 1.", "PMC77")]
    assert [(r.origin.rpartition("#")[2], r.reason, r.detail) for r in rejects[:2]] == [
        ("2", OUTSIDE, "licence CC BY-ND"), ("3", OUTSIDE, "licence NO-CC CODE"),
    ]  # fmt: skip
    assert [reject.reason for reject in rejects[2:]] == ["missing-licence", "missing-image"]
    (part / "licences.txt").write_text("ID,CC\nROCO_00001,CC BY\n")
    with pytest.raises(UserError, match="has no column"):
        read("roco", tmp_path)


def test_real_roco_lists_are_read_line_by_line(
    shared_data: Path, tmp_path: Path, read: Read
) -> None:
    """The images are not there; with pictures in their place every line is a pair."""
    real = shared_data / "roco/data/validation/radiology"
    part = tmp_path / "data/validation/radiology"
    part.mkdir(parents=True)
    for name in ("captions.txt", "licences.txt"):
        (part / name).symlink_to(real / name)
    _, rejects = read("roco", tmp_path)
    assert Counter(reject.reason for reject in rejects) == {"missing-image": 600}
    for line in (real / "captions.txt").read_text().splitlines():
        draw(part / "images" / f"{line.partition(chr(9))[0]}.jpg")
    rows, rejects = read("roco", tmp_path)
    assert (len(rows), rejects) == (600, [])
    assert all(row.group.startswith("PMC") for row in rows)


@pytest.mark.parametrize(
    ("name", "folder", "prefix"),
    [("sz_cxr", "ChinaSet_AllFiles", "CHNCXR"), ("mc_cxr", "MontgomerySet", "MCUCXR")],
)
def test_labels_stand_in_the_names_of_nlms_films(
    tmp_path: Path, read: Read, name: str, folder: str, prefix: str
) -> None:
    for number, label in ((1, "0"), (2, "1"), (3, "2"), (4, "x")):
        draw(tmp_path / folder / f"CXR_png/{prefix}_000{number}_{label}.png")
    draw(tmp_path / folder / f"ManualMask/leftMask/{prefix}_0001_0.png")
    rows, rejects = read(name, tmp_path)
    assert [row.fields["label"] for row in rows] == ["normal", "tuberculosis"]
    assert [(reject.origin.rpartition("#")[2], reject.reason) for reject in rejects] == [
        (f"{prefix}_0003_2", "missing-label"), (f"{prefix}_0004_x", "missing-label"),
    ]  # fmt: skip


def test_a_label_outside_the_classes_is_named(tmp_path: Path, card: Callable[[str], Card]) -> None:
    draw(tmp_path / "CXR_png/A_7.png")
    told = card("sz_cxr").model_copy(update={"options": {"label": r"_(\d)$"}})
    (reject,) = read_rows(told, tmp_path)
    assert getattr(reject, "reason", "") == "unknown-label"


@pytest.mark.parametrize("pattern", ["", "_[01]$", "_([01]$", "(_)([01])$"])
def test_a_pattern_that_finds_no_label_is_an_error(
    tmp_path: Path, card: Callable[[str], Card], pattern: str
) -> None:
    told = card("sz_cxr").model_copy(update={"options": {"label": pattern}})
    with pytest.raises(UserError, match="which finds no label"):
        list(read_rows(told, tmp_path))


def test_films_may_be_dicom(tmp_path: Path, read: Read) -> None:
    path = tmp_path / "MontgomerySet/MCUCXR_0001_1.dcm"
    path.parent.mkdir()
    path.write_bytes(encode_dicom(np.arange(16, dtype=np.uint8).reshape(4, 4), {}, "1.2.3"))
    (path.parent / "MCUCXR_0002_1.dcm").write_bytes(b"no dicom")
    rows, rejects = read("mc_cxr", tmp_path)
    assert isinstance(rows[0].image, bytes) and rows[0].image.startswith(b"\x89PNG")
    assert [reject.reason for reject in rejects] == ["not-dicom"]


CROP, MASK = "cropped images", "ROI mask images"
CASE = "Mass-Training_P_00001_LEFT_CC_1"
TOLD = f"{CASE}/1.2/1.2.1/000000.dcm"


def write_lesion(root: Path, told: str = TOLD, pathology: str = "MALIGNANT") -> None:
    columns = ["patient_id", "left or right breast", "pathology", "cropped image file path"]
    for split in ("train", "test"):
        row = ["P_00001", "LEFT", pathology, told]
        write_csv(root / f"mass_case_description_{split}_set.csv", [columns, row])


def put_dicom(root: Path, place: str, words: str, series: str, shade: int) -> None:
    described = {0x0020000E: ("UI", series), **({0x0008103E: ("LO", words)} if words else {})}
    pixels = np.array([[0, shade], [shade, 255]], np.uint8)
    path = root / "CBIS-DDSM" / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_dicom(pixels, described, f"{series}.1"))


def shade_of(image: Any) -> int:
    return int(np.asarray(Image.open(io.BytesIO(image)))[0, 1])


@pytest.mark.parametrize(
    "files",
    [
        [(TOLD, CROP, "1.2.1", 7), (f"{CASE}/1.2/1.2.2/000001.dcm", MASK, "1.2.2", 9)],
        [(TOLD, "", "1.2.1", 7), (f"{CASE}/1.2/1.2.2/000001.dcm", MASK, "1.2.2", 9)],
        [(TOLD, MASK, "1.2.1", 9), (f"{CASE}/1.2/1.2.1/000001.dcm", CROP, "1.2.1", 7)],
        [(f"{CASE}/a/1-1.dcm", CROP, "1.2.1", 7), (f"{CASE}/b/1-1.dcm", MASK, "1.2.2", 9)],
        [(f"{CASE}/a/1-1.dcm", CROP, "1.2.1", 7), (f"{CASE}/b/1-1.dcm", CROP, "1.2.9", 9)],
    ],
)
def test_the_crop_is_told_by_its_header(tmp_path: Path, read: Read, files: list[Any]) -> None:
    write_lesion(tmp_path, TOLD + "\n")
    for file in files:
        put_dicom(tmp_path, *file)
    rows, rejects = read("cbis_ddsm_mass", tmp_path)
    assert rejects == []
    assert [(row.split, row.fields["label"], row.group) for row in rows] == [
        ("train", "malignant", "P_00001"), ("test", "malignant", "P_00001"),
    ]  # fmt: skip
    assert [shade_of(row.image) for row in rows] == [7, 7]


@pytest.mark.parametrize(
    ("told", "pathology", "files", "reason"),
    [
        (TOLD, "MALIGNANT", [(f"{CASE}/b.dcm", MASK, "1.2.2", 9)], "missing-image"),
        (TOLD, "MALIGNANT", [], "missing-image"),
        (
            TOLD, "MALIGNANT",
            [(f"{CASE}/a.dcm", CROP, "1.9", 7), (f"{CASE}/b.dcm", CROP, "1.8", 9)],
            "ambiguous-image",
        ),
        ("../secret/1/2/3.dcm", "MALIGNANT", [], "path-outside"),
        (".", "MALIGNANT", [], "missing-image"),
        (f"{'Mass' * 80}/1/2/3.dcm", "MALIGNANT", [], "missing-image"),
        (TOLD, "BENIGN?", [(TOLD, CROP, "1.2.1", 7)], "unknown-label"),
    ],
)  # fmt: skip
def test_lesions_that_cannot_be_used_say_why(
    tmp_path: Path, read: Read, told: str, pathology: str, files: list[Any], reason: str
) -> None:
    write_lesion(tmp_path, told, pathology)
    put_dicom(tmp_path, "Other_1/a.dcm", CROP, "1.7", 1)
    for file in files:
        put_dicom(tmp_path, *file)
    rows, rejects = read("cbis_ddsm_mass", tmp_path)
    assert rows == []
    assert [reject.reason for reject in rejects] == [reason, reason]


def test_crops_and_not_masks_come_out_of_the_sample_world(tmp_path: Path, read: Read) -> None:
    make_source("cbis_ddsm_calc", tmp_path, SampleSettings(9, 9, 32, 1))
    rows, rejects = read("cbis_ddsm_calc", tmp_path)
    assert (len(rows), rejects) == (9, [])
    for row in rows:
        assert isinstance(row.image, bytes)
        assert len(np.unique(np.asarray(Image.open(io.BytesIO(row.image))))) > 20
    assert len({row.image for row in rows}) == 9


def test_cards_of_the_new_readers_are_checked(card: Callable[[str], Card]) -> None:
    for name in ("roco", "mimic_cxr_report", "sz_cxr", "iu_xray"):
        told = card(name)
        check_reader(told)
        wrong = told.model_copy(update={"options": told.options | {"colour": "red"}})
        with pytest.raises(UserError, match="knows no options"):
            check_reader(wrong)


@pytest.mark.parametrize("attributes", ["sex", "sex=", "view=Plane,modality=Kind"])
def test_attributes_of_a_card_are_names_with_columns_and_no_fields_of_a_record(
    attributes: str, card: Callable[[str], Card]
) -> None:
    told = card("vqa_rad")
    wrong = told.model_copy(update={"options": told.options | {"attributes": attributes}})
    with pytest.raises(UserError, match=r"options\.attributes has (sex|modality)"):
        check_reader(wrong)
    spaced = told.options | {"attributes": "view = Plane | View , sex=Sex,"}
    right = told.model_copy(update={"options": spaced})
    check_reader(right)
    assert right.attribute_columns == {"view": "Plane | View", "sex": "Sex"}
