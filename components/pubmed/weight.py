"""What a text takes in memory on its way from XML to Parquet, told before it is there.

Its size says little: a tree of many small elements takes thirty times as much, many short words
forty times. The numbers were measured with texts that are nothing but one or the other; they hold
for articles and for citations.
"""

from __future__ import annotations

import re

import numpy as np

MAX_WEIGHT = 48 << 20  # of one text: 1.2 MB of nothing but words, or 3 MB of a table's cells
# Bytes that each byte of text takes, each byte of a tag, each tag or attribute, each entity (it
# parts the text around it), and each figure (its record).
TEXT, MARKUP, NODE, ENTITY, FIGURE = 40, 2, 120, 300, 2000
SHORT_TAG = 14  # bytes of a tag in NLM's files, on average at least
TAGS = re.compile(rb"<[A-Za-z/][^<>]*>")
FIGURES = re.compile(rb"<(?:\w+:)?(?:fig|graphic|media|supplementary-material)\b")


def weigh_roughly(citation: bytes) -> int:
    """``weigh`` of a citation from how many tags it has, in a hundredth of the time."""
    num_tags = int(np.count_nonzero(np.frombuffer(citation, np.uint8) == ord("<")))
    text = max(len(citation) - SHORT_TAG * num_tags, 0)
    return TEXT * text + (NODE + MARKUP * SHORT_TAG) * num_tags + ENTITY * citation.count(b"&")


def weigh(xml: bytes) -> int:
    """How many bytes of memory a piece of XML takes at most, about."""
    num_markup = sum(map(len, TAGS.findall(xml)))
    num_nodes = xml.count(b"<") + xml.count(b"=")
    num_entities = xml.count(b"&") - xml.count(b"&#")
    num_figures = len(FIGURES.findall(xml))
    return (
        TEXT * (len(xml) - num_markup)
        + MARKUP * num_markup
        + NODE * num_nodes
        + ENTITY * num_entities
        + FIGURE * num_figures
    )
