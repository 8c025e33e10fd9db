"""What pretraining reads is named by content, whatever else is prepared."""

from __future__ import annotations

import json
from pathlib import Path

from components.lineage import MANIFEST, hash_product, write_manifest
from components.stages import gather_pretraining
from tests.components.stages.conftest import Configure


def prepare(name: str, num: int) -> Path:
    """A finished set of so many examples, as far as its manifest tells."""
    folder = Path("data/examples") / name
    write_manifest(folder, stage="prepare", identity={"dataset": name}, settings={}, inputs=[],
                   counts={"in": num, "out": num})  # fmt: skip
    return folder


def gather(configure: Configure) -> str:
    gather_pretraining.run(configure())
    return Path("data/pretraining", MANIFEST).read_text()


def test_sets_are_named_by_their_products(workplace: Path, configure: Configure) -> None:
    folder = prepare("vqa_rad", 20)
    assert json.loads(gather(configure))["inputs"] == {folder.as_posix(): hash_product(folder)}


def test_a_set_beside_changes_nothing_and_another_state_of_its_own_does(
    workplace: Path, configure: Configure
) -> None:
    prepare("vqa_rad", 20)
    before = gather(configure)
    prepare("slake", 5)
    assert gather(configure) == before
    prepare("vqa_rad", 21)
    assert gather(configure) != before
