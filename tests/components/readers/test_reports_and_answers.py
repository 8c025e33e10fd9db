"""Open-i reports, PubMedQA and multiple choice in their official layouts, whole and broken."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.cards import Card
from components.errors import UserError
from components.readers.registry import read_rows
from tests.components.readers.conftest import Split

Read = Callable[[str, Path], Split]
REPORT = """<?xml version="1.0" encoding="utf-8"?>
<eCitation><MedlineCitation><Article><Abstract>
<AbstractText Label="COMPARISON">None.</AbstractText>
<AbstractText Label="IMPRESSION">{impression}</AbstractText>
<AbstractText Label="FINDINGS">{findings}</AbstractText>
</Abstract></Article></MedlineCitation>
{images}</eCitation>"""


def write_report(
    root: Path, name: str, findings: str = "Clear  lungs &amp; XXXX.", impression: str = "Normal.",
    images: tuple[str, ...] = (),
) -> None:  # fmt: skip
    nodes = "".join(f'<parentImage id="{image}"/>' for image in images)
    folder = root / "ecgen-radiology"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(
        REPORT.format(findings=findings, impression=impression, images=nodes)
    )
    (root / "NLMCXR_png").mkdir(exist_ok=True)
    for image in images:
        (root / "NLMCXR_png" / f"{image}.png").write_bytes(b"picture")


def test_openi(tmp_path: Path, read: Read) -> None:
    write_report(tmp_path, "1.xml", images=("CXR1_a", "CXR1_b"))
    write_report(tmp_path, "2.xml", findings="", images=("CXR2_a",))
    write_report(tmp_path, "3.xml", findings="", impression="", images=("CXR3_a",))
    write_report(tmp_path, "4.xml")
    write_report(tmp_path, "5.xml", images=("CXR5_a", "CXR5_b"))
    (tmp_path / "NLMCXR_png/CXR5_a.png").unlink()
    (tmp_path / "ecgen-radiology/6.xml").write_text("<eCitation><cut")
    rows, rejects = read("iu_xray", tmp_path)
    assert [(row.id, row.group, row.fields["caption"]) for row in rows] == [
        ("1/CXR1_a", "1", "Clear lungs & XXXX. Normal."),
        ("1/CXR1_b", "1", "Clear lungs & XXXX. Normal."),
        ("2/CXR2_a", "2", "Normal."),
        ("5/CXR5_b", "5", "Clear lungs & XXXX. Normal."),
    ]
    assert {row.split for row in rows} == {"unsplit"}
    assert [(r.origin.rpartition("/")[2], r.reason) for r in rejects] == [
        ("3.xml", "empty-caption"),
        ("4.xml", "no-image"),
        ("5.xml#CXR5_a", "missing-image"),
        ("6.xml", "broken-xml"),
    ]


@pytest.mark.parametrize("label", ["FINDNGS", "Finding", "FINDINGS:"])
def test_openi_tells_a_section_whose_label_is_mistyped(
    tmp_path: Path, read: Read, label: str
) -> None:
    """Its text would be missing from the caption, and nobody would know."""
    for name in ("1.xml", "2.xml"):
        write_report(tmp_path, name, images=("a",))
    path = tmp_path / "ecgen-radiology/1.xml"
    path.write_text(path.read_text().replace('"FINDINGS"', f'"{label}"'))
    rows, rejects = read("iu_xray", tmp_path)
    assert [row.id for row in rows] == ["2/a"]
    assert [(r.origin.rpartition("/")[2], r.reason) for r in rejects] == [
        ("1.xml", "mistyped-section")
    ]
    assert rejects[0].detail == f"Label is {label.upper()!r}, and none is FINDINGS"


@pytest.mark.parametrize("label", [" findings ", "INDICATION", "TECHNIQUE"])
def test_openi_takes_spaces_and_other_sections_for_no_slip(
    tmp_path: Path, read: Read, label: str
) -> None:
    write_report(tmp_path, "1.xml", images=("a",))
    path = tmp_path / "ecgen-radiology/1.xml"
    path.write_text(path.read_text().replace('"FINDINGS"', f'"{label}"'))
    (row,), rejects = read("iu_xray", tmp_path)
    assert rejects == []
    shown = "Clear lungs & XXXX. Normal." if "findings" in label else "Normal."
    assert row.fields["caption"] == shown


def test_openi_views_come_from_the_table_of_projections_beside(tmp_path: Path, read: Read) -> None:
    names = ("CXR1_1_IM-0001-3001", "CXR1_1_IM-0001-4001", "CXR1_1_IM-0001-5001")
    write_report(tmp_path, "1.xml", images=names)
    (tmp_path / "indiana_projections.csv").write_text(
        "uid,filename,projection\n1,1_IM-0001-4001.dcm.png,Frontal\n1,1_IM-0001-3001.dcm.png,Lateral\n"
    )
    rows, rejects = read("iu_xray", tmp_path)
    assert not rejects
    assert {Path(str(row.image)).stem: row.attributes for row in rows} == dict(
        zip(names, ({"view": "lateral"}, {"view": "frontal"}, {}), strict=True)
    )


def test_openi_entities_are_never_resolved(tmp_path: Path, read: Read) -> None:
    write_report(tmp_path, "1.xml", images=("a",))
    path = tmp_path / "ecgen-radiology/1.xml"
    doctype = '<!DOCTYPE e [<!ENTITY x SYSTEM "file:///etc/hostname">]><eCitation>'
    path.write_text(path.read_text().replace("<eCitation>", doctype).replace("Clear", "&x;Clear"))
    rows, _ = read("iu_xray", tmp_path)
    assert str(rows[0].fields["caption"]).endswith("Clear lungs & XXXX. Normal.")
    hostname = Path("/etc/hostname")
    if hostname.is_file():
        assert hostname.read_text().strip() not in str(rows[0].fields["caption"])


def test_openi_without_any_report(tmp_path: Path, read: Read) -> None:
    write_report(tmp_path, "1.xml", images=("a",))
    (tmp_path / "ecgen-radiology/1.xml").write_text("no xml")
    with pytest.raises(UserError, match=r"1\.xml"):
        read("iu_xray", tmp_path)


def test_pubmedqa(tmp_path: Path, read: Read) -> None:
    base = {"QUESTION": "Does it?", "CONTEXTS": ["One.", "Two."], "LONG_ANSWER": "It does."}
    records: dict[str, Any] = {
        "1": base | {"final_decision": "yes"},
        "2": base | {"final_decision": "maybe"},
        "3": base | {"final_decision": "no"},
        "4": base | {"final_decision": "perhaps"},
        "5": base | {"final_decision": "no", "CONTEXTS": "One."},
        "6": [],
    }
    (tmp_path / "data").mkdir()
    (tmp_path / "data/ori_pqal.json").write_text(json.dumps(records))
    truth = {"2": "maybe", "3": "yes", "9": "no"}
    (tmp_path / "data/test_ground_truth.json").write_text(json.dumps(truth))
    rows, rejects = read("pubmedqa", tmp_path)
    assert [(row.id, row.split, row.fields["answer"]) for row in rows] == [
        ("1", "train", "yes"), ("2", "test", "maybe"),
    ]  # fmt: skip
    assert rows[0].fields["context"] == "One. Two."
    assert "It does." not in str(rows[0].fields)
    assert [(r.origin.rpartition("#")[2], r.reason) for r in rejects] == [
        ("3", "answers-disagree"),
        ("4", "unknown-label"),
        ("5", "wrong-type"),
        ("6", "not-an-object"),
        ("9", "missing-record"),
    ]


def choice(**changes: Any) -> dict[str, Any]:
    record = {
        "question": "Which?", "exp": "Because", "cop": 3, "opa": "A1", "opb": "B1", "opc": "C1",
        "opd": "D1", "subject_name": "Anatomy", "id": "x",
    }  # fmt: skip
    return record | changes


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"cop": 0}, "answer-out-of-range"),
        ({"cop": 5}, "answer-out-of-range"),
        ({"cop": True}, "answer-out-of-range"),
        ({"cop": "a"}, "answer-out-of-range"),
        ({"cop": None}, "missing-answer"),
        ({"opb": ""}, "empty-option"),
        ({"question": None}, "missing-question"),
    ],
)
def test_medmcqa_official(tmp_path: Path, read: Read, changes: Any, reason: str) -> None:
    records = [choice(), choice(**changes), choice(cop=1)]
    (tmp_path / "train.json").write_text("\n".join(map(json.dumps, records)))
    (tmp_path / "dev.json").write_text(json.dumps(choice(cop=4)))
    (tmp_path / "test.json").write_text(json.dumps({"question": "no label"}))
    rows, rejects = read("medmcqa", tmp_path)
    assert [(row.split, row.fields["answer"]) for row in rows] == [
        ("train", "C1"), ("train", "A1"), ("test", "D1"),
    ]  # fmt: skip
    assert rows[0].fields["options"] == ["A1", "B1", "C1", "D1"]
    assert rows[0].category == "Anatomy"
    assert "Because" not in str(rows[0].fields)
    assert [(r.origin, r.reason) for r in rejects] == [("train.json#2", reason)]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"answer_idx": "E"}, "answer-out-of-range"),
        ({"answer_idx": None}, "missing-answer"),
        ({"answer": "other"}, "answers-disagree"),
        ({"options": ["x", "y"]}, "wrong-type"),
        ({"options": {"A": "x", "B": " "}}, "empty-option"),
    ],
)
def test_medmcqa_normalised(tmp_path: Path, read: Read, changes: Any, reason: str) -> None:
    base = {"question": "Which?", "options": {"B": "y", "A": "x"}, "answer_idx": "B", "answer": "y"}
    (tmp_path / "test.jsonl").write_text(f"{json.dumps(base)}\n{json.dumps(base | changes)}\n")
    rows, rejects = read("medmcqa", tmp_path)
    assert [(row.split, row.fields["options"], row.fields["answer"]) for row in rows] == [
        ("unsplit", ["x", "y"], "y")
    ]
    assert [r.reason for r in rejects] == [reason]


def test_medmcqa_without_any_file_says_what_it_looked_for(tmp_path: Path, read: Read) -> None:
    with pytest.raises(UserError) as raised:
        read("medmcqa", tmp_path)
    for part in ("train.json", "dev.json", "test.jsonl", "Apache-2.0"):
        assert part in str(raised.value)


def test_a_subject_column_that_no_question_has_is_named(
    tmp_path: Path, card: Callable[[str], Card]
) -> None:
    record = {"question": "Q", "opa": "1", "opb": "2", "opc": "3", "opd": "4", "cop": 1}
    for name in ("train.json", "dev.json"):
        (tmp_path / name).write_text(json.dumps(record | {"subject_name": "Surgery"}) + "\n")
    mistyped = card("medmcqa").model_copy(update={"options": {"category": "subject"}})
    with pytest.raises(UserError, match=r"train\.json has no column .*category: subject") as caught:
        list(read_rows(mistyped, tmp_path))
    assert "subject_name" in caught.value.why
