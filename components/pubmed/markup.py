"""Text of XML elements: markup gone, formulae readable, white space single."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.entities import html5

from lxml import etree

Element = etree._Element
Replace = Callable[[Element], str | None]
BLOCKS = frozenset({
    "break", "def", "def-item", "disp-formula", "disp-quote", "label", "list", "list-item", "p",
    "sec", "td", "term", "th", "title", "tr", "verse-line",
})  # fmt: skip
FORMULAE = frozenset({"alternatives", "disp-formula", "inline-formula"})
FORMS = ("math", "tex-math", "textual-form")  # ways to write one formula, the most readable first
MATH_JOINS = {"msub": "_", "munder": "_", "msup": "^", "mover": "^", "mfrac": "/"}
EXPONENT = re.compile(r"\s*[-\u2212]?\d")
OPERATOR = re.compile(r"(?<=.)[-+=/*,\u00d7\u2212]")
BRACKETED = re.compile(r"\([^()]*\)")
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
    Exponents after a digit get a caret (10^3, not 103); MathML becomes one line, and of a formula
    that is written in several ways one is read. Entities with a standard name (``&alpha;``) are
    their character; those that the document defines itself are left out.
    """
    if element is None:
        return ""
    pieces: list[str] = []
    _gather(element, replace, pieces)
    return squeeze("".join(pieces))


def _gather(element: Element, replace: Replace | None, pieces: list[str]) -> None:
    pieces.append(element.text or "")
    repeated = _find_repeated(element) if local_name(element) in FORMULAE else ()
    for child in element:
        name = local_name(child)
        if name and child not in repeated:
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
                if name == "sup" and is_exponent(child.text or "", pieces):
                    pieces.append("^")
                _gather(child, replace, pieces)
            pieces.append(pad)
        elif isinstance(child, etree._Entity):
            pieces.append(html5.get(f"{child.name};", ""))
        pieces.append(child.tail or "")


def _find_repeated(element: Element) -> list[Element]:
    """The forms of a formula that only say again what its most readable form says."""
    forms = [child for child in element if local_name(child) in FORMS and _form_text(child)]
    return sorted(forms, key=lambda child: FORMS.index(local_name(child)))[1:]


def _form_text(form: Element) -> str:
    return math_text(form) if local_name(form) == "math" else _tex_text(form)


def is_exponent(sup: str, pieces: list[str]) -> bool:
    """Whether a superscript with this text raises the number that ends the pieces."""
    before = next((piece for piece in reversed(pieces) if piece), "")
    return before[-1:].isdigit() and EXPONENT.match(sup) is not None


def math_text(element: Element) -> str:
    """MathML on one line: a_b^c, (a+b)/c, sqrt(a); annotations, which repeat it, left out."""
    name = local_name(element)
    if name.startswith("annotation"):
        return ""
    parts = [math_text(child) for child in element if local_name(child)]
    parts = [part for part in parts if part]
    if not parts:
        return squeeze(element.text or "")
    return _join_parts(element, parts)


def _join_parts(element: Element, parts: list[str]) -> str:
    name = local_name(element)
    if name == "mfenced":
        return f"{element.get('open', '(')}{','.join(parts)}{element.get('close', ')')}"
    if name == "msqrt":
        return f"sqrt({''.join(parts)})"
    grouped = [_grouped(part) for part in parts]
    if name in ("msubsup", "munderover") and len(parts) == 3:
        return f"{grouped[0]}_{grouped[1]}^{grouped[2]}"
    if name == "mroot" and len(parts) == 2:
        return f"{grouped[0]}^(1/{parts[1]})"
    return MATH_JOINS[name].join(grouped) if name in MATH_JOINS else "".join(parts)


def _grouped(part: str) -> str:
    """A part of a formula in brackets where it would else be read as several."""
    return f"({part})" if OPERATOR.search(part) and not BRACKETED.fullmatch(part) else part


def _tex_text(element: Element) -> str:
    """The formula of a TeX document, without its preamble."""
    source = "".join(str(piece) for piece in element.itertext())
    found = TEX_BODY.search(source)
    return (found.group(1) if found else source).replace("$", "").strip()
