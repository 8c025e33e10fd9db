"""Records as trees of pugixml, which parses them several times as fast as libxml2.

pugixml reads no DTD and resolves no entities but XML's own five; it knows no namespaces, so that
a name may carry a prefix. A node that is not there is false, and has "" for every text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lxml import etree
from pugixml import pugi

from components.pubmed.inflate import Damaged
from components.pubmed.markup import Element, is_exponent, plain_text, squeeze

Node = Any  # pugixml.pugi.XMLNode: the library has no type hints
FLAGS = int(pugi.PARSE_DEFAULT) | int(pugi.PARSE_WS_PCDATA)
INLINE = frozenset({"b", "i", "sub", "sup", "u"})
MAX_DEPTH = 100  # of markup within a text; NLM's has three or four levels


def parse_records(part: bytes) -> Node:
    """The document of whole records, whose children they are; raises Damaged(``broken-xml``)."""
    document = pugi.XMLDocument()
    result = document.load_buffer(part, len(part), FLAGS, pugi.ENCODING_UTF8)
    if not result:
        raise Damaged("broken-xml", f"{result.description()} at byte {result.offset}")
    return document


def each(parent: Node, name: str) -> Iterator[Node]:
    """The children of one name, in order."""
    node = parent.child(name)
    while node:
        yield node
        node = node.next_sibling(name)


def children(parent: Node) -> Iterator[Node]:
    """All children, texts and elements, in order."""
    node = parent.first_child()
    while node:
        yield node
        node = node.next_sibling()


def node_text(node: Node) -> str:
    """The text within an element, as ``plain_text`` gives it; "" for one that is not there."""
    first = node.first_child()
    if not first:
        return ""
    pieces: list[str] = []
    while first:
        piece = first.value()  # "" where it is an element
        if not piece:
            piece = _inline_text(first, pieces)
            if piece is None:
                return plain_text(_as_element(node, 0))
        pieces.append(piece)
        first = first.next_sibling()
    return squeeze("".join(pieces))


def _inline_text(node: Node, pieces: list[str]) -> str | None:
    """What a letter's markup adds to the text; None for all else, which takes all the rules."""
    name, only = node.name(), node.first_child()
    if name not in INLINE or not only or only.next_sibling() or not only.value():
        return None
    text: str = only.value()
    return f"^{text}" if name == "sup" and is_exponent(text, pieces) else text


def _as_element(node: Node, depth: int) -> Element:
    """The same tree in lxml, without prefixes and attributes, for the rules of markup."""
    if depth > MAX_DEPTH:
        raise Damaged("too-deep", f"markup of more than {MAX_DEPTH} levels")
    element = etree.Element(node.name().rpartition(":")[2])
    last: Element | None = None
    for child in children(node):
        if child.name():
            last = _as_element(child, depth + 1)
            element.append(last)
        elif last is None:
            element.text = (element.text or "") + child.value()
        else:
            last.tail = (last.tail or "") + child.value()
    return element
