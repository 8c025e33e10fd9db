"""Text of XML elements: markup gone, formulae readable, white space single."""

from __future__ import annotations

import re
from collections.abc import Callable

from lxml import etree

Element = etree._Element
Replace = Callable[[Element], str | None]
BLOCKS = frozenset({
    "break", "def", "def-item", "disp-formula", "disp-quote", "label", "list", "list-item", "p",
    "sec", "td", "term", "th", "title", "tr", "verse-line",
})  # fmt: skip
MATH_JOINS = {"msub": "_", "munder": "_", "msup": "^", "mover": "^", "mfrac": "/"}
EXPONENT = re.compile(r"\s*[-\u2212]?\d")
TEX_BODY = re.compile(r"\\begin\{document\}(.*?)\\end\{document\}", re.DOTALL)


def local_name(element: Element) -> str:
    """Tag without namespace; "" for comments, processing instructions and entities."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def squeeze(text: str) -> str:
    """Every run of white space, of any kind, as one space; none at the ends."""
    return " ".join(text.split())


def plain_text(element: Element | None, replace: Replace | None = None) -> str:
    """The text within an element, "" for None.

    ``replace`` may give other text for a child, or "" to leave it out, or None to descend.
    Exponents after a digit get a caret (10^3, not 103); MathML becomes one line; entities that
    the document defines itself are left out.
    """
    if element is None:
        return ""
    pieces: list[str] = []
    _gather(element, replace, pieces)
    return squeeze("".join(pieces))


def _gather(element: Element, replace: Replace | None, pieces: list[str]) -> None:
    pieces.append(element.text or "")
    for child in element:
        name = local_name(child)
        if name:
            pad = " " if name in BLOCKS else ""
            instead = replace(child) if replace else None
            pieces.append(pad)
            if instead is not None:
                pieces.append(instead)
            elif name == "math":
                pieces.append(math_text(child))
            elif name == "tex-math":
                pieces.append(_tex_text(child))
            else:
                if name == "sup" and _is_exponent(child, pieces):
                    pieces.append("^")
                _gather(child, replace, pieces)
            pieces.append(pad)
        pieces.append(child.tail or "")


def _is_exponent(sup: Element, pieces: list[str]) -> bool:
    before = next((piece for piece in reversed(pieces) if piece), "")
    return before[-1:].isdigit() and EXPONENT.match(sup.text or "") is not None


def math_text(element: Element) -> str:
    """MathML on one line: a_b^c, a/b, sqrt(a); annotations, which repeat the formula, left out."""
    name = local_name(element)
    if name.startswith("annotation"):
        return ""
    parts = [math_text(child) for child in element if local_name(child)]
    parts = [part for part in parts if part]
    if not parts:
        return squeeze(element.text or "")
    if name in ("msubsup", "munderover") and len(parts) == 3:
        return f"{parts[0]}_{parts[1]}^{parts[2]}"
    if name in ("msqrt", "mroot"):
        return f"sqrt({''.join(parts)})"
    return MATH_JOINS.get(name, "").join(parts)


def _tex_text(element: Element) -> str:
    """The formula of a TeX document, without its preamble."""
    source = "".join(str(piece) for piece in element.itertext())
    found = TEX_BODY.search(source)
    return (found.group(1) if found else source).replace("$", "").strip()
