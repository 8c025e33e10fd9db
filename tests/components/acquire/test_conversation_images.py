"""Images of conversations, found again in PMC's bucket by addresses that are dead."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from components.acquire.conversation_images import fetch_images
from components.acquire.parallel import Haul
from components.acquire.pmc_bucket import ArticleVersion, PmcBucket
from components.acquire.transfer import NotFetched
from components.cards import load_card
from components.errors import UserError
from components.instructions.conversations import Conversation, read_conversations
from tests.components.acquire.s3 import FIGURE, BucketSite

CARDS = Path(__file__).resolve().parents[3] / "data/cards"
CARD = load_card("biomed_vital", CARDS)
pytestmark = pytest.mark.services
TURNS = [{"from": "human", "value": "What is it?"}, {"from": "gpt", "value": "A kidney."}]


def converse(folder: Path, *images: dict[str, Any]) -> None:
    """A file of conversations, one on each image."""
    folder.mkdir(parents=True, exist_ok=True)
    records = [{"id": str(n), "conversations": TURNS, **image} for n, image in enumerate(images)]
    (folder / "BioMed-VITAL-instructions-60K.json").write_text(json.dumps(records))


def list_urls(folder: Path, *lines: tuple[str, str, str] | str) -> None:
    """A list of dead addresses: pair, PMCID and file of each line."""
    written = [
        line
        if isinstance(line, str)
        else json.dumps(
            {
                "pair_id": line[0],
                "pmc_tar_url": f"https://ftp.ncbi.nlm.nih.gov/pub/pmc/oa_package/1/2/{line[1]}.tar.gz",
                "image_file_path": f"{line[1]}/{line[2]}",
            }
        )
        for line in lines
    ]
    (folder / "PMC_image_urls.jsonl").write_text("\n".join(written))


def fetch(site: BucketSite, folder: Path) -> Haul:
    return fetch_images(CARD, folder, folder.with_name("store"), site.open(), 3)


def test_what_conversations_lack_comes_where_they_look_for_it(
    bucket_site: BucketSite, tmp_path: Path
) -> None:
    folder = tmp_path / "raw"
    converse(
        folder,
        {"imgs": "11_F1.jpg"},
        {"image": "11_F2.jpg"},
        {"image": "22_F1.jpg", "pair_id": "22_F1"},
        {"image": "33_F1.jpg"},
        {"image": "33_F1.jpg"},
        {"image": "../up.jpg"},
        {},
    )
    (folder / "images").mkdir()
    (folder / "images/33_F1.jpg").write_bytes(FIGURE)
    list_urls(
        folder,
        "{broken",
        ("99_F9", "PMC9", "nobody-asked.jpg"),
        ("11_F1", "PMC1", "gr1.jpg"),
        ("11_F2", "PMC1", "gr2.jpg"),
        ("22_F1", "PMC2", "fig.jpg"),
    )
    bucket_site.put_article("PMC1.1", {"gr1.jpg": b"old", "gr2.jpg": FIGURE})
    bucket_site.put_article("PMC1.2", {"gr1.jpg": b"new", "GR2.png": b"PNG"}, is_retracted=True)
    bucket_site.put_article("PMC2.1", {"fig.png": b"2"}, license_code="CC BY-NC")
    haul = fetch(bucket_site, folder)
    assert (haul.num_in, haul.rejects) == (3, [])
    store = tmp_path / "store"
    found = {path.name: path.read_bytes() for path in haul.files if path.parent.name == "images"}
    assert found == {"11_F1.jpg": b"new", "11_F2.jpg": FIGURE, "22_F1.jpg": b"2"}
    keys = [json.loads(line) for line in (store / "image_keys.jsonl").read_text().splitlines()]
    assert [(key["image"], key["key"], key["licence"], key["retracted"]) for key in keys] == [
        ("11_F1.jpg", "PMC1.2/gr1.jpg", "CC BY", True),
        ("11_F2.jpg", "PMC1.1/gr2.jpg", "CC BY", False),
        ("22_F1.jpg", "PMC2.1/fig.png", "CC BY-NC", False),
    ]
    listings = [line for line in bucket_site.asked if "list-type" in line]
    assert len(listings) == 2  # one for each article


def test_each_image_that_cannot_be_had_has_its_reason(
    bucket_site: BucketSite, tmp_path: Path
) -> None:
    folder = tmp_path / "raw"
    converse(folder, *({"image": f"{n}_F1.jpg"} for n in range(1, 7)))
    list_urls(
        folder,
        ("1_F1", "PMC1", "gr1.jpg"),
        ("2_F1", "PMC2", "gr1.jpg"),
        ("3_F1", "PMC3", "absent.jpg"),
        ("4_F1", "PMC4", "gr1.jpg"),
        ("5_F1", "paper", "gr1.jpg"),
    )
    bucket_site.put_article("PMC1.1")
    bucket_site.put_article("PMC3.1")
    bucket_site.put_article("PMC4.1", is_pmc_openaccess=False)
    haul = fetch(bucket_site, folder)
    assert {reject.origin: reject.reason for reject in haul.rejects} == {
        "images/2_F1.jpg": "not-in-bucket",
        "images/3_F1.jpg": "figure-not-in-bucket",
        "images/4_F1.jpg": "not-open-access",
        "images/5_F1.jpg": "no-pmcid",
        "images/6_F1.jpg": "not-in-list",
    }
    details = {reject.origin: reject.detail for reject in haul.rejects}
    assert "PMC3.1 are: gr1.jpg" in details["images/3_F1.jpg"]
    assert details["images/5_F1.jpg"].startswith("PMC_image_urls.jsonl#5: ")
    assert (haul.num_in, len(haul.files)) == (6, 2)


class _Unlisted(PmcBucket):
    """A bucket that lists no article: its server fails."""

    def __init__(self) -> None:
        pass

    def versions(self, pmcid: str) -> dict[int, ArticleVersion]:
        raise NotFetched(pmcid, "server-failed", "6 attempts failed, the last: 503")


def test_of_an_article_that_cannot_be_listed_no_image_is_called_absent(tmp_path: Path) -> None:
    folder = tmp_path / "raw"
    converse(folder, {"image": "1_F1.jpg"}, {"image": "1_F2.jpg"})
    list_urls(folder, ("1_F1", "PMC1", "gr1.jpg"), ("1_F2", "PMC1", "gr2.jpg"))
    haul = fetch_images(CARD, folder, tmp_path / "store", _Unlisted(), 1)
    assert [reject.reason for reject in haul.rejects] == ["server-failed", "server-failed"]
    assert (haul.num_in, haul.files) == (2, [])


def test_without_a_list_nothing_can_be_found(bucket_site: BucketSite, tmp_path: Path) -> None:
    converse(tmp_path / "raw", {"image": "1_F1.jpg"})
    with pytest.raises(UserError, match="no list of addresses") as caught:
        fetch(bucket_site, tmp_path / "raw")
    assert "PMC_image_urls.jsonl" in caught.value.next_command


def test_where_nothing_is_lacking_nothing_is_asked(bucket_site: BucketSite, tmp_path: Path) -> None:
    converse(tmp_path / "raw", {})
    list_urls(tmp_path / "raw", ("1_F1", "PMC1", "gr1.jpg"))
    haul = fetch(bucket_site, tmp_path / "raw")
    assert (haul.num_in, haul.files, bucket_site.asked) == (0, [], [])


def test_a_conversation_may_say_itself_where_its_image_is(
    bucket_site: BucketSite, tmp_path: Path
) -> None:
    folder = tmp_path / "raw"
    reference = "b8/2b/PMC5/g.jpg"
    converse(folder, {"image": "1_F1.jpg", "graphic_ref": reference}, {"image": "2_F1.jpg"})
    bucket_site.put_article("PMC5.1", {"g.jpg": FIGURE})
    haul = fetch(bucket_site, folder)
    assert (tmp_path / "store/images/1_F1.jpg").read_bytes() == FIGURE
    assert [(r.origin, r.reason, r.detail) for r in haul.rejects] == [
        ("images/2_F1.jpg", "not-in-list", "2_F1")
    ]


@pytest.mark.parametrize("by_list", [True, False])
def test_images_of_the_published_demonstrations_are_found(
    bucket_site: BucketSite, tmp_path: Path, shared_data: Path, by_list: bool
) -> None:
    folder = tmp_path / "raw"
    folder.mkdir()
    records = json.loads((shared_data / "biomed_vital/doctor_few_shot_examples.json").read_bytes())
    places = {r["imgs"].removesuffix(".jpg"): r["graphic_ref"].split("/")[2:] for r in records}
    if by_list:
        list_urls(folder, *((pair, pmcid, file) for pair, (pmcid, file) in places.items()))
        records = [{k: v for k, v in r.items() if k != "graphic_ref"} for r in records]
    (folder / "few.json").write_text(json.dumps(records))
    for pmcid, file in places.values():
        bucket_site.put_article(f"{pmcid}.1", {file: FIGURE})
    haul = fetch(bucket_site, folder)
    assert (haul.num_in, haul.rejects) == (len(places), [])
    for path in haul.files:
        target = folder / path.relative_to(tmp_path / "store")
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(path.read_bytes())
    talks = [talk for talk in read_conversations(CARD, folder) if isinstance(talk, Conversation)]
    assert talks and all(talk.image and not talk.lacking for talk in talks)
