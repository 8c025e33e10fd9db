"""A file of PubMed records, cut between records, so that each can be parsed by itself.

A record that is broken costs only itself, and memory does not grow with the file.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from components.pubmed.inflate import Damaged
from components.pubmed.weight import weigh_roughly

ROOT = re.compile(rb"<(PubmedArticleSet|MedlineCitationSet)(?:\s[^<>]*)?>")
OTHER_ROOT = re.compile(rb"<([A-Za-z][\w.:-]*)")
ENCODING = re.compile(rb"""<\?xml[^>]*encoding\s*=\s*["']([\w.:-]+)""")
SUBSET = re.compile(rb"<!DOCTYPE[^>]*\[")
RECORD = re.compile(
    rb"<(PubmedArticle|PubmedBookArticle|MedlineCitation|DeleteCitation)(?:\s[^<>]*?)?(/?)>"
    rb"|<!--.*?-->", re.DOTALL
)  # fmt: skip
NEXT = re.compile(rb"<(PubmedArticle|PubmedBookArticle|MedlineCitation|DeleteCitation)(?=[\s/>])")
INNER = b"MedlineCitation"  # a record of 2016, and since then the first part of one
BETWEEN = re.compile(
    rb"\s*(?:</?(?:Pubmed|Medline|Delete)|<!--|<\?|\Z)"
)  # what follows a record, as a rule
ANOTHER = b"<PubmedArticle"
ENCODINGS = re.compile(  # of text; Python knows others, which are none
    r"utf_?8(_sig)?|utf_?(16|32)(_?[bl]e)?|ascii|iso8859_\d+|latin_?1|cp\d+|koi8_[rtu]|gb\d+|gbk"
    r"|big5(hkscs)?|shift_jis|euc_(jp|kr)"
)
HISTORY, IDS, REFERENCES = b"<History>", b"<ArticleIdList>", b"<ReferenceList"
AFTER_REFERENCES = b"</PubmedData></PubmedArticle>"
MAX_PROLOG_BYTES = 1 << 16
MAX_RECORD_BYTES = 3 << 20  # five thousand authors with their affiliations take two
HEAD_BYTES = 1 << 12  # of a record: its PMID is there
LONGEST_TAG = len(b"</PubmedBookArticle>")
BUFFER_BYTES = 2 << 20  # cut at a time: what is read is gone before much of it is there
PART_WEIGHT = 140 << 20  # enough records at once that each costs little, few enough for the memory
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass
class Part:
    """Whole records in file order, UTF-8: articles (less history and references), and the others.

    A bare citation of 2016 is wrapped as a PubmedArticle. The others are books and deletions. Of a
    record that is too large there is only how it begins.
    """

    articles: list[bytes] = field(default_factory=list)
    others: list[bytes] = field(default_factory=list)
    too_large: list[bytes] = field(default_factory=list)
    weight: int = 0

    def is_full(self) -> bool:
        """Whether what it holds takes PART_WEIGHT bytes on its way to Parquet, about."""
        return self.weight >= PART_WEIGHT


def cut_records(chunks: Iterable[bytes]) -> Iterator[Part]:
    """Parts of a file of some megabytes each, in file order.

    Of a record of over MAX_RECORD_BYTES no more than these are held. Raises Damaged: ``no-pubmed``
    for another root or none, ``entities`` for a file that defines some (NLM's never do),
    ``encoding`` for one that nobody knows, ``truncated`` where a record's or the root's end is
    missing; what is whole comes before.
    """
    stream = _as_utf8(iter(chunks))
    root, rest = _read_prolog(stream)
    cutter, part = _Cutter(rest), Part()
    for more, damage in _gather(stream):
        cutter.cut(more, part)
        if damage is not None or part.is_full():
            yield part
            part = Part()
        if damage is not None:
            raise damage
    cutter.cut((), part, is_last=True)
    yield part
    if b"</" + root not in cutter.rest:
        raise Damaged("truncated", f"the file ends without </{root.decode()}>")
    if cutter.passing or any(f.group(1) and not f.group(2) for f in RECORD.finditer(cutter.rest)):
        raise Damaged("truncated", "the last record has no end")


def _gather(stream: Iterator[bytes]) -> Iterator[tuple[list[bytes], Damaged | None]]:
    """Chunks of a buffer's size together; the last with what ended the stream too early."""
    chunks: list[bytes] = []
    num_bytes = 0
    try:
        for chunk in stream:
            chunks.append(chunk)
            num_bytes += len(chunk)
            if num_bytes >= BUFFER_BYTES:
                yield chunks, None
                chunks, num_bytes = [], 0
    except Damaged as damage:
        yield chunks, damage
        return
    yield chunks, None


