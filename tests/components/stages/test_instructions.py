"""The doors of the instruction data: from raw conversations to examples, and to a run or none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from components.config import Params
from components.errors import UserError
from components.lineage import read_manifest
from components.records import OUTSIDE, Example, read_records
from components.stages import acquire, instruct, prepare_biomed_vital
from components.tokenization.vocabulary import train_vocabulary
from tests.components.stages.conftest import Configure

OUT = Path("data/instructions")
SAMPLE = {"sample_images": 120, "sample_texts": 20, "sample_image_px": 28}


@pytest.fixture
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: Path) -> Path:
    """A folder with cards; the test works in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/cards").symlink_to(repository / "data/cards")
    return tmp_path


def prepare(configure: Configure, **settings: Any) -> tuple[Params, list[Example], dict[str, Any]]:
    params = configure(acquire=SAMPLE, prepare_biomed_vital=settings)
    acquire.run(params, "biomed_vital")
    prepare_biomed_vital.run(params)
    return params, list(read_records(OUT / "examples.parquet", Example)), read_manifest(OUT)


def test_each_reply_is_an_example_and_all_is_accounted_for(
    raw: Path, configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    _, examples, manifest = prepare(configure)
    summary = json.loads((OUT / "summary.json").read_text())
    assert summary["conversations"] == 60 == sum(summary["modalities"].values())
    assert len(examples) == summary["unsupported"]["replies"] == manifest["counts"]["out"]
    assert manifest["quarantine"] == {"unanswered-request": 1}
    assert (summary["images"]["without_image"], summary["images"]["missing"]) == (1, 3)
    assert "1 of 60 conversations lack their image" in capsys.readouterr().out
    missing = [json.loads(line) for line in (OUT / "missing_images.jsonl").read_text().splitlines()]
    assert len(missing) == 3 and all(row["reason"] == "not-at-hand" for row in missing)
    assert len((OUT / "parts.jsonl").read_text().splitlines()) == 60
    assert len((OUT / "unsupported.jsonl").read_text().splitlines()) == 2
    assert {"summary.json", "missing_images.jsonl"} <= manifest["files"].keys()
    assert manifest["access"] == []  # made up, so that no terms bind it
    assert manifest["notes"]["stated_licences"]["tag on Hugging Face"] == "Apache-2.0"


def test_each_conversation_is_an_example(raw: Path, configure: Configure) -> None:
    _, singles, _ = prepare(configure)
    _, talks, manifest = prepare(configure, conversion="multi_turn")
    assert len(talks) == 60 and manifest["settings"]["conversion"] == "multi_turn"
    replies = [reply for talk in talks for reply in talk.target.split("\n")[::2]]
    assert sorted(replies) == sorted(single.target for single in singles)
    assert all("earlier" not in talk.source for talk in talks)


def test_unsupported_replies_are_left_out_where_that_is_asked(
    raw: Path, configure: Configure
) -> None:
    _, all_of_them, _ = prepare(configure)
    _, kept, manifest = prepare(configure, leave_out_unsupported=True)
    assert len(kept) == len(all_of_them) - 2
    assert manifest["quarantine"][OUTSIDE] == 2 and OUTSIDE in manifest["rules"]
    assert not any("pneumothorax" in e.target or "34 mm" in e.target for e in kept)


def test_a_run_whose_labels_would_be_cut_is_never_launched(
    raw: Path, configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    _, examples, _ = prepare(configure)
    texts = [text for example in examples for text in (example.source, example.target)]
    train_vocabulary(texts, 50, 8, 10).save(Path("data/vocabulary"))
    params = configure(instruct={"max_target_tokens": 4, "max_lost_labels": 0.1})
    with pytest.raises(UserError, match=r"instruct debug: .* would be cut off"):
        instruct.run(params, "debug")
    told = capsys.readouterr().out
    assert "examples lack their image" in told and "are cut to the token limits" in told
    assert not Path("data/models").exists()
