"""The sources that are pretrained on alone: their layouts, their quirks, and what is refused."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components.cards import Card
from components.errors import UserError
from components.readers.images import BadImage, window_image
from components.readers.otsu import crop_bright, find_threshold
from components.readers.registry import read_rows
from components.records import OUTSIDE, RawRow, Reject

Split = tuple[list[RawRow], list[Reject]]
Read = Callable[[str, Path], Split]
LESION = {
    "File_name": "000001_01_01_109.png", "Patient_index": "1", "Bounding_boxes": "1, 2, 5, 7",
    "Coarse_lesion_type": "3", "DICOM_windows": "-175, 275", "Train_Val_Test": "3",
}  # fmt: skip


def encode(pixels: np.ndarray[Any, Any], kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def decode(content: bytes | Path | None) -> np.ndarray[Any, Any]:
    assert isinstance(content, bytes)
    return np.asarray(Image.open(io.BytesIO(content)))


def write_lesions(root: Path, *changes: dict[str, str]) -> None:
    """DL_info.csv with a line for each change, and the slice of LESION."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / "DL_info.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(LESION))
        writer.writeheader()
        writer.writerows({**LESION, **change} for change in changes)
    path = root / "Images_png/000001_01_01/109.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    units = np.array([[-1000, -175], [50, 275], [3000, 0]])
    path.write_bytes(encode((units + 32768).astype(np.uint16)))


def test_deep_lesion_shows_the_window_and_names_what_has_a_type(tmp_path: Path, read: Read) -> None:
    second = {"Coarse_lesion_type": "7", "Bounding_boxes": "0.5, 1, 2, 3.25"}
    write_lesions(tmp_path, {}, {"Coarse_lesion_type": "-1"}, second)
    (row,), rejects = read("deeplesion", tmp_path)
    assert rejects == []
    assert row.fields == {"labels": ["mediastinum", "soft tissue"]}
    assert row.boxes == [[1.0, 2.0, 5.0, 7.0], [0.5, 1.0, 2.0, 3.25]]
    assert (row.split, row.group, row.category, row.origin) == ("train", "1", "3", "DL_info.csv#1")
    assert decode(row.image).tolist() == [[0, 0], [128, 255], [255, 99]]


def test_deep_lesion_takes_key_slices_too(tmp_path: Path, read: Read) -> None:
    write_lesions(tmp_path, {})
    (tmp_path / "Key_slices").mkdir()
    slice_ = tmp_path / "Images_png/000001_01_01/109.png"
    slice_.rename(tmp_path / "Key_slices/000001_01_01_109.png")
    rows, _ = read("deeplesion", tmp_path)
    assert len(rows) == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"Coarse_lesion_type": "-1"}, OUTSIDE),
        ({"Coarse_lesion_type": "9"}, "unknown-label"),
        ({"Coarse_lesion_type": ""}, "missing-Coarse_lesion_type"),
        ({"Bounding_boxes": "1, 2, 5"}, "bad-box"),
        ({"Bounding_boxes": "5, 2, 1, 7"}, "bad-box"),
        ({"Bounding_boxes": "1, 2, nan, 7"}, "bad-box"),
        ({"Bounding_boxes": "1, 2, x, 7"}, "bad-box"),
        ({"DICOM_windows": "275, -175"}, "bad-window"),
        ({"DICOM_windows": "275"}, "bad-window"),
        ({"File_name": "000001_01_01_110.png"}, "missing-image"),
        ({"File_name": "../../outside_110.png"}, "path-outside"),
    ],
)
def test_deep_lesion_tells_of_lines_that_cannot_be_used(
    tmp_path: Path, read: Read, change: dict[str, str], reason: str
) -> None:
    write_lesions(tmp_path, change)
    rows, (reject,) = read("deeplesion", tmp_path)
    assert rows == []
    assert (reject.origin, reject.reason) == ("DL_info.csv#1", reason)


def test_a_window_needs_one_deep_value_a_pixel() -> None:
    with pytest.raises(BadImage, match="not-grey"):
        window_image(encode(np.zeros((2, 2, 3), np.uint8)), 0, 0, 1)
    with pytest.raises(BadImage, match="broken-image"):
        window_image(encode(np.zeros((90, 90), np.uint16))[:60], 0, 0, 1)


def test_labels_that_are_not_written_as_pairs_are_an_error(
    tmp_path: Path, card: Callable[[str], Card]
) -> None:
    write_lesions(tmp_path, {})
    wrong = card("deeplesion").model_copy(update={"options": {"labels": "1=bone|abdomen"}})
    with pytest.raises(UserError, match=r"options.labels is '1=bone\|abdomen'"):
        list(read_rows(wrong, tmp_path))


def write_voc(root: Path, name: str, body: str, image: bool = True) -> None:
    folder = root / "lesion_detection/train"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.xml").write_text(body)
    pictures = root / "lesion_segmentation/train/image"
    pictures.mkdir(parents=True, exist_ok=True)
    if image:
        (pictures / f"{name}.jpg").write_bytes(encode(np.zeros((9, 9), np.uint8), "JPEG"))


