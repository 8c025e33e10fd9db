"""XML of others as a tree: no entity is resolved, no DTD and no address is asked."""

from __future__ import annotations

from lxml import etree


def parse_xml(content: bytes) -> etree._Element:
    """The root of a document. XMLSyntaxError for what is none, also in an encoding that is none.

    Of content, not of a path: lxml tells a file in a broken encoding as one that cannot be read.
    """
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
    )
    return etree.fromstring(content, parser)