class _Cutter:
    """What is left after the last whole record, and the end tag that is looked for where more than
    a record may have has gone by.
    """

    def __init__(self, rest: bytes) -> None:
        self.rest, self.passing = rest, b""  # the name of the record that is passed by

    def cut(self, more: Iterable[bytes], part: Part, *, is_last: bool = False) -> None:
        """Add the whole records of what is left and of what follows to a part.

        One without an end is as long as it may be, or ends with the file: then it goes up to the
        next one.
        """
        buffer = b"".join((self.rest, *more))
        at = self._pass_by(buffer) if self.passing else 0
        while not self.passing and (start := RECORD.search(buffer, at)):
            begin, name, at = start.start(), start.group(1), start.end()
            if name is None:  # a comment, whatever it holds
                continue
            end = at if start.group(2) else _find_end(buffer, begin, name)
            if (is_last and not end) or (end or len(buffer)) - begin > MAX_RECORD_BYTES:
                end = _find_next(buffer, at, end or len(buffer), name) or end
            if (end or len(buffer)) - begin > MAX_RECORD_BYTES:
                part.too_large.append(buffer[begin : begin + HEAD_BYTES])
                self.passing = b"" if end else name
            elif end:
                _add(part, name, buffer, begin, end)
            at = end or begin
            if not end:
                break
        self.rest = buffer[at:] if not self.passing else buffer[-LONGEST_TAG:]
        if len(self.rest) > MAX_RECORD_BYTES:  # no record, however long it goes on
            self.rest = self.rest[-HEAD_BYTES:]

    def _pass_by(self, buffer: bytes) -> int:
        """Where the record that is too large ends, or the next one begins, if that is here."""
        end = _find_end(buffer, 0, self.passing)
        end = _find_next(buffer, 0, end or len(buffer), self.passing) or end
        if end:
            self.passing = b""
        return end


def _add(part: Part, name: bytes, buffer: bytes, begin: int, end: int) -> None:
    if name == b"PubmedArticle":
        record = _without_unread(buffer, begin, end)
    elif name == INNER:
        record = b"<PubmedArticle>%b</PubmedArticle>" % buffer[begin:end]
    else:
        record = buffer[begin:end]
    (part.articles if name in (b"PubmedArticle", INNER) else part.others).append(record)
    part.weight += weigh_roughly(record)


def _find_end(buffer: bytes, begin: int, name: bytes) -> int:
    """Where a record ends; 0 where its end is not there."""
    close = b"</%b>" % name
    end = buffer.find(close, begin)
    while end >= 0 and not BETWEEN.match(buffer, end + len(close)) and _is_data(buffer, begin, end):
        end = buffer.find(close, end + 1)
    return end + len(close) if end >= 0 else 0


def _find_next(buffer: bytes, begin: int, end: int, name: bytes) -> int:
    """Where another record begins within one of this name, which then has no end; 0 for nowhere."""
    for found in NEXT.finditer(buffer, begin, end):
        is_within = found.group(1) == INNER and name != INNER
        if not is_within and not _is_data(buffer, begin, found.start()):
            return found.start()
    return 0


def _is_data(buffer: bytes, begin: int, at: int) -> bool:
    """Whether a place in a record is within a CDATA section or a comment."""
    return any(
        buffer.rfind(opening, begin, at) > buffer.rfind(closing, begin, at)
        for opening, closing in ((b"<![CDATA[", b"]]>"), (b"<!--", b"-->"))
    )


def _without_unread(buffer: bytes, begin: int, end: int) -> bytes:
    """A record without its history and references: long, and read by nobody here.

    The identifiers stand between the two; the references are last.
    """
    history = buffer.find(HISTORY, begin, end)
    references = buffer.find(REFERENCES, max(begin, history), end)
    if references >= 0 and buffer.find(ANOTHER, references, end) >= 0:
        return buffer[begin:end]  # two records, the first without its end: to be told, not cut
    last, after = (end, b"") if references < 0 else (references, AFTER_REFERENCES)
    ids = buffer.find(IDS, history, last) if history >= 0 else -1
    if ids < 0:
        return buffer[begin:last] + after
    return b"".join((buffer[begin:history], buffer[ids:last], after))


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
        codec = codecs.lookup(name)
    except LookupError:
        codec = None
    if codec is None or not ENCODINGS.fullmatch(codec.name.replace("-", "_")):
        raise Damaged("encoding", f"its encoding {name!r} is unknown")
    if codec.name in ("utf-8", "ascii"):
        yield first.removeprefix(codecs.BOM_UTF8)
        yield from chunks
    else:
        decoder = codecs.getincrementaldecoder(name)()
        try:
            for chunk in chain([first], chunks):
                yield decoder.decode(chunk).encode()
        except UnicodeError as error:
            raise Damaged("encoding", f"it is not {name}: {error}") from None
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
