"""What an article says about its licence, in one short name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import polars as pl

from components.pubmed.markup import Element, plain_text

UNKNOWN = "unknown"
CITATION_LICENCE = "NLM terms"  # of a citation that states no copyright of its own
PUBLISHER = "copyright stated by the publisher"
FREE = ("CC0", "public domain")  # licences that a condition does not fit: it contradicts them
FOR_MONEY = re.compile(r"(?:CC0|public domain|CC BY(?:-SA|-ND)?)(?: \d\.\d)?")
CC_URL = re.compile(r"creativecommons\.org/licenses/([a-z-]+)(?![\w%])/?(\d\.\d)?", re.IGNORECASE)
FREE_URL = re.compile(r"creativecommons\.org/publicdomain/(zero|mark)", re.IGNORECASE)
HYPHENS = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-") | {"\xad": ""})
CC = re.compile(r"creative\s+commons", re.IGNORECASE)
CC_BY = re.compile(
    r"(?:creative\s+commons|\bCC\b)[^.;]{0,40}?\battribution\b|\bCC[ -]?BY\b", re.IGNORECASE
)
CC0 = re.compile(r"\bCC[ -]?(?:0|zero)\b|creative\s+commons\s+zero", re.IGNORECASE)
PUBLIC_DOMAIN = re.compile(r"public domain", re.IGNORECASE)
# A waiver for the data made available with an article (BioMed Central's usual line) is not one for
# the article; and what is not in the public domain names it too.
NOT_DEDICATED = re.compile(
    r"\b(?:meta)?data(?:sets?|bases?)?\b"
    r"|\b(?:not|never|nor|neither)\b[^.;]{0,60}\b(?:public domain|CC0)",
    re.IGNORECASE,
)
RESERVED = re.compile(
    r"\ball\s+(?:\w+\s+)?rights\s+(?:are\s+)?reserved\b|\bno part of this\b"
    r"|\bwithout\s+(?:the\s+)?(?:prior|express|written)\b[^.;]{0,40}\b(?:permission|consent)\b"
    r"|\b(?:article|work|paper) is not\b[^.;]{0,60}\b(?:CC BY|creative commons|open access)\b",
    re.IGNORECASE,
)
# Any other word of commerce is read as a condition, but of those who trade ("copyrighted by other
# commercial organizations").
COMMERCE_ALLOWED = re.compile(
    r"(?<!not )\b(?:even|including)\s+(?:for\s+)?commercial(?:ly)?\b"
    r"|(?<!no )(?<!not )\bcommercial(?:ly)?\s+(?:and|or|as well as)\s+non-?\s?commercial"
    r"|(?<!no )(?<!not )(?<!for )\bnon-?\s?commercial(?:ly)?\s+(?:and|or|as well as)\s+commercial"
    r"|(?<!no )\bcommercial\s+(?:re-?)?use\s+is\s+(?:permitted|allowed)\b",
    re.IGNORECASE,
)
IN_SHORT = r"\bBY(?:[ -]+(?:NC|ND|SA))*[ -]+"  # what stands before a condition in ``BY-NC-ND``
CONDITIONS = (
    ("-NC", re.compile(
        r"non-?\s?commercial|commercial(?! (?:organi|compan|publisher|entit|firm|interest))"
        rf"|{IN_SHORT}NC\b|(?:non-?|not-for-)profit (?:use|purpose)"
        r"|\b(?:re[- ]?)?(?:sale|sell|selling|sold)\b"
        r"|\b(?:personal|private|academic|educational|research) (?:use|purposes?) only",
        re.IGNORECASE,
    )),
    ("-ND", re.compile(rf"no(?:n-?)?[- ]?deriv|{IN_SHORT}ND\b", re.IGNORECASE)),
    ("-SA", re.compile(rf"share[- ]?\s?alike|{IN_SHORT}SA\b", re.IGNORECASE)),
)  # fmt: skip


def name_kind(licence: str) -> str:
    """A licence that has a name, as it is; PUBLISHER for a journal's line of copyright."""
    named = ("", UNKNOWN, CITATION_LICENCE, "CC0", "public domain")
    return licence if licence in named or licence.startswith("CC BY") else PUBLISHER


def allows_commercial_use(licence: str) -> bool:
    """Whether a licence, or a line of copyright that names one, lets anybody use it for money.

    As PMC groups them: CC0, CC BY, CC BY-SA, CC BY-ND and the public domain. What states nothing
    allows nothing.
    """
    named = licence if name_kind(licence) == licence else _weigh([], licence)
    return FOR_MONEY.fullmatch(named) is not None


def may_be_used(licences: str) -> pl.Expr:
    """Whether the column ``licence`` allows what ``ingest_pubmed.licences`` asks for."""
    if licences == "any":
        return pl.lit(value=True)
    return pl.col("licence").map_elements(allows_commercial_use, return_dtype=pl.Boolean)


def find_licence(meta: Element) -> str:
    """``CC BY-NC 4.0``, ``CC0``, ``public domain``, ... or ``unknown``.

    Addresses (attributes, links, ali:license_ref) name the licence, of several the one that allows
    least; words do where there is none. A condition in the words holds against an address that
    knows none, and what the words leave in doubt is ``unknown``. Older DTDs state the licence
    within the copyright statement.
    """
    nodes = [*meta.iterfind(".//license"), *meta.iterfind(".//copyright-statement")]
    texts = [str(value) for node in nodes for part in node.iter() for value in part.attrib.values()]
    texts += ["".join(map(str, node.itertext())) for node in nodes]
    words = [f"{node.get('license-type') or ''} {plain_text(node)}" for node in nodes]
    return _weigh([link for text in texts for link in _name_links(text)], " ".join(words))


def _name_links(text: str) -> Iterator[str]:
    """The licences whose addresses stand in a text."""
    for found in CC_URL.finditer(text.translate(HYPHENS)):
        version = f" {found.group(2)}" if found.group(2) else ""
        yield f"CC {found.group(1).upper()}{version}"
    for free in FREE_URL.findall(text):
        yield "CC0" if free.lower() == "zero" else "public domain"


def _weigh(links: Iterable[str], words: str) -> str:
    """What licences that addresses name, and the words around them, come to."""
    words = words.translate(HYPHENS)
    named = min(links, key=_freedom, default="")
    if not named or (named in FREE and (NOT_DEDICATED.search(words) or CC_BY.search(words))):
        named = _name_words(words)
    if not FOR_MONEY.fullmatch(named):
        return named
    conditions = _find_conditions(words)
    if RESERVED.search(words) or (conditions and named in FREE):
        return UNKNOWN
    if all(condition in named for condition in conditions):
        return named
    both = [c for c, _ in CONDITIONS if c in named or c in conditions]
    return "CC BY" + "".join(c for c in both if c != "-SA" or "-ND" not in both)


def _freedom(licence: str) -> int:
    return 2 if licence in FREE else int(FOR_MONEY.fullmatch(licence) is not None)


def _find_conditions(words: str) -> list[str]:
    rest = COMMERCE_ALLOWED.sub(" ", words)
    return [condition for condition, pattern in CONDITIONS if pattern.search(rest)]


def _name_words(words: str) -> str:
    conditions = _find_conditions(words)
    if CC_BY.search(words) or (conditions and CC.search(words)):
        return "CC BY" + "".join(conditions)
    if NOT_DEDICATED.search(words):
        return UNKNOWN
    if CC0.search(words):
        return "CC0"
    return "public domain" if PUBLIC_DOMAIN.search(words) else UNKNOWN
