"""A file of PubMed records, cut between records, so that each part can be parsed by itself.

A part that is broken costs only its own records, and memory does not grow with the file.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from itertools import chain

from components.pubmed.inflate import Damaged

ROOT = re.compile(rb"<(PubmedArticleSet|MedlineCitationSet)(?:\s[^<>]*)?>")
OTHER_ROOT = re.compile(rb"<([A-Za-z][\w.:-]*)")
ENCODING = re.compile(rb"""<\?xml[^>]*encoding\s*=\s*["']([\w.:-]+)""")
SUBSET = re.compile(rb"<!DOCTYPE[^>]*\[")
RECORD_ENDS = {
    b"PubmedArticleSet": (b"</PubmedArticle>", b"</PubmedBookArticle>"),
    b"MedlineCitationSet": (b"</MedlineCitation>",),
}
WRAPPED = re.compile(rb".*?</(?:PubmedArticle|PubmedBookArticle|DeleteCitation)>", re.DOTALL)
BARE = re.compile(rb".*?</(?:MedlineCitation|DeleteCitation)>", re.DOTALL)
DELETION_END = b"</DeleteCitation>"
MAX_PROLOG_BYTES = 1 << 16
MAX_RECORD_BYTES = 64 << 20
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def cut_records(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Parts of whole records (and the deletions after the last), UTF-8, in file order.

    Raises Damaged: ``no-pubmed`` for another root or none, ``entities`` for a file that defines
    some (NLM's never do), ``encoding`` for one that nobody knows, ``oversized`` for a record of
    over 64 MB, ``truncated`` where the root's end is missing.
    """
    stream = _as_utf8(iter(chunks))
    root, rest = _read_prolog(stream)
    ends = RECORD_ENDS[root]
    for chunk in chain([b""], stream):  # what the prolog's part holds counts, whatever follows
        rest += chunk
        end = _last_end(rest, ends)
        if end:
            yield rest[:end]
            rest = rest[end:]
        elif len(rest) > MAX_RECORD_BYTES:
            raise Damaged("oversized", f"a record is over {MAX_RECORD_BYTES >> 20} MB")
    end = _last_end(rest, (*ends, DELETION_END))
    if end:
        yield rest[:end]
    if b"</" + root not in rest[end:]:
        raise Damaged("truncated", f"the file ends without </{root.decode()}>")


def split_records(part: bytes) -> list[bytes]:
    """The records of a part, one by one."""
    wrapped = b"<PubmedArticle" in part or b"<PubmedBookArticle" in part
    return (WRAPPED if wrapped else BARE).findall(part)


def _last_end(part: bytes, ends: Iterable[bytes]) -> int:
    """Where the last record of a part ends; 0 where none does."""
    found = ((part.rfind(end), len(end)) for end in ends)
    return max((at + length for at, length in found if at >= 0), default=0)


def _read_prolog(stream: Iterator[bytes]) -> tuple[bytes, bytes]:
    """The root's name, and what was read after its start tag."""
    head = b""
    for chunk in stream:
        head += chunk
        found = ROOT.search(head)
        if found:
            if SUBSET.search(head, 0, found.start()):
                raise Damaged("entities", "it defines entities of its own")
            return found.group(1), head[found.end() :]
        if len(head) > MAX_PROLOG_BYTES:
            break
    other = OTHER_ROOT.search(head)
    root = f"its root is <{other.group(1).decode()}>, not PubMed citations" if other else ""
    raise Damaged("no-pubmed", root or "it holds no XML")


def _as_utf8(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The stream in UTF-8, whatever its first line says that it is."""
    first, damage = _read_first(chunks)
    named = ENCODING.search(first, 0, 256)
    name = "utf-16" if first.startswith(UTF16) else named.group(1).decode() if named else "utf-8"
    try:
        decoder = codecs.getincrementaldecoder(name)()
    except LookupError:
        raise Damaged("encoding", f"its encoding {name!r} is unknown") from None
    if codecs.lookup(name).name in ("utf-8", "ascii"):
        yield first.removeprefix(codecs.BOM_UTF8)
        yield from chunks
    else:
        try:
            for chunk in chain([first], chunks):
                yield decoder.decode(chunk).encode()
        except UnicodeDecodeError as error:
            raise Damaged("encoding", f"it is not {name}: {error.reason}") from None
    if damage is not None:
        raise damage


def _read_first(chunks: Iterator[bytes]) -> tuple[bytes, Damaged | None]:
    """Enough of a stream to tell what it is; where it ends early, what there is, and why."""
    first = b""
    try:
        for chunk in chunks:
            first += chunk
            if len(first) >= MAX_PROLOG_BYTES:
                break
    except Damaged as damage:
        return first, damage
    return first, None
