"""Publish and get in a folder: whole or not there, checked, resumed, versioned, refused."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest

from components.acquire.transfer import Readable, Terms
from components.artifacts import publishing
from components.artifacts.address import parse_address
from components.artifacts.fetching import OWN, UNFINISHED, fetch
from components.artifacts.manifest import Manifest
from components.artifacts.places import FilePart, FolderPlace, open_place
from components.artifacts.publishing import Published, publish
from components.artifacts.versions import list_names, list_versions, object_key, read_version
from components.config import load_params
from components.errors import UserError
from components.lineage import hash_file
from components.tracing.products import read_products
from tests.components.artifacts.project import (
    EXAMPLES,
    MODEL,
    PREDICTIONS,
    list_files,
    make_project,
)

PLACE = Path("../shared")
ADDRESS = parse_address(f"{PLACE}/vqa")
MEGABYTE = 1 << 20
IMPATIENT = Terms(retries=0, sleep=lambda _: None)


def publish_here(folder: Path = MODEL, name: str = "vqa") -> Published:
    """Publish a product of the current project in the folder beside it."""
    return publish(folder, parse_address(f"{PLACE}/{name}"), read_products(), load_params())


def object_of(manifest: Manifest, name: str) -> Path:
    return PLACE / object_key(manifest.files[name].sha256)


def test_what_is_got_is_what_was_published(project: Path) -> None:
    done = publish_here()
    assert done.is_new and done.manifest.label == "vqa@v1"
    folder, manifest = fetch(ADDRESS)
    assert folder == Path("vqa-v1") and manifest == done.manifest
    files = list_files(folder)
    assert files.pop(OWN)
    assert files == {name: content.sha256 for name, content in manifest.files.items()}
    assert files["model.safetensors"] == hash_file(MODEL / "model.safetensors")
    assert set(files) == {
        "README.md", "asking.json", "card.yaml", "config.json", "log.jsonl", "model.safetensors",
        "product.json", "vocabulary/bpe.json", "vocabulary/vocabulary.json",
    }  # fmt: skip
    assert fetch(ADDRESS)[0] == folder  # again: checked, not fetched


def test_the_manifest_says_how_it_was_made(project: Path) -> None:
    Path("dvc.lock").write_text(
        "schema: '2.0'\nstages:\n  finetune@debug-vqa_rad:\n    cmd: python -m x\n"
        "    deps:\n    - {path: data/vocabulary, hash: md5, md5: 0a.dir}\n"
        "    outs:\n    - {path: data/models/finetuned/debug/vqa_rad, hash: md5, md5: 0b.dir}\n"
    )
    Path("requirements.lock").write_text("torch\n")
    manifest = publish_here().manifest
    around = manifest.circumstances
    assert around.dvc == {"data/vocabulary": "0a.dir", MODEL.as_posix(): "0b.dir"}
    assert around.dvc_stage == "finetune@debug-vqa_rad"
    assert around.environment["requirements.lock sha256"] == hash_file(Path("requirements.lock"))
    assert around.seeds == [7] and around.hardware["processors"] == os.cpu_count()
    assert around.params["evaluate"]["beam"] and "root" not in around.params["acquire"]
    assert set(around.params["acquire"]["pmc"]) == {"num_articles", "figures"}
    assert manifest.product.formed_by["data/articles"] == hash_file(
        Path("data/articles/manifest.json")
    )
    assert [source.name for source in manifest.sources] == ["pmc_oa", "pubmed", "vqa_rad"]
    assert all(source.made and source.licence for source in manifest.sources)
    assert manifest.retractions == {"retracted": 0, "concern": 1, "left_out": 1}
    assert str(project) not in manifest.dump().decode()


def test_the_same_is_published_once_and_another_is_the_next_version(project: Path) -> None:
    publish_here()
    again = publish_here()
    assert (again.is_new, again.num_sent, again.manifest.version) == (False, 0, 1)
    params = Path("params.yaml")
    params.write_text(re.sub(r"(?m)^(\s+beam:) \d+", r"\1 2", params.read_text()))
    other = publish_here()
    assert (other.is_new, other.manifest.version) == (True, 2)
    assert other.num_sent == 1  # how it is asked; weights and vocabulary are there
    assert list_names(FolderPlace(PLACE)) == {"vqa": [1, 2]}
    assert fetch(ADDRESS)[1].version == 2
    assert fetch(parse_address(f"{PLACE}/vqa@v1"))[1].version == 1


def test_predictions_and_corpora_are_published_too(project: Path) -> None:
    kinds = {
        publish_here(Path(folder), name).manifest.kind
        for name, folder in (
            ("answers", PREDICTIONS), ("set", EXAMPLES), ("articles", Path("data/articles")),
        )
    }  # fmt: skip
    assert kinds == {"predictions", "corpus"}
    folder, manifest = fetch(parse_address(f"{PLACE}/articles"))
    assert not any("quarantine" in name for name in manifest.files)
    assert (folder / "articles/pubmed/baseline/pubmed26n0001.xml.gz.parquet").is_file()


@pytest.mark.parametrize("access", ["credentialed", "agreement", "request", "private"])
@pytest.mark.parametrize("folder", [MODEL, EXAMPLES, PREDICTIONS])
def test_nothing_that_such_records_formed_goes_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: Path, access: str, folder: Path
) -> None:
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    make_project(repository, access=access)
    if folder == PREDICTIONS:
        from tests.components.artifacts.project import evaluate

        evaluate()
    with pytest.raises(UserError, match="may not be published") as caught:
        publish_here(folder)
    assert f"vqa_rad: {access}" in caught.value.why
    assert not PLACE.exists()


def test_records_go_out_only_under_licences_that_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: Path
) -> None:
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    make_project(repository, access="open")
    card = Path("data/cards/vqa_rad.yaml")
    card.write_text(card.read_text().replace("licence: CC0 1.0", "licence: unclear, so it says"))
    with pytest.raises(UserError, match="may not be published") as caught:
        publish_here(EXAMPLES)
    assert "vqa_rad: licence unclear, so it says (unstated)" in caught.value.why
    manifest = publish_here(MODEL).manifest  # a model carries the terms
    assert manifest.licence == "unstated" and manifest.access == ["open"]


def test_a_product_of_another_state_is_not_published(project: Path) -> None:
    from tests.components.artifacts.project import article, write_corpus

    write_corpus([article("11")], [])
    with pytest.raises(UserError, match="made of another data/articles than the one that is here"):
        publish_here()
    shutil.rmtree("data/articles")
    with pytest.raises(UserError, match=r"data/articles, of which .* was made, is not here"):
        publish_here()


def test_a_secret_in_what_is_told_is_not_published(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = "canary-of-a-token-4711"
    monkeypatch.setenv("SOME_API_TOKEN", canary)
    path = MODEL / "manifest.json"  # of a run before settings were looked at
    text = path.read_text()
    path.write_text(text.replace('"long_text": "cut"', f'"long_text": "cut", "note": "{canary}"'))
    with pytest.raises(UserError, match="holds what looks like a secret") as caught:
        publish_here()
    assert canary not in str(caught.value) and not PLACE.exists()
    path.write_text(text)
    assert publish_here().is_new


def test_a_damaged_product_is_not_published(project: Path) -> None:
    (MODEL / "model.safetensors").write_bytes(b"other")
    with pytest.raises(UserError, match=r"model.safetensors is damaged"):
        publish_here()
    assert not PLACE.exists()


def test_a_damaged_object_is_named_and_no_folder_appears(project: Path) -> None:
    manifest = publish_here().manifest
    path = object_of(manifest, "model.safetensors")
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(UserError, match=r"is damaged \(model.safetensors of vqa@v1\)") as caught:
        fetch(ADDRESS, terms=IMPATIENT)
    assert str(path) in str(caught.value) and not Path("vqa-v1").exists()
    path.unlink()
    with pytest.raises(UserError, match=r"is gone \(model.safetensors of vqa@v1\)"):
        fetch(ADDRESS, terms=IMPATIENT)
    assert publish_here().num_sent == 1  # what the error says mends it
    assert fetch(ADDRESS)[0] == Path("vqa-v1")


def test_an_interrupted_publication_is_nowhere_and_goes_on(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []

    def put(self: FolderPlace, file: BinaryIO, key: str) -> None:
        if Path(file.name).name == "model.safetensors":
            raise KeyboardInterrupt
        sent.append(key)
        whole(self, file, key)

    whole = FolderPlace.put
    with monkeypatch.context() as patch:
        patch.setattr(FolderPlace, "put", put)
        with pytest.raises(KeyboardInterrupt):
            publish_here()
    assert len(sent) == 8 and list_names(FolderPlace(PLACE)) == {}
    with pytest.raises(UserError, match="there is no vqa at"):
        fetch(ADDRESS)
    assert publish_here().num_sent == 1
    assert fetch(ADDRESS)[1].version == 1


class Interrupted:
    """A body that ends by an interrupt after a megabyte."""

    def __init__(self, body: Readable) -> None:
        self.body, self.given = body, 0

    def read(self, size: int, /) -> bytes:
        if self.given >= MEGABYTE:
            raise KeyboardInterrupt
        self.given += size
        return self.body.read(size)


def test_an_interrupted_get_goes_on_within_the_file(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_here()
    whole, begun, cuts = FolderPlace.open, [], [True]

    @contextmanager
    def open_and_cut(self: FolderPlace, key: str, begin: int, tag: str) -> Iterator[FilePart]:
        begun.append(begin)
        with whole(self, key, begin, tag) as part:
            yield replace(part, body=Interrupted(part.body)) if cuts[0] else part

    monkeypatch.setattr(FolderPlace, "open", open_and_cut)
    with pytest.raises(KeyboardInterrupt):
        fetch(ADDRESS)
    unfinished = Path(f"vqa-v1{UNFINISHED}")
    held = (unfinished / "model.safetensors.partial").stat().st_size
    assert held >= MEGABYTE and not Path("vqa-v1").exists()
    cuts[0], begun[:] = False, []
    folder, _ = fetch(ADDRESS)
    assert held in begun
    assert list_files(folder)["model.safetensors"] == hash_file(MODEL / "model.safetensors")
    assert not list(folder.rglob("*.partial")) and not unfinished.exists()


def test_two_publishers_at_once_get_two_versions(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = publish_here().manifest
    drafts = [first.model_copy(update={"title": f"of {number}"}) for number in range(8)]
    gate, versions = threading.Barrier(len(drafts)), []

    def claim(draft: Manifest) -> None:
        gate.wait()
        versions.append(publishing._claim(open_place(str(PLACE)), draft, 1).version)

    threads = [threading.Thread(target=claim, args=(draft,)) for draft in drafts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(versions) == list(range(2, 10))
    place = FolderPlace(PLACE)
    titles = {read_version(place, "vqa", number).title for number in list_versions(place, "vqa")}
    assert {f"of {n}" for n in range(8)} < titles
    assert not [path for path in PLACE.rglob("*") if ".partial" in path.name]


def test_a_place_is_listed_while_others_write_into_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, is_file = FolderPlace(tmp_path), Path.is_file
    assert place.create(b"whole", "names/v1")
    unfinished = tmp_path / "names/v2.partial-1234"
    unfinished.touch()

    def end(path: Path) -> bool:
        found = is_file(path)
        if path == unfinished:
            unfinished.unlink()  # the other publisher has written it
        return found

    monkeypatch.setattr(Path, "is_file", end)
    assert place.sizes("names/") == {"names/v1": 5}


@pytest.mark.parametrize(
    "path",
    [
        "../outside",
        "/etc/passwd",
        "a/../../b",
        "a\\b",
        "",
        ".",
        "a//b",
        "artifact.json",
        "artifact.json/x",
        "config.json/x",
        "x.partial",
        "x.partial.etag",
        "a\x1b[31mb",
        "a\nb",
    ],
)
def test_a_manifest_that_leads_out_of_the_folder_is_refused(project: Path, path: str) -> None:
    manifest = publish_here().manifest
    file = PLACE / "artifacts/vqa/v1.json"
    values = json.loads(file.read_text())
    values["files"][path] = values["files"].pop("log.jsonl")
    file.write_text(json.dumps(values))
    with pytest.raises(UserError, match=r"v1\.json: 1 bad setting"):
        fetch(ADDRESS)
    assert not list(Path().glob("vqa-v1*")) and manifest.files


@pytest.mark.parametrize("content", ["", "{}", "[]", "no json", '{"format": 2}'])
def test_a_damaged_manifest_is_named(project: Path, content: str) -> None:
    publish_here()
    (PLACE / "artifacts/vqa/v1.json").write_text(content)
    with pytest.raises(UserError, match=r"artifacts/vqa/v1\.json"):
        fetch(ADDRESS)


def test_a_manifest_that_was_changed_or_moved_is_refused(project: Path) -> None:
    publish_here()
    file = PLACE / "artifacts/vqa/v1.json"
    shutil.copy(file, file.with_name("v7.json"))
    with pytest.raises(UserError, match=r"v7.json is the manifest of vqa@v1"):
        fetch(ADDRESS)
    values = json.loads(file.read_text())
    del values["files"]["log.jsonl"]
    file.write_text(json.dumps(values))
    with pytest.raises(UserError, match="is damaged") as caught:
        fetch(parse_address(f"{PLACE}/vqa@v1"))
    assert "list of files" in caught.value.why


def test_unknown_names_versions_and_places_are_told_with_the_known_ones(project: Path) -> None:
    publish_here()
    for address, words, known in (
        (f"{PLACE}/vqb", "there is no vqb", "known: vqa"),
        (f"{PLACE}/vqa@v4", "has no vqa@v4", "there are v1"),
        ("../nowhere/vqa", "there is no vqa", "nothing is published there"),
    ):
        with pytest.raises(UserError, match=words) as caught:
            fetch(parse_address(address))
        assert known in caught.value.why


def test_a_folder_with_something_else_is_not_touched(project: Path) -> None:
    publish_here()
    Path("mine").mkdir()
    Path("mine/file").write_text("mine")
    with pytest.raises(UserError, match="mine exists and is not an artifact"):
        fetch(ADDRESS, Path("mine"))
    assert list_files(Path("mine")).keys() == {"file"}
    folder, _ = fetch(ADDRESS)
    (folder / "config.json").write_text("{}")
    with pytest.raises(UserError, match=r"config.json is damaged or missing"):
        fetch(ADDRESS)


def test_only_products_are_published_and_versions_are_not_chosen(project: Path) -> None:
    with pytest.raises(UserError, match="is nothing to publish: build_vocabulary made it"):
        publish_here(Path("data/vocabulary"))
    with pytest.raises(UserError, match="data/cards is not a finished product"):
        publish_here(Path("data/cards"))
    address = parse_address(f"{PLACE}/vqa@v9")
    with pytest.raises(UserError, match="a version cannot be chosen"):
        publish(MODEL, address, read_products(), load_params())


def test_the_same_is_published_once_by_two_at_once(project: Path) -> None:
    others = list[Published]()

    def publish_beside(_: str) -> None:
        if not others:
            others.append(publish_here())

    found = publish(MODEL, ADDRESS, read_products(), load_params(), publish_beside)
    assert found.manifest == others[0].manifest
    assert list_names(FolderPlace(PLACE)) == {"vqa": [1]}


@pytest.mark.parametrize("is_gone", [True, False])
def test_what_is_made_anew_while_it_is_published_is_not_published(
    project: Path, is_gone: bool
) -> None:
    weights = MODEL / "model.safetensors"

    def make_anew(line: str) -> None:
        if weights.name in line:
            content = weights.read_bytes()
            weights.unlink()
            if not is_gone:
                weights.write_bytes(content[:-1] + b"x")  # of the same size, as another seed's is

    with pytest.raises(UserError, match=f"{weights} was removed or made anew while it was read"):
        publish(MODEL, ADDRESS, read_products(), load_params(), make_anew)
    assert list_names(FolderPlace(PLACE)) == {}
    stored = [path for path in (PLACE / "objects").rglob("*") if path.is_file()]
    assert stored and all(hash_file(path) == path.name for path in stored)


def test_no_room_for_scratch_files_is_not_blamed_on_the_product(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "gone")
    with pytest.raises(FileNotFoundError, match="gone/"):
        publish_here()
