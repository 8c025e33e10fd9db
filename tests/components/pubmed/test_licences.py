"""Licences by address and by words: what is in doubt allows nobody to use a text for money."""

from __future__ import annotations

import pytest
from lxml import etree

from components.pubmed.licences import allows_commercial_use, find_licence

CC = "https://creativecommons.org"
ZERO = f"{CC}/publicdomain/zero/1.0/"
TO_DATA = (
    f"The Creative Commons Public Domain Dedication waiver ({ZERO}) applies to the data made "
    "available in this article, unless otherwise stated."
)
SPRINGER = (
    "Open Access This article is licensed under a Creative Commons Attribution 4.0 International "
    "License, which permits use, sharing, adaptation, distribution and reproduction in any medium. "
    "If material is not included in the article's Creative Commons licence and your intended use "
    "is not permitted by statutory regulation, you will need to obtain permission directly from "
    "the copyright holder."
)


def named(words: str, link: str = "", statement: str = "") -> str:
    """What is found in an article that says so."""
    meta = etree.Element("article-meta")
    etree.SubElement(meta, "copyright-statement").text = statement
    licence = etree.SubElement(meta, "license", {"href": link} if link else {})
    etree.SubElement(licence, "license-p").text = words
    return find_licence(meta)


@pytest.mark.parametrize(
    ("words", "licence"),
    [
        ("This is not in the public domain. All rights reserved.", "unknown"),
        ("It lies in the public domain. All rights reserved.", "unknown"),
        ("CC BY 4.0, no commercial use", "CC BY-NC"),
        ("CC BY, and may not be used for commercial purposes", "CC BY-NC"),
        ("CC BY, for personal use only", "CC BY-NC"),
        ("CC BY licence. Not for resale.", "CC BY-NC"),
        ("CC BY, but copies may not be sold", "CC BY-NC"),
        ("In the public domain; not for re-sale", "unknown"),
        ("Published under CC BY NC", "CC BY-NC"),
        ("Published under CC\u2010BY\u2011NC\u2011ND", "CC BY-NC-ND"),
        ("CC0 waiver applies to the data; article is CC BY-NC", "CC BY-NC"),
        (TO_DATA.replace(ZERO, "CC0"), "unknown"),
        (SPRINGER + TO_DATA.replace(ZERO, "CC0"), "CC BY"),
        ("CC0, but not for commercial use", "unknown"),
        ("Published under Creative Commons", "unknown"),
        ("Published under a Creative Commons license; non-commercial use only", "CC BY-NC"),
        ("CC BY. All rights reserved.", "unknown"),
        ("No part of this may be copied without written permission. CC BY.", "unknown"),
        ("The article is not licensed under CC BY.", "unknown"),
        # and what does allow it
        (SPRINGER, "CC BY"),
        ("Creative Commons Attribution License, for any purpose, even commercially", "CC BY"),
        ("CC BY, (c) Wholesale Medical Press", "CC BY"),
        ("CC BY: both commercial and non-commercial use", "CC BY"),
        ("made available under the Creative Commons CC0 public domain dedication", "CC0"),
        ("This is a work of the government and in the public domain.", "public domain"),
    ],
)
def test_words(words: str, licence: str) -> None:
    assert named(words) == licence
    assert licence in ("CC BY", "CC0", "public domain") or not allows_commercial_use(words)


@pytest.mark.parametrize(
    ("link", "words", "licence"),
    [
        (ZERO, "applies to the data. All rights reserved", "unknown"),
        (ZERO, TO_DATA, "unknown"),
        (ZERO, f"{SPRINGER} {TO_DATA}", "CC BY"),
        (ZERO, "The article is under CC BY-NC.", "CC BY-NC"),
        (ZERO, "The work is dedicated to the public.", "CC0"),
        (f"{CC}/licenses/by/4.0/", f"{SPRINGER} {TO_DATA}", "CC BY 4.0"),
        (f"{CC}/licenses/by/4.0/", "Not to be used for commercial purposes.", "CC BY-NC"),
        (f"{CC}/licenses/by-sa/4.0/", "Share alike. Non-commercial.", "CC BY-NC-SA"),
        (f"{CC}/licenses/by/4.0/", f"Figures: {CC}/licenses/by-nc/4.0/.", "CC BY-NC 4.0"),
        (f"{CC}/licenses/by_nc/4.0/", "", "unknown"),
        (f"{CC}/licenses/BY/4.0", "", "CC BY 4.0"),
        (f"{CC.upper()}/PUBLICDOMAIN/ZERO/1.0", "", "CC0"),
    ],
)
def test_addresses_and_the_words_beside_them(link: str, words: str, licence: str) -> None:
    assert named(words, link) == licence


def test_a_reservation_in_the_copyright_statement_counts() -> None:
    assert named("", ZERO, "Copyright 2020. All rights reserved.") == "unknown"


def test_a_name_that_the_metadata_gives_is_held_to_its_words() -> None:
    assert allows_commercial_use("CC BY") and allows_commercial_use("CC BY-ND 4.0")
    for stated in ("CC BY-NC", "CC BY 4.0, no commercial use", "TDM", "", "NLM terms"):
        assert not allows_commercial_use(stated)
