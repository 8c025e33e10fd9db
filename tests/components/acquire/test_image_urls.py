"""The dead addresses of LLaVA-Med and BioMed-VITAL, read as article and figure."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.acquire.image_urls import LegacyFigure, find_figure, read_image_urls, read_record
from components.acquire.pmc_bucket import ArticleVersion
from components.acquire.stored import is_file_name
from components.records import Reject
from components.storage import StoredObject

OLD = "https://ftp.ncbi.nlm.nih.gov/pub/pmc/oa_package/83/41/PMC6149739.tar.gz"
RECORD = {"pair_id": "28104940_F2", "pmc_tar_url": OLD, "image_file_path": "PMC6149739/gr2.jpg"}


def version(*names: str) -> ArticleVersion:
    files = {name: StoredObject(f"PMC1.1/{name}", 1, "") for name in names}
    return ArticleVersion("PMC1", 1, files)


@pytest.mark.parametrize(
    ("changes", "pmcid", "file"),
    [
        ({}, "PMC6149739", "gr2.jpg"),
        ({"pmc_tar_url": OLD.replace("https", "ftp")}, "PMC6149739", "gr2.jpg"),
        ({"pmc_tar_url": OLD.replace("/pmc/", "/pmc/deprecated/")}, "PMC6149739", "gr2.jpg"),
        ({"pmc_tar_url": OLD + "?x=1"}, "PMC6149739", "gr2.jpg"),
        ({"pmc_tar_url": "", "more": [1]}, "PMC6149739", "gr2.jpg"),
        ({"image_file_path": "gr2.jpg"}, "PMC6149739", "gr2.jpg"),
        ({"image_file_path": "PMC6149739\\gr2.jpg"}, "PMC6149739", "gr2.jpg"),
        (
            {"pmc_tar_url": None, "image_file_path": "b8/2b/PMC5201076/IJRI-26-469-g002.jpg"},
            "PMC5201076",
            "IJRI-26-469-g002.jpg",
        ),
        ({"image_file_path": "Acta_6149739/a b (2).jpg"}, "PMC6149739", "a b (2).jpg"),
        (
            {
                "pmc_tar_url": "ftp://ftp.ncbi.nlm.nih.gov/pub/pmc/08/dc/PLoS_Biol-2-9-490026.tar.gz",
                "image_file_path": "PLoS_Biol-2-9-490026/p.g001.jpg",
            },
            "PMC490026",
            "p.g001.jpg",
        ),
    ],
)
def test_a_package_and_a_path_lead_to_article_and_figure(
    changes: dict[str, Any], pmcid: str, file: str
) -> None:
    found = read_record(RECORD | changes, "list#1")
    assert found == LegacyFigure("28104940_F2", pmcid, file, "list#1")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"pmc_tar_url": "https://x/paper.tar.gz", "image_file_path": "paper/g.jpg"}, "no-pmcid"),
        ({"pmc_tar_url": "http://[", "image_file_path": "g.jpg"}, "no-pmcid"),
        ({"pmc_tar_url": f"x/PMC{'1' * 5000}.tgz", "image_file_path": "a/g.jpg"}, "no-pmcid"),
        ({"image_file_path": "PMC7/gr2.jpg"}, "two-pmcids"),
        ({"image_file_path": ""}, "no-figure-name"),
        ({"image_file_path": "PMC6149739/.."}, "no-figure-name"),
        ({"image_file_path": None}, "no-figure-name"),
        ({"pair_id": ""}, "no-pair"),
        ({"pair_id": "../up"}, "no-pair"),
    ],
)
def test_what_leads_nowhere_is_told_with_its_reason(changes: dict[str, Any], reason: str) -> None:
    found = read_record(RECORD | changes, "list#1")
    assert isinstance(found, Reject)
    assert (found.origin, found.reason) == ("list#1", reason)


def test_a_list_is_read_line_by_line(tmp_path: Path) -> None:
    lines = [json.dumps(RECORD), "", "{broken", "[1]", json.dumps({"pair_id": "x"}), "7"]
    path = tmp_path / "urls.jsonl"
    path.write_text("\n".join(lines))
    found = list(read_image_urls(path))
    assert [(pair, getattr(item, "reason", "")) for pair, item in found] == [
        ("28104940_F2", ""),
        ("", "broken-json"),
        ("", "not-an-object"),
        ("x", "no-pmcid"),
        ("", "not-an-object"),
    ]
    assert [item.origin for _, item in found][1:] == [f"urls.jsonl#{n}" for n in (3, 4, 5, 6)]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2)
    ),
    max_leaves=4,
)
paths = st.lists(
    st.sampled_from(["PMC12", "..", ".", "a.jpg", "\0", "\\", "", "x" * 300]), max_size=4
)


@settings(deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "pair_id": json_values,
            "pmc_tar_url": json_values
            | paths.map(lambda p: "https://h/PMC12.tar.gz" + "/".join(p)),
            "image_file_path": json_values | paths.map("/".join),
        },
    )
)
def test_no_record_leads_out_of_a_folder(record: dict[str, Any]) -> None:
    found = read_record(record, "list#1")
    if isinstance(found, LegacyFigure):
        for name in (found.file, found.pair):
            path = PurePosixPath("/a/folder") / name
            assert path.parent == PurePosixPath("/a/folder") and path.name == name
            assert is_file_name(name) and ".." not in path.parts and "\0" not in name


@pytest.mark.parametrize(
    ("name", "there", "found"),
    [
        ("gr2.jpg", ["gr2.jpg", "gr2.png"], "gr2.jpg"),
        ("gr2", ["gr2.gif", "gr2.jpg", "gr20.jpg"], "gr2.jpg"),
        ("gr2.tif", ["gr2.jpg"], "gr2.jpg"),
        ("GR2.JPG", ["gr2.jpg"], "gr2.jpg"),
        ("p.0001.g001", ["p.0001.g001.jpg", "p.0001.jpg"], "p.0001.g001.jpg"),
        ("gr2.jpg", ["gr1.jpg", "gr2.pdf", "PMC1.1.xml"], None),
        ("gr2", ["gr2", "gr2.mp4"], None),
        ("PMC1.1.xml", ["PMC1.1.xml"], None),
    ],
)
def test_a_graphic_is_found_among_the_files(name: str, there: list[str], found: str | None) -> None:
    stored = find_figure(name, version(*there))
    assert (stored and stored.key) == (found and f"PMC1.1/{found}")
