"""In-hospital mortality from admission notes: MIMIC-III's tables, CORe's splits of its patients.

The selection is that of CORe's task creation (van Aken et al., EACL 2021): discharge summaries of
adults, cut down to the sections that are known at admission.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from components.cards import Card
from components.readers.columns import ExpectedColumns
from components.readers.csv_rows import read_csv_records
from components.readers.json_rows import Found
from components.readers.values import BadValue, as_label
from components.records import OUTSIDE, SPLITS, RawRow, Reject

SECTIONS = {
    "CHIEF COMPLAINT": "chief complaint:",
    "PRESENT ILLNESS": "present illness:",
    "MEDICAL HISTORY": "medical history:",
    "MEDICATION ON ADMISSION": "medications on admission:",
    "ALLERGIES": "allergies:",
    "PHYSICAL EXAM": "physical exam:",
    "FAMILY HISTORY": "family history:",
    "SOCIAL HISTORY": "social history:",
}
MAIN = tuple(SECTIONS)[:3]  # without any of them a note says too little
# a section ends at the next empty line whose following line begins a heading
PATTERNS = {
    title: re.compile(rf"{words}(.+?)\n\n[^(\\|\d.)\n]+?:", re.IGNORECASE | re.DOTALL)
    for title, words in SECTIONS.items()
}
GIVEN_AWAY = re.compile(r"patient died|patient deceased|(?<=\n)deceased\n")
ADMISSION = ("HADM_ID", "SUBJECT_ID", "ADMISSION_TYPE", "HOSPITAL_EXPIRE_FLAG")
NOTE = ("HADM_ID", "CHARTDATE", "CATEGORY", "DESCRIPTION", "TEXT")
HYPOTHESIS = "The patient dies in the hospital."


@dataclass(frozen=True, slots=True)
class Summary:
    """A discharge summary, or an addendum to one; they sort by date."""

    date: str
    stay: str
    title: str
    text: str
    origin: str


@dataclass
class Stay:
    """An admission, and its discharge summary with addenda, by date."""

    patient: str
    kind: str
    died: str
    notes: list[Summary] = field(default_factory=list)


def read_core_mortality_rows(card: Card, root: Path) -> Iterator[RawRow | Reject]:
    """Yield a row per admission: what was known then, and whether the patient died in hospital.

    Newborns, addenda without a report, notes without complaint, illness and history, and all but
    the latest of equal notes are outside the set, and counted. A summary of an unknown admission, a
    patient in none of CORe's lists, and an unknown flag are Rejects; so is a patient's line in a
    second list: the first one holds. The second text is ``options.hypothesis``. Raises UserError
    where a table lacks a column or is damaged.
    """
    stays: dict[str, Stay] = {}
    for found in _read(card, root, "admissions", ADMISSION):
        if isinstance(found, Reject):
            yield found
            continue
        _, number, patient, kind, died = found
        stays[number] = Stay(patient, kind, died)
    yield from _gather_notes(card, root, stays)
    splits: dict[str, str] = {}
    yield from _read_splits(card, root, splits)
    for number, stay in stays.items():
        if stay.notes:
            yield _read_stay(card, number, stay, splits)


def _read(
    card: Card, root: Path, role: str, columns: tuple[str, ...]
) -> Iterator[tuple[str, ...] | Reject]:
    """Each record of a role's first file as its origin and the text of the columns."""
    path = card.find(root, role)[0]
    name = path.relative_to(root).as_posix()
    expected = ExpectedColumns({column: column for column in columns})
    records: Iterator[Found] = read_csv_records(path, name)
    for number, record in records:
        if isinstance(record, Reject):
            yield record
            continue
        expected.see(record)
        yield (f"{name}#{number}", *(str(record.get(column) or "") for column in columns))
    expected.check(path, card.name)


def _gather_notes(card: Card, root: Path, stays: dict[str, Stay]) -> Iterator[Reject]:
    """Put each discharge summary to its stay; of equal ones the latest counts."""
    latest: dict[str, Summary] = {}
    for found in _read(card, root, "notes", NOTE):
        if isinstance(found, Reject):
            yield found
            continue
        origin, number, date, category, title, text = found
        if category != "Discharge summary":
            continue
        if number not in stays:
            yield Reject(origin, "missing-admission", f"HADM_ID is {number!r}")
        elif not text.strip():
            yield Reject(origin, "empty-TEXT")
        else:
            note = Summary(date, number, title, text, origin)
            older, newer = sorted((latest.get(text, note), note), key=lambda equal: equal.date)
            if older is not newer:
                yield Reject(older.origin, OUTSIDE, f"the same text stands in {newer.origin}")
            latest[text] = newer
    for note in sorted(latest.values(), key=lambda kept: kept.date):
        stays[note.stay].notes.append(note)


def _read_splits(card: Card, root: Path, splits: dict[str, str]) -> Iterator[Reject]:
    for split in SPLITS:
        for found in _read(card, root, split, ("SUBJECT_ID",)):
            if isinstance(found, Reject):
                yield found
            elif splits.setdefault(found[1], split) != split:
                detail = f"patient {found[1]} is in {splits[found[1]]} too"
                yield Reject(found[0], "splits-disagree", detail)


def _read_stay(card: Card, number: str, stay: Stay, splits: dict[str, str]) -> RawRow | Reject:
    origin = stay.notes[0].origin
    text = find_admission_text("\n\n".join(note.text for note in stay.notes))
    if stay.kind == "NEWBORN":
        return Reject(origin, OUTSIDE, "a newborn")
    if not any(note.title == "Report" for note in stay.notes):
        return Reject(origin, OUTSIDE, "addenda only")
    if not text:
        return Reject(origin, OUTSIDE, "no section known at admission")
    if stay.patient not in splits:
        return Reject(origin, "missing-split", f"no list names patient {stay.patient}")
    try:
        label = as_label(stay.died, "HOSPITAL_EXPIRE_FLAG", card.answers)
    except BadValue as bad:
        return Reject(origin, bad.reason, bad.detail)
    hypothesis = card.options.get("hypothesis", HYPOTHESIS)
    return RawRow(
        id=number,
        split=splits[stay.patient],
        fields={"premise": text, "hypothesis": hypothesis, "label": label},
        origin=origin,
        group=stay.patient,
    )


def find_admission_text(note: str) -> str:
    """The sections that are known at admission, each under its title; "" without a main one.

    Words that give the outcome away are taken out, as CORe does.
    """
    found = {title: pattern.search(note.strip()) for title, pattern in PATTERNS.items()}
    texts = {
        title: match.group(1).replace("\n", " ").strip() if match else ""
        for title, match in found.items()
    }
    if not any(texts[title] for title in MAIN):
        return ""
    told = "\n\n".join(f"{title}: {text}" for title, text in texts.items())
    return GIVEN_AWAY.sub("", told)
