"""What a card's wording touches, and what a data set without a split does, at the stages' doors."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from components.cards import load_card
from components.errors import UserError
from components.lineage import MANIFEST, QUARANTINE, read_manifest, write_manifest
from components.stages import acquire, prepare, prepare_biomed_vital
from tests.components.stages.conftest import Configure

NAMES = ("vqa_rad", "biomed_vital")


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: Path) -> Path:
    """A folder with cards that may be edited; the test works in it."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(repository / "data/cards", tmp_path / "data/cards")
    return tmp_path


def edit(name: str, old: str, new: str) -> None:
    path = Path(f"data/cards/{name}.yaml")
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))


def make(configure: Configure) -> dict[str, bytes]:
    """Raw files and examples made anew; the bytes of their manifests."""
    params = configure(acquire={"sample_images": 20, "sample_texts": 20, "sample_image_px": 28})
    for name in NAMES:
        shutil.rmtree(f"data/raw/{name}", ignore_errors=True)
        acquire.run(params, name)
    prepare.run(params, "vqa_rad")
    prepare_biomed_vital.run(params)
    return {str(path): path.read_bytes() for path in Path("data").rglob(MANIFEST)}


def test_wording_of_a_card_makes_nothing_stale(bench: Path, configure: Configure) -> None:
    first = make(configure)
    for name in NAMES:
        licence = load_card(name).source.licence
        edit(name, f"licence: {licence}", "licence: another")
        edit(name, "citation: ", "citation: Corrected by ")
        edit(name, "title: ", "# a comment\ntitle: The ")
    assert make(configure) == first
    assert len(first) == 4


@pytest.mark.parametrize(
    ("old", "new"), [("group: image_name", "group: qid"), ("candidates: train", "candidates: none")]
)
def test_what_examples_are_made_by_is_in_their_manifest(
    bench: Path, configure: Configure, old: str, new: str
) -> None:
    first = make(configure)
    edit("vqa_rad", old, new)
    second = make(configure)
    changed = {Path(name).parent.as_posix() for name in first if first[name] != second[name]}
    assert changed == {"data/examples/vqa_rad"}


def empty_train(params_raw: Path) -> None:
    path = params_raw / "trainset.json"
    records = json.loads(path.read_text())
    path.write_text(json.dumps([record | {"question": ""} for record in records]))


def forget_test(params_raw: Path) -> None:
    (params_raw / "data/test_ground_truth.json").write_text("{}")


@pytest.mark.parametrize(
    ("name", "spoil", "split"),
    [("vqa_rad", empty_train, "train"), ("pubmedqa", forget_test, "test")],
)
def test_a_set_without_train_or_test_is_refused(
    bench: Path, configure: Configure, name: str, spoil: Callable[[Path], None], split: str
) -> None:
    params = configure(
        acquire={"sample_images": 20, "sample_texts": 20, "sample_image_px": 28},
        prepare={"max_quarantined": 1.0},
    )
    acquire.run(params, name)
    spoil(Path("data/raw") / name)
    with pytest.raises(UserError, match=f"prepare {name}: no {split} example") as caught:
        prepare.run(params, name)
    assert "records in: " in caught.value.why
    folder = Path("data/examples") / name
    assert (folder / QUARANTINE).is_file() and not (folder / MANIFEST).exists()


def test_the_data_class_reaches_what_is_made_of_the_files(
    bench: Path, configure: Configure
) -> None:
    edit("vqa_rad", "access: open", "access: credentialed")
    made = configure(acquire={"sample_images": 20, "sample_texts": 20, "sample_image_px": 28})
    for name in NAMES:
        acquire.run(made, name)
        Path("user").mkdir(exist_ok=True)
        shutil.move(f"data/raw/{name}", f"user/{name}")
        for own in (MANIFEST, QUARANTINE):
            Path(f"user/{name}/{own}").unlink()
    params = configure(acquire={"mode": "local", "root": "user"})
    for name in NAMES:
        acquire.run(params, name)
    prepare.run(params, "vqa_rad")
    prepare_biomed_vital.run(params)
    classes = {path: read_manifest(Path(path))["access"] for path in (
        "data/raw/vqa_rad", "data/examples/vqa_rad", "data/instructions")}  # fmt: skip
    assert classes == {
        "data/raw/vqa_rad": ["credentialed"],
        "data/examples/vqa_rad": ["credentialed"],
        "data/instructions": ["non-commercial"],
    }
    write_manifest(
        Path("data/models/m"), stage="pretrain", identity={}, settings={},
        inputs=[Path("data/examples"), Path("data/instructions")], counts={"in": 1, "out": 1},
    )  # fmt: skip
    formed = read_manifest(Path("data/models/m"))["access"]
    assert formed == ["credentialed", "non-commercial"]


def test_made_up_look_alikes_are_of_no_class(bench: Path, configure: Configure) -> None:
    edit("vqa_rad", "access: open", "access: credentialed")
    manifests = [json.loads(manifest) for manifest in make(configure).values()]
    assert [manifest["access"] for manifest in manifests] == [[]] * 4


def test_a_manifest_names_the_release(bench: Path, configure: Configure) -> None:
    params = configure(
        acquire={"sample_images": 20, "sample_texts": 20, "sample_image_px": 28},
        prepare={"max_train": 5},
    )
    acquire.run(params, "breastmnist")
    prepare.run(params, "breastmnist")
    notes = read_manifest(Path("data/examples/breastmnist"))["notes"]
    assert notes["release"] == ""  # 20 images are no official number
    for split, official, found in (("train", 546, 15), ("validation", 78, 2), ("test", 156, 3)):
        edit("breastmnist", f"{split}: {official}", f"{split}: {found}")
    prepare.run(params, "breastmnist")  # five of train's examples are kept, and all were read
    notes = read_manifest(Path("data/examples/breastmnist"))["notes"]
    assert notes["release"] == "record 10519652, all sizes"
