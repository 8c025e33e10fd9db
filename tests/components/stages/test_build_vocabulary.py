"""The vocabulary's stage: learnt from the text, or the released one from its checked files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from components.acquire.place import place_local
from components.cards import load_card
from components.config import RELEASED_BPE, STAGE_SOURCES
from components.errors import UserError
from components.lineage import read_manifest
from components.stages import acquire, build_vocabulary
from components.tokenization.vocabulary import Vocabulary
from tests.components.stages.conftest import Configure

OUT = Path("data/vocabulary")
RELEASED = {
    "sources": [*STAGE_SOURCES, RELEASED_BPE],
    "build_vocabulary": {"text": "files", "num_codes": 8192, "num_bins": 1000},
}

pytestmark = pytest.mark.usefixtures("workplace")


def test_a_vocabulary_is_learnt_from_the_text(configure: Configure) -> None:
    build_vocabulary.run(configure())
    vocabulary = Vocabulary.load(OUT)
    assert vocabulary.decode(vocabulary.encode(" is it?")) == " is it?"
    assert (vocabulary.num_codes, vocabulary.num_bins) == (8, 10)
    assert "data/raw/bpe" not in read_manifest(OUT)["inputs"]


def test_the_released_one_comes_from_the_given_folder(
    configure: Configure, shared_data: Path
) -> None:
    local = {"mode": "local", "root": str(shared_data)}
    params = configure(acquire=local, **RELEASED)
    acquire.run(params, RELEASED_BPE)
    build_vocabulary.run(params)
    vocabulary = Vocabulary.load(OUT)
    assert vocabulary.size == 59_457
    assert vocabulary.encode(" what does the image describe?") == [99, 473, 5, 2274, 6190, 116]
    assert list(read_manifest(OUT)["inputs"]) == ["data/raw/bpe"]


def test_without_its_files_it_says_where_to_get_them(configure: Configure) -> None:
    with pytest.raises(UserError, match=r"data/cards/bpe\.yaml.*no encoder file") as caught:
        build_vocabulary.run(configure(**RELEASED))
    assert "encoder.json, vocab.bpe and dict.txt" in caught.value.next_command


def test_where_others_are_made_these_are_copied(configure: Configure) -> None:
    with pytest.raises(UserError, match=r"acquire\.root is empty") as caught:
        acquire.run(configure(**RELEASED), RELEASED_BPE)
    assert "data/cards/bpe.yaml" in caught.value.why
    assert "encoder.json, vocab.bpe and dict.txt" in caught.value.next_command


@pytest.mark.parametrize("name", ["encoder.json", "vocab.bpe", "dict.txt"])
def test_another_file_of_the_same_name_is_refused(
    shared_data: Path, tmp_path: Path, name: str
) -> None:
    shutil.copytree(shared_data / "bpe", tmp_path / "user/bpe", copy_function=shutil.copyfile)
    tampered = tmp_path / "user/bpe" / name
    (tmp_path / "user/bpe").chmod(0o755)
    tampered.write_bytes(tampered.read_bytes() + b" ")
    card = load_card(RELEASED_BPE)
    (expected,) = (file.sha256 for file in card.source.downloads if file.path == name)
    with pytest.raises(
        UserError, match=f"{name} is not the file that data/cards/bpe.yaml"
    ) as caught:
        place_local(card, tmp_path / "user", tmp_path / "raw")
    assert f"not {expected}" in caught.value.why
    assert not (tmp_path / "raw" / name).exists()


def test_the_card_knows_the_published_sums(shared_data: Path) -> None:
    known = {file.path: file.sha256 for file in load_card(RELEASED_BPE).source.downloads}
    described = (shared_data / "bpe/SOURCE.md").read_text()
    assert len(known) == 3
    assert all(name in described and sha256 in described for name, sha256 in known.items())