def annotate(*objects: tuple[str, str]) -> str:
    """An annotation with another image's name in it; sides with commas between them."""
    nodes = "".join(
        f"<object><name>{label}</name><bndbox>"
        + "".join(
            f"<{side}>{value}</{side}>"
            for side, value in zip(("xmin", "ymin", "xmax", "ymax"), box.split(","), strict=True)
        )
        + "</bndbox></object>"
        for label, box in objects
    )
    return f"<annotation><filename>another.jpg</filename>{nodes}</annotation>"


def test_voc_takes_each_object_once_and_the_image_of_the_files_name(
    tmp_path: Path, read: Read
) -> None:
    same = ("ma", "1,2,3,4")
    write_voc(tmp_path, "a", annotate(same, ("EX", "0,0,9,9"), same))
    (row,), rejects = read("oia_ddr", tmp_path)
    assert rejects == []
    assert row.fields == {"labels": ["microaneurysm", "hard exudate"]}
    assert row.boxes == [[1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 9.0, 9.0]]
    assert isinstance(row.image, Path) and row.image.name == "a.jpg"
    assert (row.id, row.split, row.category) == ("train/a", "train", "train")


@pytest.mark.parametrize(
    ("body", "image", "reason"),
    [
        ("<annotation>", True, "broken-xml"),
        ("<?xml version='1.0' encoding='utf-16'?><annotation/>", True, "broken-xml"),
        ("<?xml version='1.0' encoding='none'?><annotation/>", True, "broken-xml"),
        (annotate(), True, OUTSIDE),
        (annotate(("drusen", "1,2,3,4")), True, "unknown-label"),
        (annotate(("ma", "3,2,3,4")), True, "bad-box"),
        ("<annotation><object><name>ma</name></object></annotation>", True, "bad-box"),
        (annotate(("ma", "1,2,3,4")), False, "missing-image"),
    ],
)
def test_voc_tells_of_files_that_cannot_be_used(
    tmp_path: Path, read: Read, body: str, image: bool, reason: str
) -> None:
    write_voc(tmp_path, "good", annotate(("ma", "1,2,3,4")))
    write_voc(tmp_path, "bad", body, image)
    rows, (reject,) = read("oia_ddr", tmp_path)
    assert [row.id for row in rows] == ["train/good"]
    assert (reject.origin, reject.reason) == ("lesion_detection/train/bad.xml#bad", reason)


def test_voc_without_any_xml_is_an_error(tmp_path: Path, read: Read) -> None:
    write_voc(tmp_path, "bad", "no XML")
    with pytest.raises(UserError, match="none of the 1 files is XML"):
        read("oia_ddr", tmp_path)


def test_chexpert_drops_the_folder_of_its_paths_and_dark_borders(
    tmp_path: Path, read: Read
) -> None:
    film = np.zeros((20, 30), np.uint8)
    film[4:16, 6:24] = 200
    path = tmp_path / "train/patient00001/study1/view1_frontal.jpg"
    path.parent.mkdir(parents=True)
    path.write_bytes(encode(film, "PNG"))  # read by its content, not by its name
    name = "train/patient00001/study1/view1_frontal.jpg"
    lines = [f"CheXpert-v1.0-small/{name},Male", "CheXpert-v1.0-small/train/none.jpg,Male"]
    (tmp_path / "train.csv").write_text("\n".join(["Path,Sex", *lines]))
    (row,), (reject,) = read("chexpert", tmp_path)
    assert (row.fields, row.split) == ({}, "train")
    assert decode(row.image).shape == (12, 18, 3)
    assert (reject.origin, reject.reason) == ("train.csv#2", "missing-image")


def test_a_picture_that_is_cropped_must_be_one(tmp_path: Path, read: Read) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train/a.jpg").write_bytes(b"no picture")
    (tmp_path / "train.csv").write_text("Path\ntrain/a.jpg\n")
    assert [r.reason for r in read("chexpert", tmp_path)[1]] == ["unknown-image-format"]


def test_otsu_parts_two_shades_and_leaves_an_even_image_whole() -> None:
    grey = np.array([[10, 12, 11], [200, 210, 205]], np.uint8)
    assert 12 <= find_threshold(grey) < 200
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (40, 40)).astype(np.uint8)

    def spread(cut: int) -> float:
        """Otsu's own words: the variance between the two, weighed."""
        low, high = pixels[pixels <= cut], pixels[pixels > cut]
        return float(low.size * high.size * (low.mean() - high.mean()) ** 2) if high.size else 0.0

    assert spread(find_threshold(pixels)) == pytest.approx(max(map(spread, range(255))))
    assert decode(crop_bright(encode(np.full((5, 7), 9, np.uint8)))).shape == (5, 7, 3)


