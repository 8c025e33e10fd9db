"""Raw files into their folder: made, copied by a card's roles, or fetched."""

from __future__ import annotations

import gzip
import hashlib
from functools import partial
from pathlib import Path

import pytest
from pydantic import ValidationError

from components.acquire import place
from components.acquire.download import download
from components.acquire.place import (
    find_altered,
    place_download,
    place_local,
    place_sample,
)
from components.cards import ACCESS_NOTES, Card, Download, Files, load_card
from components.errors import UserError
from components.sample.settings import SampleSettings
from tests.components.acquire.conftest import Answer, Site

CARDS = Path(__file__).resolve().parents[3] / "data/cards"
ANY = load_card("meqsum", CARDS)


def make_card(url: str = "https://example.org/", access: str = "open") -> Card:
    """A card of records (needed) and notes (not needed)."""
    source = ANY.source.model_copy(
        update={"url": url, "access": access, "licence": "L-1", "how_to_get": "ask for it"}
    )
    files = {
        "records": Files(patterns=["data/*.json.gz", "*.json.gz"]),
        "notes": Files(patterns=["notes/*.txt"], required=False),
    }
    return ANY.model_copy(
        update={"name": "toy", "source": source, "files": files, "folders": ["toy", "Toy-1"]}
    )


def put(path: Path, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def names(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_sample_files_are_made_in_the_folder_and_named(tmp_path: Path) -> None:
    settings = SampleSettings(num_images=4, num_texts=6, image_px=16, seed=1)
    placed = place_sample(ANY, tmp_path, settings)
    assert [path.relative_to(tmp_path).as_posix() for path in placed] == names(tmp_path)
    assert len(placed) == 1


def test_files_that_are_not_the_published_ones_are_named(tmp_path: Path) -> None:
    files = [put(tmp_path / "a.npz", "whole"), put(tmp_path / "b.npz"), put(tmp_path / "c.npz")]
    published = {
        "a.npz": hashlib.md5(b"whole", usedforsecurity=False).hexdigest(),
        "b.npz": "0" * 32,
    }
    source = ANY.source.model_copy(update={"md5": published})
    card = ANY.model_copy(update={"source": source})
    assert find_altered(card, files) == ["b.npz"]  # of c nobody knows what it should be


def test_a_source_that_nobody_makes_is_an_error(tmp_path: Path) -> None:
    settings = SampleSettings(num_images=4, num_texts=6, image_px=16, seed=1)
    with pytest.raises(UserError, match="no source named 'toy'"):
        place_sample(make_card(), tmp_path, settings)


def test_files_of_the_roles_are_copied_and_nothing_else(tmp_path: Path) -> None:
    user, raw = tmp_path / "user", tmp_path / "raw"
    put(user / "toy/data/a.json.gz", "a")
    put(user / "toy/notes/n.txt", "n")
    put(user / "toy/other.json.gz", "a later pattern")
    put(user / "toy/private.txt")
    put(user / "Toy-1/data/b.json.gz")
    placed = place_local(make_card(), user, raw)
    assert names(raw) == ["data/a.json.gz", "notes/n.txt"]
    assert placed == [raw / name for name in names(raw)]
    assert (raw / "data/a.json.gz").read_text() == "a"


def test_the_first_folder_that_holds_what_is_needed_counts(tmp_path: Path) -> None:
    put(tmp_path / "user/toy/notes/n.txt")
    put(tmp_path / "user/Toy-1/b.json.gz")
    place_local(make_card(), tmp_path / "user", tmp_path / "raw")
    assert names(tmp_path / "raw") == ["b.json.gz"]


def test_a_linked_folder_is_taken_and_a_link_out_of_it_is_not(tmp_path: Path) -> None:
    put(tmp_path / "elsewhere/a.json.gz", "a")
    (tmp_path / "user").mkdir()
    (tmp_path / "user/toy").symlink_to(tmp_path / "elsewhere")
    place_local(make_card(), tmp_path / "user", tmp_path / "raw")
    assert not (tmp_path / "raw/a.json.gz").is_symlink()
    assert names(tmp_path / "raw") == ["a.json.gz"]
    (tmp_path / "elsewhere/b.json.gz").symlink_to(put(tmp_path / "secret"))
    with pytest.raises(UserError, match=r"b\.json\.gz is a link to .*secret, outside of"):
        place_local(make_card(), tmp_path / "user", tmp_path / "raw2")


@pytest.mark.parametrize("name", sorted(path.stem for path in CARDS.glob("*.yaml")))
@pytest.mark.parametrize("there", [False, True])
def test_what_is_missing_is_named_with_licence_access_and_how_to_get_it(
    tmp_path: Path, name: str, there: bool
) -> None:
    card, user = load_card(name, CARDS), tmp_path / "user"
    (user / card.folders[0] if there else user).mkdir(parents=True)
    with pytest.raises(UserError) as caught:
        place_local(card, user, tmp_path / "raw")
    error = caught.value
    assert card.title in error.what and f"data/cards/{card.name}.yaml" in error.what
    first = next(iter(card.files.values())).patterns[0]
    looked_for = [user / card.folders[0] / first] if there else [user / n for n in card.folders]
    assert all(str(path) in error.what for path in looked_for)
    for part in (card.source.licence, card.source.access, card.source.url):
        assert part in error.why
    assert ACCESS_NOTES[card.source.access] in error.why
    assert error.next_command == card.source.how_to_get
    assert not (tmp_path / "raw").exists()


def test_the_root_must_be_a_folder_apart(tmp_path: Path) -> None:
    inside = tmp_path / "data/raw/toy"
    put(tmp_path / "toy/a.json.gz")
    for root, what in (
        (Path(), "acquire.root is empty"),
        (tmp_path / "absent", "is not a folder"),
        (put(tmp_path / "file"), "is not a folder"),
        (tmp_path, "where the files go"),
    ):
        with pytest.raises(UserError, match=what) as caught:
            place_local(make_card(), root, inside)
        assert "acquire.root in params.yaml" in caught.value.next_command


@pytest.fixture
def loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets ``place_download`` fetch from this machine, without waiting."""
    open_door = partial(download, allow_loopback=True, sleep=lambda pause: None)
    monkeypatch.setattr(place, "download", open_door)


@pytest.mark.usefixtures("loopback")
def test_a_plain_file_is_fetched_and_resumed(site: Site, tmp_path: Path) -> None:
    body = gzip.compress(b"[]" * 500, mtime=0)
    url = site.serve("/v1/a.json.gz?download=1", Answer(body, cut=9), Answer(body))
    assert place_download(make_card(url), tmp_path) == [tmp_path / "a.json.gz"]
    assert (tmp_path / "a.json.gz").read_bytes() == body
    assert names(tmp_path) == ["a.json.gz"]
    assert [wanted for _, wanted in site.asked] == ["", "bytes=9-"]


@pytest.mark.usefixtures("loopback")
def test_what_came_must_be_what_the_card_needs(site: Site, tmp_path: Path) -> None:
    card = make_card(site.serve("/other.xml", Answer(b"<a/>")))
    with pytest.raises(UserError, match="no records file; looked for"):
        place_download(card, tmp_path)


@pytest.mark.usefixtures("loopback")
@pytest.mark.parametrize("status", [404, 500])
def test_a_download_that_fails_says_where_to_turn(site: Site, tmp_path: Path, status: int) -> None:
    card = make_card(site.serve("/a.json.gz", Answer(status=status)))
    with pytest.raises(UserError, match=str(status)) as caught:
        place_download(card, tmp_path)
    assert "acquire.mode to local" in caught.value.next_command
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("url", "access"),
    [
        ("https://example.org/", "open"),
        ("https://example.org/archive.zip", "open"),
        ("https://example.org/a.json.gz", "credentialed"),
        ("https://example.org/a.json.gz", "non-commercial"),
    ],
)
def test_only_open_plain_files_are_fetched(tmp_path: Path, url: str, access: str) -> None:
    with pytest.raises(UserError) as caught:
        place_download(make_card(url, access), tmp_path)
    error = caught.value
    assert ANY.title in error.what and "data/cards/toy.yaml" in error.what
    assert all(part in error.why for part in (url, access, "L-1"))
    assert ("plain file" in error.why) == (not url.endswith(".gz"))
    assert error.next_command == "ask for it"
    assert names(tmp_path) == []


def test_plain_http_is_not_spoken_to_the_world(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="only https"):
        place_download(make_card("http://example.invalid/a.json.gz"), tmp_path)


def list_files(site: Site, *bodies: bytes, sums: list[str]) -> Card:
    """A card whose files are listed one by one, in two folders."""
    downloads = [
        Download(url=site.serve(f"/v1/{i}", Answer(body)), path=f"data/{i}.json.gz", sha256=sha256)
        for i, (body, sha256) in enumerate(zip(bodies, sums, strict=True))
    ]
    card = make_card(access="open")
    return card.model_copy(
        update={"source": card.source.model_copy(update={"downloads": downloads})}
    )


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.mark.usefixtures("loopback")
def test_listed_files_are_fetched_by_their_sums(site: Site, tmp_path: Path) -> None:
    card = list_files(site, b"one", b"two", sums=[sha256(b"one"), sha256(b"two")])
    placed = place_download(card, tmp_path)
    assert placed == [tmp_path / f"data/{i}.json.gz" for i in (0, 1)]
    assert [path.read_bytes() for path in placed] == [b"one", b"two"]


@pytest.mark.usefixtures("loopback")
def test_a_download_with_another_sum_names_both(site: Site, tmp_path: Path) -> None:
    card = list_files(site, b"one", sums=[sha256(b"two")])
    with pytest.raises(UserError) as caught:
        place_download(card, tmp_path)
    assert f"its sha256 is {sha256(b'one')}, not {sha256(b'two')}" in caught.value.why
    assert names(tmp_path) == []


def test_local_files_are_held_to_the_listed_sums(site: Site, tmp_path: Path) -> None:
    card = list_files(site, b"one", sums=[sha256(b"one")])
    put(tmp_path / "user/toy/data/0.json.gz", "one")
    put(tmp_path / "user/toy/data/extra.json.gz", "not listed")
    place_local(card, tmp_path / "user", tmp_path / "raw")
    assert names(tmp_path / "raw") == ["data/0.json.gz", "data/extra.json.gz"]
    wrong = put(tmp_path / "user/toy/data/0.json.gz", "two")
    with pytest.raises(UserError, match=f"{wrong} is not the file that data/cards/toy") as caught:
        place_local(card, tmp_path / "user", tmp_path / "again")
    assert f"its sha256 is {sha256(b'two')}, not {sha256(b'one')}" in caught.value.why
    assert caught.value.next_command == "ask for it"
    assert names(tmp_path / "again") == []


@pytest.mark.parametrize("path", ["/etc/passwd", "../up", "a/../../b"])
def test_a_listed_file_stays_in_its_folder(path: str) -> None:
    with pytest.raises(ValidationError, match="leads out of the raw folder"):
        Download(url="https://example.org/a", path=path, sha256="0" * 64)
