"""BioMed-VITAL (and LLaVA-Med) records: who said what, about which image, of which modality."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from components.cards import Card
from components.instructions.images import FOLDER, name_images
from components.instructions.variants import IMAGE_MARK, name_variants
from components.readers.files import MISSING, locate
from components.readers.json_rows import read_json_records
from components.readers.values import is_whole_text
from components.records import Reject

MODALITIES = {
    "chest_xray": "xray",
    "mri": "mr",
    "ct_scan": "ct",
    "histology": "histology",
    "gross": "gross",
}
Pair = tuple[str, str]
PMID_BEFORE_FIGURE = re.compile(r"(\d+)_")  # 28104940_F2.jpg
PMCID_IN_PATH = re.compile(r"\bPMC\d+\b")  # b8/2b/PMC5201076/IJRI-26-469-g002.jpg


@dataclass(frozen=True, slots=True)
class Conversation:
    """One record. ``pairs`` holds each request with its reply, or the reason why there is none.

    ``name`` is unique among the records that are read together; ``key`` is the figure, which
    several may be about. ``image`` is the first image that is at hand, ``lacking`` names those that
    are not. Where the domain's flags name no one modality, ``unlabelled`` says why.
    """

    name: str
    origin: str
    key: str
    pairs: list[Pair | str]
    image: Path | None
    lacking: list[str]
    graphic: str
    modality: str
    unlabelled: str
    caption: str
    mentions: list[str]
    variants: list[str]
    documents: list[str]


def read_conversations(card: Card, root: Path) -> Iterator[Conversation | Reject]:
    """The records of the card's file of conversations, or of all files that one pattern matches.

    A record without conversation and a path that leads outside are Rejects.
    """
    for place, path in enumerate(card.find(root, "conversations")):
        for number, record in read_json_records(path, path.name):
            if isinstance(record, Reject):
                yield record
            else:
                name = f"{place}-{number}" if place else str(number)
                yield _read_record(record, name, f"{path.name}#{number}", root)


def _read_record(
    record: dict[str, Any], name: str, origin: str, root: Path
) -> Conversation | Reject:
    turns = record.get("conversations")
    if not isinstance(turns, list) or not turns:
        return Reject(origin, "no-conversation")
    names = name_images(record)
    images = [locate(image, root / FOLDER, root, origin) for image in names]
    for image in images:
        if isinstance(image, Reject) and image.reason != MISSING:
            return image
    stem = PurePosixPath(names[0]).stem if names else ""
    modality, unlabelled = read_domain(record.get("domain"))
    return Conversation(
        name=name,
        origin=origin,
        key=str(record.get("pair_id") or stem or record.get("id") or origin),
        pairs=list(_pairs(turns)),
        image=next((image for image in images if isinstance(image, Path)), None),
        lacking=[n for n, image in zip(names, images, strict=True) if isinstance(image, Reject)],
        graphic=str(record.get("graphic_ref") or ""),
        modality=modality,
        unlabelled=unlabelled,
        caption=_text(record.get("fig_caption")),
        mentions=_read_mentions(record.get("in_text_mention")),
        variants=name_variants(record),
        documents=name_article(record, names[0] if names else ""),
    )


def read_domain(domain: Any) -> tuple[str, str]:
    """The modality that the one true flag of a record's domain names, and "".

    Otherwise "" and why: ``no-domain``, ``no-flag``, ``several-flags`` or ``unknown-flag``. Only
    true itself raises a flag.
    """
    if not isinstance(domain, dict):
        return "", "no-domain"
    raised = [flag for flag, value in domain.items() if value is True]
    if len(raised) != 1:
        return "", "several-flags" if raised else "no-flag"
    modality = MODALITIES.get(raised[0], "")
    return modality, "" if modality else "unknown-flag"


def name_article(record: dict[str, Any], image: str) -> list[str]:
    """The article that a conversation's figure is from: by ``pmid``, or the name of the image,
    and by the PMCID in ``graphic_ref``."""
    pmid, named = str(record.get("pmid") or ""), PMID_BEFORE_FIGURE.match(PurePosixPath(image).name)
    if not pmid and named:
        pmid = named[1]
    pmcid = PMCID_IN_PATH.search(str(record.get("graphic_ref") or ""))
    return [*([f"PMID {pmid}"] if pmid else []), *([pmcid[0]] if pmcid else [])]


def _read_mentions(mentions: Any) -> list[str]:
    """The sentences of the article that mention the figure."""
    listed = mentions if isinstance(mentions, list) else []
    said = [_text(item.get("tokens") if isinstance(item, dict) else item) for item in listed]
    return [text for text in said if text]


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) and is_whole_text(value) else ""


def _says(text: str) -> bool:
    """Whether a turn holds a letter or a digit: signs alone would be learnt as silence."""
    return any(map(str.isalnum, text))


def _pairs(turns: list[Any]) -> Iterator[Pair | str]:
    """Each request with its reply, or the reason why there is none."""
    request: str | None = None
    for turn in turns:
        speaker = turn.get("from") if isinstance(turn, dict) else None
        text = turn.get("value") if isinstance(turn, dict) else None
        if not isinstance(text, str) or not is_whole_text(text):
            yield "broken-turn"
            continue
        if speaker not in ("human", "gpt"):
            yield "broken-turn"
            continue
        text = text.replace(IMAGE_MARK, "").strip()
        if speaker == "human":
            if request is not None:
                yield "unanswered-request"
            request = text
        elif request is None:
            yield "reply-without-request"
        else:
            yield (request, text) if _says(request) and _says(text) else "empty-turn"
            request = None
    if request is not None:
        yield "unanswered-request"
