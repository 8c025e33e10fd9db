"""Splits, limits and images of ``prepare``: in = out + refused, and no group on two sides."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from components.cards import Card, Source
from components.config import PrepareParams
from components.errors import UserError
from components.examples import OVER_LIMIT, build_examples
from components.records import OUTSIDE, UNSPLIT, RawRow, Reject, write_records
from components.tasks.base import Rendered, Task

TASK = Task(
    name="vqa",
    fields=("question", "answer"),
    needs_image=True,
    decoder_prompt="question",
    answer="candidates",
    render=lambda fields: Rendered(
        f" {fields['question']}", f" {fields['answer']}", [str(fields["answer"])]
    ),
)
CARD = Card(
    name="toy",
    title="Toy",
    task="vqa",
    benchmark=False,
    source=Source(
        url="https://example.org",
        version="1",
        licence="CC0-1.0",
        access="open",
        how_to_get="make it",
        citation="none",
        downloads=[],
    ),
    folders=["toy"],
    files={},
    reader="none",
    options={},
    official_splits=[],
    answers={},
    candidates="train",
    modality="",
    metrics=["accuracy"],
    recipe={},
)


def params(**changes: object) -> PrepareParams:
    values: dict[str, object] = {
        "max_train": 1000,
        "max_validation": 1000,
        "max_test": 1000,
        "derived_validation": 0.2,
        "derived_test": 0.3,
        "max_image_pixels": 10_000,
        "max_quarantined": 0.5,
    }
    return PrepareParams.model_validate({**values, **changes})


def png(value: int, side: int = 8) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((side, side), value, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def row(number: int, split: str, group: str = "", image: bytes | Path | None = None) -> RawRow:
    return RawRow(
        id=f"{split}/{number}",
        split=split,
        fields={"question": "what?", "answer": "yes"},
        origin=f"toy.json#{number}",
        image=png(number % 200) if image is None else image,
        group=group,
    )


@given(
    rows=st.lists(st.tuples(st.sampled_from(["train", "test", UNSPLIT]), st.integers(0, 8))),
    limit=st.integers(1, 10),
)
def test_every_row_is_used_or_refused_and_groups_stay_together(
    rows: list[tuple[str, int]], limit: int
) -> None:
    made = [row(i, split, f"{split}-{g}") for i, (split, g) in enumerate(rows)]
    prepared = build_examples(CARD, TASK, made, params(max_train=limit), seed=1)
    assert prepared.num_in == len(prepared.examples) + len(prepared.rejects)
    sides: dict[str, set[str]] = {}
    for example in prepared.examples:
        sides.setdefault(example.group, set()).add(example.split)
    assert all(len(splits) == 1 for splits in sides.values())
    assert sum(example.split == "train" for example in prepared.examples) <= limit
    used = {example.image_id for example in prepared.examples}
    assert set(prepared.images) == used


def test_official_splits_stay_and_a_missing_one_is_derived_and_named() -> None:
    made = [row(i, "train") for i in range(80)] + [row(i, "test") for i in range(20)]
    prepared = build_examples(CARD, TASK, made, params(), seed=1)
    splits = [example.split for example in prepared.examples]
    assert splits.count("test") == 20
    assert 5 < splits.count("validation") < 30
    assert prepared.derived_splits == ["validation"]
    assert prepared.name_derived(["train", "test"]) == ["validation"]
    assert prepared.name_derived([]) == ["train", "validation", "test"]


def test_bad_images_are_refused_with_reason_and_not_as_over_limit(tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(png(3)[:40])
    made = [
        row(0, "train", image=broken),
        row(1, "train", image=broken),
        row(2, "train", image=png(1, side=200)),
        row(3, "train"),
        row(4, "train"),
        Reject("toy.json#5", "empty-question"),
    ]
    prepared = build_examples(CARD, TASK, made, params(max_train=1), seed=1)
    reasons = [reject.reason for reject in prepared.rejects]
    assert reasons.count(OVER_LIMIT) == 1 or len(prepared.examples) == 2
    assert len(prepared.faults()) == 4
    faulty = {reject.origin for reject in prepared.faults()}
    assert faulty == {f"toy.json#{i}" for i in (0, 1, 2, 5)}


def test_frames_are_stored_as_one_picture_or_refused_by_the_frame(tmp_path: Path) -> None:
    files = [tmp_path / f"{i}.png" for i in range(3)]
    for number, file in enumerate(files):
        file.write_bytes(png(60 * number, side=8) if number < 2 else b"no image")
    plain = replace(row(0, "train"), image=None)
    made = [
        replace(plain, id="good", frames=files[:2]),
        replace(plain, id="again", frames=files[:2]),
        replace(plain, id="reversed", frames=files[1::-1]),
        replace(plain, id="bad", origin="toy.json#bad", frames=files),
        replace(plain, id="measured", signal=[1.0, 2.0]),
        replace(plain, id="none"),
        replace(plain, id="empty", image=b""),
    ]
    prepared = build_examples(CARD, TASK, made, params(derived_validation=1e-9), seed=1)
    found = {example.id.removeprefix("toy/"): example for example in prepared.examples}
    assert list(found) == ["good", "again", "reversed", "measured"]
    assert [found[name].num_frames for name in found] == [2, 2, 2, 0]
    assert found["good"].image_id == found["again"].image_id != found["reversed"].image_id
    assert (found["measured"].image_id, found["measured"].signal) == ("", [1.0, 2.0])
    image = prepared.images[found["good"].image_id]
    assert (image.width, image.height, image.format) == (16, 8, "PNG")
    assert [reject.reason for reject in prepared.rejects][1] == "no-image"
    assert prepared.rejects[0].detail.startswith("frame 3 of 3")
    assert len(prepared.rejects) == 3


def test_a_name_that_cannot_be_written_costs_its_row_alone(tmp_path: Path) -> None:
    rows = [row(0, "train"), row(1, "train", group="\ud800"), row(2, "test")]
    rows.append(replace(row(3, "train"), documents=["PMC1", "\udce9"]))
    rows.append(replace(row(4, "train"), origin="f\udce9.json#4"))
    prepared = build_examples(CARD, TASK, rows, params(), seed=1)
    assert [(reject.reason, reject.detail) for reject in prepared.rejects] == [
        ("broken-text", f"{name} hold half of a character")
        for name in ("group", "documents", "origin")
    ]
    prepared.write(tmp_path)
    write_records(tmp_path / "quarantine.parquet", Reject, prepared.rejects)
    assert prepared.rejects[2].origin == "f\\udce9.json#4"


def test_a_target_of_which_nothing_is_left_is_refused() -> None:
    blank = replace(TASK, render=lambda fields: Rendered(" q", " ", [""]))
    prepared = build_examples(CARD, blank, [row(0, "train")], params(), seed=1)
    assert (prepared.examples, prepared.rejects[0].reason) == ([], "empty-target")
    assert not prepared.images


def test_a_reader_that_does_not_give_what_the_task_needs_is_an_error() -> None:
    rows = [replace(row(0, "train"), fields={"label": "ct"})]
    with pytest.raises(UserError, match=r"toy\.yaml: the reader none gives no question, answer"):
        build_examples(CARD, TASK, rows, params(), seed=1)


def test_what_the_set_is_defined_without_is_counted_and_no_fault(tmp_path: Path) -> None:
    outside = [Reject(f"toy.json#{i}", OUTSIDE, "no impression") for i in range(8)]
    prepared = build_examples(CARD, TASK, [row(9, "train"), *outside], params(), seed=1)
    prepared.check(tmp_path, 0.0, "prepare toy")
    assert (prepared.num_in, prepared.num_judged, prepared.faults()) == (9, 1, [])
    assert prepared.tell_left_out() == f"0 quarantined, 8 {OUTSIDE}, 0 {OVER_LIMIT}"


def test_words_that_the_prompt_leaves_out_are_counted() -> None:
    long = Task(
        "vqa", ("question",), False, "question", "candidates",
        lambda fields: Rendered(" q", " a", ["a"], num_cut=len(str(fields["question"]).split())),
    )  # fmt: skip
    prepared = build_examples(CARD, long, [row(0, "train"), row(1, "test")], params(), seed=1)
    assert prepared.cut == {"examples": 2, "words": 2}


def test_same_rows_same_examples() -> None:
    made = [row(i, UNSPLIT) for i in range(50)]
    first = build_examples(CARD, TASK, made, params(max_train=10), seed=5)
    second = build_examples(CARD, TASK, list(reversed(made)), params(max_train=10), seed=5)
    assert {e.id: e.split for e in first.examples} == {e.id: e.split for e in second.examples}
