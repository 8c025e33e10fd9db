"""What audit.drop names stays out of training, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from components.dataset.left_out import LeftOut
from components.errors import UserError
from components.records import Example, Overlap, write_records

ROW = Overlap("same_image", "held", "held/1", "set", "set/1", "image", "equal")
EXAMPLES = [Example(f"set/{n}", "set", "vqa", "train", " is it?", " yes") for n in (1, 2)]


def make(folder: Path, *rows: Overlap) -> LeftOut:
    write_records(folder / "left_out.parquet", Overlap, rows)
    return LeftOut(folder / "left_out.parquet")


def test_the_named_examples_go_and_the_others_stay_as_they_are(tmp_path: Path) -> None:
    assert make(tmp_path, ROW).keep_examples(EXAMPLES, "finetune") == EXAMPLES[1:]
    other = replace(ROW, train="another set")
    assert make(tmp_path, other).keep_examples(EXAMPLES, "finetune") == EXAMPLES
    assert make(tmp_path).keep_examples(EXAMPLES, "finetune") == EXAMPLES


def test_images_go_where_images_are_what_is_shared(tmp_path: Path) -> None:
    left_out = make(tmp_path, ROW, replace(ROW, kind="same_pair", image_id="other"))
    assert left_out.images == {"image"}


def test_images_go_with_the_last_item_that_shows_them(tmp_path: Path) -> None:
    """Of a patient or an article that is left out, what stays shows no picture either."""
    shown = [replace(e, image_id=f"image {n}") for n, e in enumerate(EXAMPLES)]
    again = replace(shown[0], id="set/3")
    left_out = make(tmp_path, replace(ROW, kind="same_group", image_id=""))
    assert left_out.images == set()
    assert left_out.hide_images(shown) == {"image 0"}
    assert left_out.hide_images([*shown, again]) == set()


def test_items_are_counted_once_and_for_what_is_trained_on(tmp_path: Path) -> None:
    rows = [ROW, replace(ROW, kind="same_pair"), replace(ROW, train="pubmed", train_id="PMID 1")]
    left_out = make(tmp_path, *rows)
    assert left_out.count(["data/examples/set"]) == 1
    assert left_out.count(["data/articles", "data/codes", "data/examples/set"]) == 2
    assert left_out.count(["data/instructions"]) == 0


def test_it_is_an_error_when_nothing_stays(tmp_path: Path) -> None:
    rows = [replace(ROW, train_id=example.id) for example in EXAMPLES]
    with pytest.raises(UserError) as caught:
        make(tmp_path, *rows).keep_examples(EXAMPLES, "finetune")
    assert "all 2 training examples" in caught.value.what
