"""XML elements, put together one by one."""

from __future__ import annotations

from lxml import etree

Element = etree._Element


def add(parent: Element, tag: str, text: str | None = None, **attributes: str) -> Element:
    """Append a child with text and attributes; returns the child."""
    child = etree.SubElement(parent, tag, attributes)
    child.text = text
    return child


def serialize(root: Element, doctype: str) -> bytes:
    """A UTF-8 file with declaration and document type; white space is as the tree has it."""
    body = etree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{doctype}\n{body}\n'.encode()
