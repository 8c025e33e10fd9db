"""BioMed-VITAL (and LLaVA-Med) conversations as rows: one for each request and its reply."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from components.cards import Card
from components.readers.files import MISSING, locate
from components.readers.json_rows import read_json_records
from components.readers.values import is_whole_text
from components.records import RawRow, Reject

MODALITIES = {
    "chest_xray": "xray",
    "mri": "mr",
    "ct_scan": "ct",
    "histology": "histology",
    "gross": "gross",
}
PMID_BEFORE_FIGURE = re.compile(r"(\d+)_")  # 28104940_F2.jpg
PMCID_IN_PATH = re.compile(r"\bPMC\d+\b")  # b8/2b/PMC5201076/IJRI-26-469-g002.jpg
IMAGE_MARK = "<image>"
NO_IMAGE = "no-image"  # the category of requests whose image is not at hand


def read_conversations(card: Card, root: Path, history_turns: int) -> Iterator[RawRow | Reject]:
    """Rows with fields history, question, answer; up to ``history_turns`` earlier pairs.

    The image is the file of the record's name where it is there, else the row has none and its
    category is NO_IMAGE. A record without conversation, a turn without text, a request
    without reply and a path that leads outside are Rejects.
    """
    for path in card.find(root, "conversations"):
        for number, record in read_json_records(path, path.name):
            if isinstance(record, Reject):
                yield record
            else:
                yield from _read_record(record, f"{path.name}#{number}", root, history_turns)


def _read_record(
    record: dict[str, Any], origin: str, root: Path, history_turns: int
) -> Iterator[RawRow | Reject]:
    turns = record.get("conversations")
    if not isinstance(turns, list) or not turns:
        yield Reject(origin, "no-conversation")
        return
    name = str(record.get("image") or record.get("imgs") or "")
    image = locate(name, root / "images", root, origin) if name else None
    if isinstance(image, Reject):
        if image.reason != MISSING:
            yield image
            return
        image = None
    key = str(record.get("pair_id") or record.get("id") or origin)
    said: list[tuple[str, str]] = []
    for number, pair in enumerate(_pairs(turns)):
        where = f"{origin}.{number}"
        if isinstance(pair, str):
            yield Reject(where, pair)
            continue
        history = said[-history_turns:] if history_turns else []
        yield RawRow(
            id=f"{key}/{origin.rsplit('#', 1)[1]}.{number}",
            split="train",
            fields={"history": lay_out(history), "question": pair[0], "answer": pair[1]},
            origin=where,
            image=image,
            group=key,
            category="" if image else NO_IMAGE,
            modality=_modality(record.get("domain")),
            documents=name_article(record, name),
        )
        said.append(pair)


def name_article(record: dict[str, Any], image: str) -> list[str]:
    """The article that a conversation's figure is from: by ``pmid``, or the name of the image,
    and by the PMCID in ``graphic_ref``."""
    pmid, named = str(record.get("pmid") or ""), PMID_BEFORE_FIGURE.match(Path(image).name)
    if not pmid and named:
        pmid = named[1]
    pmcid = PMCID_IN_PATH.search(str(record.get("graphic_ref") or ""))
    return [*([f"PMID {pmid}"] if pmid else []), *([pmcid[0]] if pmcid else [])]


def lay_out(turns: list[tuple[str, str]]) -> str:
    """Earlier turns as text, newest first: a text that is too long loses its end."""
    spoken = [f"question: {question} answer: {answer}" for question, answer in reversed(turns)]
    return " ".join(spoken).lower()


def _pairs(turns: list[Any]) -> Iterator[tuple[str, str] | str]:
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
            yield (request, text) if request and text else "empty-turn"
            request = None
    if request is not None:
        yield "unanswered-request"


def _modality(domain: Any) -> str:
    flags = domain if isinstance(domain, dict) else {}
    named = [name for flag, name in MODALITIES.items() if flags.get(flag) is True]
    return named[0] if len(named) == 1 else ""
