"""Which figures a sentence speaks of, by its words: "Fig. 1", "Figs 1A, B and 3", "Figures 2-4"."""

from __future__ import annotations

import re

SERIES = r"(?P<series>suppl(?:ementa(?:ry|l))?\.?|supporting|additional|extended[ -]data|online)"
WORD = r"(?P<word>fig(?:ure|ura)?|scheme|chart|plate)(?P<plural>s?)\b\.?"
NUMBER = r"[SE]?\d{1,3}(?![.]?\d)"
PANEL = r"\(?[A-Za-z]\)?(?![A-Za-z])"
JOIN = r"\s*(?:(?:,\s*)?\b(?:and|or|to|through)\b|,?\s*&|[,;/\u2010-\u2014-])\s*"
MENTION = re.compile(
    rf"\b(?:{SERIES}\s+)?{WORD}\s*"
    rf"(?P<list>{NUMBER}(?:\s?{PANEL})?(?:{JOIN}(?:{NUMBER}(?:\s?{PANEL})?|{PANEL}))*)",
    re.IGNORECASE,
)
PIECE = re.compile(
    rf"(?P<join>{JOIN})?"
    rf"(?:(?P<letter>[SE])?(?P<digits>\d+)(?:\s?(?P<panel>{PANEL}))?|{PANEL})",
    re.IGNORECASE,
)
RANGE = re.compile(r"[\u2010-\u2014-]|to|through", re.IGNORECASE)
BARE = re.compile(r"\d{1,3}")
# "Figure 2 of ref. 7", "Fig. 1 in Roe et al.": a figure of another article. "Figure 1\u2014figure
# supplement 2": a figure of its own.
FOREIGN = re.compile(
    r"\s*,?\s*(?:of|in|from)\s+(?:refs?\b|[A-Z][\w'-]+ (?:et al|and [A-Z]))"
    r"|\s*[\u2010-\u2014-]+\s*(?:figure supplement|source|video)"
)
LONGEST_RANGE = 30


def name_figure(label: str, caption: str = "") -> str:
    """What sentences call a figure (``figure 1``, ``figure S2``), "" where that is not clear.

    Read off its label, or off the beginning of its caption where it has no label.
    """
    clean = label.strip(" .:|\u2013\u2014-")
    if BARE.fullmatch(clean):
        return f"figure {int(clean)}"
    found = MENTION.fullmatch(clean) if clean else MENTION.match(caption)
    names = _expand(found) if found else []
    return names[0] if len(names) == 1 else ""


def named_figures(sentence: str) -> set[str]:
    """The names of all figures that a sentence speaks of; figures of other articles are not."""
    return {
        name
        for found in MENTION.finditer(sentence)
        if not FOREIGN.match(sentence, found.end())
        for name in _expand(found)
    }


def _expand(found: re.Match[str]) -> list[str]:
    """Names in a list of numbers: ranges whole, panels as their figure."""
    word = "figure" if found["word"].lower().startswith("fig") else found["word"].lower()
    series = _letter(found["series"] or "")
    names: list[str] = []
    last = 0
    for piece in PIECE.finditer(found["list"]):
        if not piece["digits"]:
            continue
        join, number = (piece["join"] or "").strip(), int(piece["digits"])
        if join == "," and not (found["plural"] or piece["panel"] or piece["letter"]):
            break  # "in Figure 1, 2 patients"
        series = (piece["letter"] or series).upper()
        is_range = bool(RANGE.search(join)) and last < number <= last + LONGEST_RANGE
        numbers = range(last + 1, number + 1) if names and is_range else [number]
        names += [f"{word} {series}{n}" for n in numbers]
        last = number
    return names


def _letter(series: str) -> str:
    """How a series of figures is numbered: supplementary S, extended data E, the article's own."""
    return "" if not series else "E" if series.lower().startswith("extended") else "S"
