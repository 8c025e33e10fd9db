"""Radiology reports as plain text: their sections, told by headings in capitals.

After MIT-LCP's section parser for MIMIC-CXR (its rules, not its corrections for single reports).
"""

from __future__ import annotations

import re
from typing import NamedTuple

HEADING = re.compile(r"^[ \t]*([A-Z][A-Z ()/,&-]*[A-Z)])[ \t]*:(?=\s|$)", re.MULTILINE)
NEXT_PAGE = re.compile(r"\(Over\).*?\(Cont\)", re.DOTALL)  # a page's end, the next one's header
HIDDEN = re.compile(r"\[\*\*.*?\*\*\]", re.DOTALL)  # MIMIC-III's marks of what was taken out
# kinds of section, the first whose pattern a heading holds; misspellings are real ones
KINDS = (
    ("impression", re.compile(r"IMPRESS?ION|CONCLUSION|IMPRESSON|IMPRESSOIN|IMPRSSION|IMPESSION")),
    ("findings", re.compile(r"FIND?I?NG|FINDIN|FINIDNGS|FINDNGS")),
    ("views", re.compile(r"\b(CHEST|PORTABLE|VIEWS?|LATERAL|LAT|RIBS)\b")),
)


class FindingsImpression(NamedTuple):
    """What a report says was seen, and what it makes of it; "" for a section that is not there."""

    findings: str
    impression: str


def list_sections(told: str) -> list[str]:
    """The names of a card's ``options.sections``, which commas part."""
    return [name.strip() for name in told.split(",") if name.strip()]


def find_findings_and_impression(report: str) -> FindingsImpression:
    """Both sections, in single spaces; of one that stands twice the last with text counts.

    Where nothing is headed FINDINGS, a section headed by the film's views (CHEST, TWO VIEWS:) is
    taken. What was taken out of the text is ``___`` in both collections.
    """
    sections = split_sections(HIDDEN.sub("___", NEXT_PAGE.sub("\n", report)))
    findings = sections.get("findings") or sections.get("views", "")
    return FindingsImpression(findings, sections.get("impression", ""))


def split_sections(report: str) -> dict[str, str]:
    """Text by kind of section; an unknown heading is its own kind, in lower case."""
    headings = list(HEADING.finditer(report))
    ends = [*(heading.start() for heading in headings), len(report)][1:]
    sections: dict[str, str] = {}
    for heading, end in zip(headings, ends, strict=True):
        text = " ".join(report[heading.end() : end].split())
        if text:
            sections[_kind_of(heading.group(1))] = text
    return sections


def _kind_of(heading: str) -> str:
    for kind, pattern in KINDS:
        if pattern.search(heading):
            return kind
    return heading.lower()
