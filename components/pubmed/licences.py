"""What an article says about its licence, in one short name."""

from __future__ import annotations

import re

from components.pubmed.markup import Element, plain_text

UNKNOWN = "unknown"
CITATION_LICENCE = "NLM terms"  # of a citation that states no copyright of its own
PUBLISHER = "copyright stated by the publisher"
FOR_MONEY = re.compile(r"(?:CC0|public domain|CC BY(?:-SA|-ND)?)(?: \d\.\d)?")
CC_URL = re.compile(r"creativecommons\.org/licenses/([a-z-]+)/?(\d\.\d)?", re.IGNORECASE)
CC_WORDS = re.compile(r"creative\s+commons|\bCC[ -]BY\b", re.IGNORECASE)
CONDITIONS = (
    ("-NC", re.compile(r"non-?\s?commercial|\bBY-NC\b", re.IGNORECASE)),
    ("-ND", re.compile(r"no-?\s?deriv|\bBY(-NC)?-ND\b", re.IGNORECASE)),
    ("-SA", re.compile(r"share-?\s?alike|\bBY(-NC)?-SA\b", re.IGNORECASE)),
)


def name_kind(licence: str) -> str:
    """A licence that has a name, as it is; PUBLISHER for a journal's line of copyright."""
    named = ("", UNKNOWN, CITATION_LICENCE, "CC0", "public domain")
    return licence if licence in named or licence.startswith("CC BY") else PUBLISHER


def allows_commercial_use(licence: str) -> bool:
    """Whether a licence, or a line of copyright that names one, lets anybody use it for money.

    As PMC groups them: CC0, CC BY, CC BY-SA, CC BY-ND and the public domain. What states nothing
    allows nothing.
    """
    named = licence if name_kind(licence) == licence else _name_words(licence)
    return FOR_MONEY.fullmatch(named) is not None


def find_licence(meta: Element) -> str:
    """``CC BY-NC 4.0``, ``CC0``, ``public domain``, ... or ``unknown``.

    Addresses (attributes, links, ali:license_ref) are believed before words. Older DTDs state
    the licence within the copyright statement.
    """
    nodes = [*meta.iterfind(".//license"), *meta.iterfind(".//copyright-statement")]
    links = [
        str(value)
        for node in nodes
        for part in node.iter()
        for value in (*part.attrib.values(), part.text or "")
    ]
    for link in links:
        named = _name_link(link)
        if named:
            return named
    return _name_words(" ".join(plain_text(node) for node in nodes))


def _name_link(link: str) -> str:
    if "creativecommons.org/publicdomain/zero" in link:
        return "CC0"
    if "creativecommons.org/publicdomain/mark" in link:
        return "public domain"
    found = CC_URL.search(link)
    if not found:
        return ""
    version = f" {found.group(2)}" if found.group(2) else ""
    return f"CC {found.group(1).upper()}{version}"


def _name_words(words: str) -> str:
    if re.search(r"\bCC0\b", words):
        return "CC0"
    if CC_WORDS.search(words):
        return "CC BY" + "".join(part for part, pattern in CONDITIONS if pattern.search(words))
    return "public domain" if re.search(r"public domain", words, re.IGNORECASE) else UNKNOWN
