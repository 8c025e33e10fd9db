"""Raw values of records, made plain: text, labels, open or closed, modality."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from typing import Any

LONGEST_GROUP = 64
AGES = {"65 and over": 65, "40 to 64": 40, "18 to 39": 18, "under 18": 0}  # years, the oldest first
OLDEST = 120  # years; what is above is a slip, or 999 for an age that nobody knows
SEXES = {
    **dict.fromkeys(("f", "female", "woman", "w"), "female"),
    **dict.fromkeys(("m", "male", "man"), "male"),
}
UNTOLD = frozenset({"", "n/a", "na", "unknown", "blank(s)", "none", "."})
MODALITIES = {
    "x-ray": "xray",
    "xray": "xray",
    "xr": "xray",
    "cxr": "xray",
    "ct": "ct",
    "mri": "mr",
    "mr": "mr",
    "histology": "histology",
    "pathology": "histology",
    "fundus": "fundus",
    "gross": "gross",
    "photo": "photo",
}


class BadValue(Exception):  # noqa: N818
    """A value that a record cannot be used with: a short reason, and what was found."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


def pick(record: Mapping[str, Any], column: str) -> Any:
    """A column's value, or None.

    A dot steps into an object (``Description.Caption``), unless a column has that very name
    (``patient.id``, as R writes them); of columns with a bar between them (``image|image_path``)
    the first that holds something counts.
    """
    for name in column.split("|"):
        value: Any = record
        for part in [name] if name in record else name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if not is_nothing(value):
            return value
    return None


def is_nothing(value: Any) -> bool:
    """Whether a cell holds nothing: None, or the not-a-number that tables write there."""
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def is_whole_text(text: str) -> bool:
    """Whether a text can be written as UTF-8: half of a surrogate pair cannot."""
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)


def as_text(value: Any, field: str) -> str:
    """Text of a field, its ends stripped; numbers become text.

    Raises BadValue where it is absent, empty, or neither text nor a number.
    """
    if is_nothing(value):
        raise BadValue(f"missing-{field}")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadValue("wrong-type", f"{field} is a {type(value).__name__}")
    text = str(value).strip()
    if not text:
        raise BadValue(f"empty-{field}")
    if not is_whole_text(text):
        raise BadValue("broken-text", f"{field} holds half of a character")
    return text


def as_signal(value: Any) -> list[float]:
    """What was measured over time: a list of numbers. BadValue where one of them is none."""
    if is_nothing(value) or value == []:
        raise BadValue("missing-signal")
    if not isinstance(value, list):
        raise BadValue("wrong-type", f"signal is a {type(value).__name__}, no list of numbers")
    for place, number in enumerate(value):
        is_number = isinstance(number, int | float) and not isinstance(number, bool)
        if not is_number or not math.isfinite(number):
            raise BadValue("bad-signal", f"value {place + 1} of {len(value)} is {number!r}")
    return [float(number) for number in value]


def as_answer(value: Any, separator: str) -> str | list[str]:
    """The answer to a question, or several that are all right, with ``separator`` between them.

    Of answers by confidence, as older files hold them, the surest counts. Raises BadValue.
    """
    if isinstance(value, Mapping):
        ranked = [key for key, sure in value.items() if isinstance(sure, int | float)]
        value = max(ranked, key=lambda key: float(value[key]), default=None)
    text = as_text(value, "answer")
    parts = [part.strip() for part in text.split(separator)] if separator else [text]
    several = [part for part in parts if part]
    if not several:
        raise BadValue("empty-answer", f"{text!r} has nothing but what parts answers")
    return several if len(several) > 1 else several[0]


def as_label(value: Any, field: str, answers: Mapping[str, str]) -> str:
    """The answer text that the card gives to a raw label; BadValue for a label it does not know."""
    raw = as_text(value, field)
    if raw not in answers:
        raise BadValue("unknown-label", f"{field} is {raw!r}; the card knows {sorted(answers)}")
    return answers[raw]


def as_question_kind(value: Any, answer: str) -> str:
    """``open`` or ``closed``, whatever the case and the spaces around.

    Where the record does not say (PathVQA's official files do not), a question is closed when its
    answer is yes or no.
    """
    kind = value.strip().lower() if isinstance(value, str) else ""
    if kind in {"open", "closed"}:
        return kind
    return "closed" if answer.lower() in {"yes", "no"} else "open"


def as_attribute(name: str, value: Any) -> str:
    """What a record tells of a patient or a picture, in words that records share; "" for nothing.

    Sexes are ``female`` and ``male``, ages are put into AGES; anything else is told in lower case.
    """
    words = " ".join(str("" if is_nothing(value) else value).replace("_", " ").lower().split())
    if words in UNTOLD:
        return ""
    if name == "sex":
        return SEXES.get(words, "")
    return _as_age(words) if name == "age" else words


def _as_age(words: str) -> str:
    """The band of an age in years, as ``43``, ``043Y`` (DICOM's) or ``40-44 years``.

    A bare 0 is no age: MedPix writes it where it knows none. Nor is one above OLDEST.
    """
    found = re.match(r"(\d+)(?:\.\d+)?(.*)", words)
    if not found or re.fullmatch(r"0(?:\.0*)?", words):  # tables make 0.0 of it
        return ""
    of_months = re.match(r"[\s-]*(?:d|days?|w|wks?|weeks?|m|mos?|months?)\b", found[2])
    years = 0 if of_months else int(found[1])
    if years > OLDEST:
        return ""
    return next(band for band, begin in AGES.items() if years >= begin)


def as_modality(value: Any, default: str) -> str:
    """A modality in this project's words, or the card's where the record names none it knows."""
    raw = value.strip().lower() if isinstance(value, str) else ""
    return MODALITIES.get(raw, default)


def as_group(value: Any) -> str:
    """What rows share, as a short name: a long one (a premise, a text) is named by its hash."""
    text = "" if value is None else str(value).strip()
    if len(text) <= LONGEST_GROUP:
        return text
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
