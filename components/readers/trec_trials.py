"""TREC Clinical Trials: patients as topics, trials of ClinicalTrials.gov, and graded judgements.

Topics and trials are XML, judgements lines of ``topic 0 NCT grade``. Trials are read from TREC's
archives as they are, or from a folder of XML files.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lxml import etree

from components.cards import Card
from components.readers.folds import deal_splits
from components.readers.json_rows import unreadable
from components.readers.values import BadValue, as_label, as_text
from components.readers.xml_trees import parse_xml
from components.records import UNSPLIT, RawRow, Reject

LONGEST_TRIAL = 8 << 20  # bytes of one trial's XML; real ones have up to some hundred thousand
BROKEN = (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError)


@dataclass(frozen=True, slots=True)
class Judgement:
    """A line of the judgements."""

    topic: str
    trial: str
    grade: str
    origin: str


def read_trec_trial_rows(card: Card, root: Path) -> Iterator[RawRow | Reject]:
    """Yield a row per judgement: the patient, the trial, and what the card makes of the grade.

    The topic is the group: all that was judged for one patient stays on one side. A judgement of a
    topic or a trial that is not there, of a grade that the card does not know, or given twice, is a
    Reject. ``options.fold`` (``3/10``) makes that fold of the topics the test, the next validation.
    Raises UserError for files that are not XML or hold no topic, and for damaged archives.
    """
    topics = _read_topics(card.find(root, "topics")[0])
    judgements: list[Judgement] = []
    yield from _read_judgements(card.find(root, "judgements")[0], root, judgements)
    splits = deal_splits(card, topics)
    trials: dict[str, str | BadValue] = {}
    for trial, content in _find_trials(card.find(root, "trials"), {j.trial for j in judgements}):
        trials[trial] = _word_trial(content)
    for judgement in judgements:
        try:
            fields = _judge(card, judgement, topics, trials)
        except BadValue as bad:
            yield Reject(judgement.origin, bad.reason, bad.detail)
            continue
        yield RawRow(
            id=f"{judgement.topic}/{judgement.trial}",
            split=splits.get(judgement.topic, UNSPLIT),
            fields=fields,
            origin=judgement.origin,
            group=judgement.topic,
        )


def _judge(
    card: Card, judgement: Judgement, topics: dict[str, str], trials: dict[str, str | BadValue]
) -> dict[str, str]:
    if judgement.topic not in topics:
        raise BadValue("missing-topic", f"topic {judgement.topic}")
    trial = trials.get(judgement.trial, BadValue("missing-trial", judgement.trial))
    if isinstance(trial, BadValue):
        raise trial
    return {
        "premise": topics[judgement.topic],
        "hypothesis": trial,
        "label": as_label(judgement.grade, "grade", card.answers),
    }


def _read_topics(path: Path) -> dict[str, str]:
    try:
        topics = parse_xml(path.read_bytes())
    except etree.XMLSyntaxError as error:
        raise unreadable(path, f"it is not XML: {error}") from None
    found = {topic.get("number") or "": _text_of(topic) for topic in topics.iter("topic")}
    if not found:
        raise unreadable(path, "it holds no topic")
    return {number: text for number, text in found.items() if number and text}


def _read_judgements(path: Path, root: Path, judgements: list[Judgement]) -> Iterator[Reject]:
    name, seen = path.relative_to(root).as_posix(), set()
    for number, line in enumerate(path.read_bytes().decode("utf-8", "replace").splitlines(), 1):
        parts, origin = line.split(), f"{name}#{number}"
        if not parts:
            continue
        if len(parts) != 4:
            yield Reject(origin, "wrong-number-of-cells", f"{len(parts)}, not 4: {line[:80]!r}")
            continue
        topic, _, trial, grade = parts
        if (topic, trial) in seen:
            yield Reject(origin, "judged-twice", f"topic {topic}, {trial}")
            continue
        seen.add((topic, trial))
        judgements.append(Judgement(topic, trial, grade, origin))


def _find_trials(paths: Iterable[Path], wanted: set[str]) -> Iterator[tuple[str, bytes | BadValue]]:
    """The XML of each trial that was judged; nothing is unpacked, and no name is a path."""
    for path in paths:
        if path.suffix.lower() != ".zip":
            if path.stem in wanted:
                yield path.stem, path.read_bytes()
            continue
        try:
            yield from _find_archived(path, wanted)
        except BROKEN as error:
            raise unreadable(path, f"it is not a whole archive: {error}") from None


def _find_archived(path: Path, wanted: set[str]) -> Iterator[tuple[str, bytes | BadValue]]:
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            name = PurePosixPath(entry.filename)
            if name.suffix == ".xml" and name.stem in wanted:
                if entry.file_size > LONGEST_TRIAL:
                    yield name.stem, BadValue("trial-too-long", f"{entry.file_size} bytes")
                else:
                    yield name.stem, archive.read(entry)


def _word_trial(content: bytes | BadValue) -> str | BadValue:
    """Title, conditions, whom it takes, criteria, and last the summary: a prompt cuts the end."""
    if isinstance(content, BadValue):
        return content
    try:
        study = parse_xml(content)
        title = as_text(_find_text(study, "brief_title"), "brief_title")
    except etree.XMLSyntaxError as error:
        return BadValue("broken-xml", str(error)[:200])
    except BadValue as bad:
        return bad
    conditions = ", ".join(filter(None, map(_text_of, study.findall("condition"))))
    parts = (
        title,
        f"conditions: {conditions}" if conditions else "",
        _word_eligibility(study),
        _find_text(study, "eligibility/criteria/textblock"),
        _find_text(study, "brief_summary/textblock"),
    )
    return ". ".join(part.rstrip(".") for part in parts if part) + "."


def _word_eligibility(study: etree._Element) -> str:
    names = {"gender": "sex", "minimum_age": "from", "maximum_age": "to"}
    found = ((word, _find_text(study, f"eligibility/{name}")) for name, word in names.items())
    return ", ".join(f"{word} {value}" for word, value in found if value not in ("", "N/A"))


def _find_text(study: etree._Element, place: str) -> str:
    found = study.find(place)
    return "" if found is None else _text_of(found)


def _text_of(element: etree._Element) -> str:
    return " ".join("".join(map(str, element.itertext())).split())