def test_cytoimagenet_takes_the_last_folder_with_or_without_its_top(
    tmp_path: Path, read: Read
) -> None:
    for place in ("cytoimagenet/human/human-1.png", "mouse/mouse-1.png"):
        (tmp_path / place).parent.mkdir(parents=True)
        (tmp_path / place).write_bytes(encode(np.zeros((4, 4), np.uint8)))
    lines = [
        "path,filename,label,idx",
        "/data/cytoimagenet/human,human-1.png,human,x-1",
        "cytoimagenet/mouse,mouse-1.png,mouse,x-2",
        "/data/cytoimagenet/human,human-2.png,human,x-3",
        "/data/cytoimagenet/human,../../x.png,human,x-4",
        "/data/cytoimagenet/human,,human,x-5",
    ]
    (tmp_path / "metadata.csv").write_text("\n".join(lines))
    rows, rejects = read("cytoimagenet", tmp_path)
    assert [(row.id, row.category, row.group) for row in rows] == [
        ("human-1", "human", "x-1"),
        ("mouse-1", "mouse", "x-2"),
    ]
    assert [reject.reason for reject in rejects] == [
        "missing-image",
        "path-outside",
        "missing-filename",
    ]


def test_isic_and_fundus_find_images_by_name_in_both_layouts(tmp_path: Path, read: Read) -> None:
    for place in ("isic/jpeg/train/ISIC_1.jpg", "fundus/train/10_left.jpeg"):
        (tmp_path / place).parent.mkdir(parents=True)
        (tmp_path / place).write_bytes(encode(np.zeros((4, 4), np.uint8), "JPEG"))
    (tmp_path / "isic/train.csv").write_text("image_name,patient_id,target\nISIC_1,IP_7,0\n")
    (tmp_path / "fundus/trainLabels.csv").write_text("image,level\n10_left,0\n10_right,1\n")
    (row,), rejects = read("isic_2020", tmp_path / "isic")
    assert (row.group, rejects) == ("IP_7", [])
    (row,), (reject,) = read("retinal_fundus", tmp_path / "fundus")
    assert reject.reason == "missing-image"


def write_figures(root: Path, *captions: object) -> None:
    name = "s2_full_figures_oa_nonroco_combined_medical_top4_public.jsonl"
    (root / "release/figures").mkdir(parents=True)
    for number, _ in enumerate(captions):
        path = root / f"release/figures/abc_{number}-Figure1-1.png"
        path.write_bytes(encode(np.zeros((4, 4), np.uint8)))
    records = [
        {"pdf_hash": "abc", "fig_uri": f"{n}-Figure1-1.png", "s2_caption": text, "radiology": True}
        for n, text in enumerate(captions)
    ]
    (root / "release" / name).write_text("\n".join(map(json.dumps, records)))


def test_medicat_learns_what_follows_the_first_full_stop(tmp_path: Path, read: Read) -> None:
    write_figures(
        tmp_path, "Figure 1. A rib. A lung.", "Fig. 4. Axial CT", "No stop at all", "Figure 2.", 7.5
    )
    rows, rejects = read("medicat", tmp_path)
    assert [row.fields["caption"] for row in rows] == ["A rib. A lung.", "4. Axial CT", "5"]
    assert [reject.reason for reject in rejects] == [OUTSIDE, OUTSIDE]
    assert {row.group for row in rows} == {"abc"}


def test_texts_end_at_an_empty_line_or_after_64(tmp_path: Path, read: Read) -> None:
    path = tmp_path / "pubmed_uncased_sentence_nltk.txt"
    many = "".join(f"line {n}\n" for n in range(70))
    path.write_text(f"one .\ntwo .\n\n\n  three .\n\n{many}")
    rows, rejects = read("blue_pubmed", tmp_path)
    assert rejects == []
    texts = [row.fields["text"] for row in rows]
    assert texts[:2] == ["one . two .", "three ."]
    assert texts[2] == " ".join(f"line {n}" for n in range(64))
    assert texts[3] == " ".join(f"line {n}" for n in range(64, 70))
    assert [row.origin.partition("#")[2] for row in rows] == ["1", "5", "7", "71"]


@pytest.mark.parametrize(("content", "why"), [(b"\n\n", "holds no text"), (b"a\xff\n", "UTF-8")])
def test_a_file_without_text_is_an_error(
    tmp_path: Path, read: Read, content: bytes, why: str
) -> None:
    (tmp_path / "pubmed_uncased_sentence_nltk.txt").write_bytes(content)
    with pytest.raises(UserError, match=why):
        read("blue_pubmed", tmp_path)


def test_every_note_is_a_text_but_those_in_error(tmp_path: Path, read: Read) -> None:
    columns = ["ROW_ID", "SUBJECT_ID", "CATEGORY", "ISERROR", "TEXT"]
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    writer.writerow(columns)
    writer.writerow([1, 7, "Nursing ", "", "Seen by [**Name 1**].\nSlept\n well.\n \n\nPlan: rest"])
    writer.writerow([2, 7, "Radiology", "1", "Wrong patient"])
    writer.writerow([3, 8, "Radiology", "", " "])
    (tmp_path / "NOTEEVENTS.csv.gz").write_bytes(gzip.compress(table.getvalue().encode()))
    (row,), rejects = read("mimic_iii_notes", tmp_path)
    assert row.fields == {"text": "Seen by ___. Slept well.\nPlan: rest"}
    assert (row.id, row.group, row.category, row.split) == ("1", "7", "Nursing", "train")
    assert [reject.reason for reject in rejects] == [OUTSIDE, "empty-TEXT"]
