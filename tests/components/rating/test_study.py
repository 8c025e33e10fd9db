"""The page hides whose answers they are, and the key cannot be changed later."""

from __future__ import annotations

import hashlib
import html
import json
import re
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from components.config import Params
from components.errors import UserError
from components.rating import study as study_module
from components.rating.study import KEY, PAGE, STUDY, make_study


def read_page(folder: Path) -> dict[str, Any]:
    page = (folder / PAGE).read_text()
    (block,) = re.findall(r'<script type="application/json" id="study">(.*?)</script>', page, re.S)
    content: dict[str, Any] = json.loads(block)
    return content


def test_the_page_tells_no_source(study: Path) -> None:
    shown = read_page(study)
    assert set(shown) == {"format", "items", "scales", "key_sha256", "raters", "answers"}
    assert [scale["name"] for scale in shown["scales"]] == ["factuality", "relevance", "harm"]
    assert all(set(item) == {"question", "image", "answers"} for item in shown["items"])
    page = (study / PAGE).read_text()
    key = json.loads((study / KEY).read_text())
    assert key["nonce"] not in page
    for word in ("debug", "baseline", "vqa_rad", "meqsum", '"reference"'):
        assert word not in page, word


def test_page_ratings_and_study_name_the_key_by_its_hash(study: Path) -> None:
    sealed = hashlib.sha256((study / KEY).read_bytes()).hexdigest()
    known = json.loads((study / STUDY).read_text())
    assert read_page(study)["key_sha256"] == known["key_sha256"] == sealed
    assert known["page_sha256"] == hashlib.sha256((study / PAGE).read_bytes()).hexdigest()
    (line,) = (study / "log.jsonl").read_text().splitlines()
    assert json.loads(line)["step"] == "make" and json.loads(line)["key_sha256"] == sealed


def test_each_different_answer_stands_once_and_in_no_fixed_order(study: Path) -> None:
    items = json.loads((study / KEY).read_text())["items"]
    assert len(items) == 8 and len({item["id"] for item in items}) == 8
    for item, shown in zip(items, read_page(study)["items"], strict=True):
        assert len(shown["answers"]) == len(set(shown["answers"])) == len(item["sources"])
        sources = sorted(chain.from_iterable(item["sources"]))
        assert sources == ["baseline", "debug", "micro", "reference"]
        said = dict(zip(map(tuple, item["sources"]), shown["answers"], strict=True))
        if ("debug", "reference") in said:
            assert said["debug", "reference"] == "yes"  # neither case nor full stop tells
    places = {tuple(map(tuple, item["sources"])) for item in items}
    assert len(places) > 3
    assert [item["dataset"] for item in items] != sorted(item["dataset"] for item in items)


def test_what_data_says_stays_text(study: Path) -> None:
    page = (study / PAGE).read_text()
    assert "</script><b>" not in page
    said = [text for item in read_page(study)["items"] for text in item["answers"]]
    assert "</script><b>no</b>" in said
    assert re.search(r"default-src 'none'.*script-src 'sha256-", html.unescape(page))
    assert not re.search(r"https?://", page)


def test_another_secret_gives_another_order(root: Path, params: Params, tmp_path: Path) -> None:
    for name in ("one", "again", "other"):
        make_study(
            root, params, tmp_path / name, items=4, raters=2, nonce=name.replace("again", "one")
        )
    keys = [(tmp_path / name / KEY).read_bytes() for name in ("one", "again", "other")]
    assert keys[0] == keys[1] != keys[2]


def test_a_study_is_not_overwritten_and_not_made_of_nothing(
    study: Path, root: Path, params: Params, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="holds a study already"):
        make_study(root, params, study, items=1, raters=2, nonce="x")
    with pytest.raises(UserError, match="no answers to rate"):
        make_study(tmp_path / "empty", params, tmp_path / "new", items=1, raters=2, nonce="x")


def test_of_two_who_make_a_study_at_once_one_is_told(
    root: Path, params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, show = tmp_path / "study", study_module._show
    keys = list[bytes]()

    def make_beside(*arguments: Any) -> Any:
        if not keys:
            keys.append(b"")
            make_study(root, params, folder, items=2, raters=2, nonce="first")
            keys.append((folder / KEY).read_bytes())
        return show(*arguments)

    monkeypatch.setattr(study_module, "_show", make_beside)
    with pytest.raises(UserError, match="holds a study already"):
        make_study(root, params, folder, items=2, raters=2, nonce="second")
    assert (folder / KEY).read_bytes() == keys[1]
    told = json.loads((folder / STUDY).read_text())
    assert told["key_sha256"] == hashlib.sha256(keys[1]).hexdigest()
