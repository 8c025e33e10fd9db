"""Seeded changes of files: of their bytes, of their structure, and within what packs them.

A change that keeps checksums and lengths right reaches the code behind them, one that does not
tests the decoder itself; each packed format gets both.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import PurePath
from random import Random
from typing import Any

import yaml

LONGEST = 1 << 20  # bytes of a changed file: repeated blocks must not grow without end
NUMBERS = (0, 1, -1, 2, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1)
TEXTS = (
    "", " ", "\0", "\ud800", "\u202e", "\x1b[31m", "a\nb", "../../x", "/etc/passwd", "C:\\x", "~",
    "NaN", "1e999", "-1", "0", "99999999999999999999", "true", "null", "=1+1", "<b>&amp;", "%s{0}",
    "x" * 5000, "\ufeff", "\u0660", "\u2028", "1_000", "2020-99-99",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**31, 2**63, 10**30, 0.5, -0.0, 1e308, float("nan"), float("inf"),
    [], {}, [[]], [None], {"": None}, {"a": [1]}, *TEXTS,
)  # fmt: skip
XML = (
    b"<", b">", b"&", b"&lt;", b"&x;", b"&#0;", b"&#xD800;", b"&#x10FFFF;", b"]]>", b"<![CDATA[",
    b"<!--", b"-->", b"<?a b?>", b'<!DOCTYPE a [<!ENTITY x "y">]>', b"<!ENTITY % p SYSTEM 'file:///etc/passwd'>",
    b"xmlns=''", b"\x00", b"\xff\xfe", b"\xe2\x80\xa8", b'<a b="', b"</a>", b"<a/>",
)  # fmt: skip
JSON = (b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\\ud800", b"NaN", b"-Infinity", b"1e999",
        b"null", b"[" * 20000, b'{"a":' * 20000, b"9" * 5000, b"\xef\xbb\xbf", b"\x00")  # fmt: skip
YAML = (b": ", b"- ", b"\n", b"\t", b"&a ", b"*a", b"<<: *a",
        b"!!python/object/apply:os.system [x]",
        b"!!int ''", b"!!float x", b"!!timestamp x", b"!!bool x", b"!!binary x", b"!!set ",
        b"!!omap ",
        b"? ", b"--- ", b"%YAML 9.9\n", b"'", b'"', b"|\n", b"{", b"[", b"0x", b"1:2:3",
                                                                     b"2020-99-99",
        b"~", b"=", b"[" * 2000, b"\x00", b"\xff")  # fmt: skip
CSV = (b'"', b",", b"\t", b"\r", b"\n", b'""', b"\x00", b"\xff", b"|", b"\xef\xbb\xbf", b"," * 500)
DICOM = (b"DICM", b"\x28\x00\x10\x00", b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0",
         b"\xe0\x7f\x10\x00",
         b"SQ\0\0\xff\xff\xff\xff", b"OW", b"OB", b"UN", b"US", b"DS", b"1.2.840.10008.1.2.4.50",
         b"1.2.840.10008.1.2.5", b"1.2.840.10008.1.2.1.99", b"\xff\xff\xff\xff")  # fmt: skip
PICKLE = (b"c", b"cos\nsystem\n", b"R", b"(", b".", b"\x80\x02", b"h\x00", b"b", b"\x85", b"N",
                                           b"}",
          b"]", b"e", b"u", b"i", b"o", b"\x8c\x01a", b"\x94", b"\x93",
          b"X\xff\xff\xff\x7f")  # fmt: skip
MULTIPART = (b"\r\n", b"--", b"\r\n\r\n", b'name="', b'filename="', b"Content-Disposition: ",
             b"form-data; ", b"\x00", b"; charset=utf-7", b"\r")  # fmt: skip
TOKENS: dict[str, tuple[bytes, ...]] = {
    ".xml": XML, ".nxml": XML, ".json": JSON, ".jsonl": JSON, ".yaml": YAML, ".lock": YAML,
    ".csv": CSV,
    ".tsv": CSV, ".txt": CSV, ".dcm": DICOM, ".pkl": PICKLE, ".pt": PICKLE, ".form": MULTIPART,
}  # fmt: skip
TAG = re.compile(rb"<[^<>]{1,300}>")


def mutate(random: Random, name: str, content: bytes) -> bytes:
    """Another content for a file of this name: one to four changes, LONGEST bytes at most."""
    for _ in range(random.choice((1, 1, 2, 4))):
        content = _change(random, name.lower(), content)[:LONGEST]
    return content


def _change(random: Random, name: str, content: bytes) -> bytes:
    suffix = PurePath(name).suffix
    if content[:4] == b"PK\x03\x04" and random.random() < 0.6:
        return _in_zip(random, content)
    if content[:2] == b"\x1f\x8b" and random.random() < 0.7:
        return _in_gzip(random, name, content)
    wise = STRUCTURED.get(suffix)
    if wise and random.random() < 0.6:
        try:
            return wise(random, content)
        except (
            ValueError,
            LookupError,
            TypeError,
            AttributeError,
            RecursionError,
            yaml.YAMLError,
            struct.error,
        ):
            pass  # a change before has broken its structure
    return _in_bytes(random, content, TOKENS.get(suffix, ()))


def _in_bytes(random: Random, content: bytes, tokens: tuple[bytes, ...]) -> bytes:
    """Flip, cut, delete, repeat, splice, overwrite with a number,
    or put in a word of the format."""
    begin = random.randrange(len(content) + 1)
    end = min(len(content), begin + random.choice((1, 1, 4, 16, 256, 4096)))
    before, piece, after = content[:begin], content[begin:end], content[end:]
    kind = random.randrange(8)
    if kind == 0 and piece:
        return before + bytes([piece[0] ^ 1 << random.randrange(8)]) + piece[1:] + after
    if kind == 1:
        return before
    if kind == 2:
        return before + after
    if kind == 3:
        return before + piece * random.choice((2, 3, 50)) + after
    if kind == 4:
        other = random.randrange(len(content) + 1)
        return before + content[other : other + len(piece)] + after
    if kind == 5:
        form = random.choice(("<b", "<h", "<i", "<q", ">h", ">i", ">q"))
        size = struct.calcsize(form)
        number = random.choice(NUMBERS) & (1 << 8 * size) - 1
        written = number.to_bytes(size, "little" if form[0] == "<" else "big")
        return before + written + content[begin + size :]
    if tokens:
        return before + random.choice(tokens) + (after if kind == 6 else piece + after)
    return before + random.randbytes(len(piece)) + after


def _in_tree(random: Random, value: Any) -> Any:
    """A tree of lists and mappings with one place changed: replaced, dropped, doubled, renamed."""
    if not isinstance(value, dict | list) or not value or random.random() < 0.1:
        return random.choice((*VALUES, [value], {"a": value}))
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = random.choice(keys)
    kind = random.randrange(8)
    if isinstance(value, dict):
        changed: Any = dict(value)
        if kind == 0:
            del changed[key]
        elif kind == 1:
            changed[random.choice(TEXTS)] = changed.pop(key)
        elif kind == 2:
            changed[key] = value[random.choice(keys)]
        else:
            changed[key] = _in_tree(random, value[key])
        return changed
    changed = list(value)
    if kind == 0:
        del changed[key]
    elif kind == 1:
        changed = changed * 3
    elif kind == 2:
        changed[key] = value[random.choice(keys)]
    else:
        changed[key] = _in_tree(random, value[key])
    return changed


def _dump_json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _in_json(random: Random, content: bytes) -> bytes:
    return _dump_json(_in_tree(random, json.loads(content)))


def _in_json_lines(random: Random, content: bytes) -> bytes:
    lines = content.split(b"\n")
    place = random.randrange(len(lines))
    lines[place] = _in_json(random, lines[place])
    return b"\n".join(lines)


def _in_yaml(random: Random, content: bytes) -> bytes:
    loaded = yaml.load(content, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    # JSON is YAML, and written without its rules of quoting
    return _dump_json(_in_tree(random, loaded))


def _in_xml(random: Random, content: bytes) -> bytes:
    """Tags dropped, doubled, exchanged, nested in themselves; or what stands between two."""
    tags = list(TAG.finditer(content))
    one, other = sorted((random.choice(tags), random.choice(tags)), key=lambda tag: tag.start())
    before, after = content[: one.start()], content[one.end() :]
    kind = random.randrange(6)
    if kind == 0:
        return before + after
    if kind == 1:
        return before + one.group() * random.choice((2, 3, 300)) + after
    if kind == 2 and one.start() < other.start():
        between = content[one.end() : other.start()]
        return before + other.group() + between + one.group() + content[other.end() :]
    if kind == 3:
        return before + one.group() + random.choice(TEXTS).encode("utf-8", "ignore") + after
    if kind == 4:
        inside = content[one.start() : other.end()]
        return content[: other.end()] + inside * random.choice((1, 2, 5)) + content[other.end() :]
    value = re.sub(rb'"[^"]*"', b'"' + random.choice((*XML, b"", b"9" * 400)) + b'"', one.group())
    return before + value + after


def _in_csv(random: Random, content: bytes) -> bytes:
    lines = content.split(b"\n")
    place = random.randrange(len(lines))
    mark = b"\t" if b"\t" in lines[0] else b"|" if b"|" in lines[0] else b","
    cells = lines[place].split(mark)
    kind, cell = random.randrange(5), random.randrange(len(cells))
    if kind == 0:
        del cells[cell]
    elif kind == 1:
        cells.insert(cell, cells[cell])
    elif kind == 2:
        lines.insert(random.randrange(len(lines)), lines[place])
    else:
        cells[cell] = random.choice(TEXTS).encode("utf-8", "surrogatepass")
    lines[place] = mark.join(cells)
    return b"\n".join(lines)


def _in_gzip(random: Random, name: str, content: bytes) -> bytes:
    """What is packed is changed, and packed anew."""
    try:
        inner = _change(random, name.removesuffix(".gz"), gzip.decompress(content))
    except (OSError, EOFError, zlib.error):  # a change before has broken it
        return _in_bytes(random, content, ())
    return gzip.compress(inner[:LONGEST], 1, mtime=0)


def _in_zip(random: Random, content: bytes) -> bytes:
    """A member changed, and the archive written anew, so that its checksums are right."""
    out = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(out, "w") as made:
            chosen = random.choice(archive.infolist()).filename
            for part in archive.infolist():
                held = archive.read(part)
                name = part.filename
                if name == chosen:
                    kind = random.randrange(12)
                    if kind == 0:
                        continue
                    if kind == 1:
                        name = random.choice(("../x", "/x", name + name))
                    held = _change(random, _kind_of(name), held)[:LONGEST]
                made.writestr(name, held, part.compress_type)
    except (
        zipfile.BadZipFile,
        ValueError,
        LookupError,
        OSError,
        RuntimeError,
        zlib.error,
        EOFError,
    ):
        return _in_bytes(random, content, PICKLE)
    return out.getvalue()


def _kind_of(name: str) -> str:
    """What a member is changed as: the pickle within a checkpoint has no suffix that says so."""
    return name if PurePath(name).suffix in (".xml", ".npy") else f"{name}.pkl"


def _in_png(random: Random, content: bytes) -> bytes:
    """A chunk changed, dropped or doubled, with the right length and checksum."""
    chunks, at = [], 8
    while at + 8 <= len(content):
        (size,) = struct.unpack(">I", content[at : at + 4])
        chunks.append((content[at + 4 : at + 8], content[at + 8 : at + 8 + size]))
        at += 12 + size
    place = random.randrange(len(chunks))
    name, data = chunks[place]
    kind = random.randrange(6)
    if kind == 0:
        del chunks[place]
    elif kind == 1:
        chunks.insert(random.randrange(len(chunks)), (name, data))
    elif kind == 2:
        other = (b"tRNS", b"PLTE", b"acTL", b"iCCP", b"zTXt", b"eXIf", b"gAMA")
        chunks.insert(
            place, (random.choice(other), random.randbytes(random.choice((0, 3, 6, 200))))
        )
    else:
        chunks[place] = (name, _in_bytes(random, data, ()))
    written = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    ]
    return content[:8] + b"".join(written)


def _in_safetensors(random: Random, content: bytes) -> bytes:
    """The header changed as JSON, or what it says of offsets, with the right length before it."""
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    if random.random() < 0.5:
        header = _in_tree(random, header)
    else:
        value = header[random.choice([key for key in header if key != "__metadata__"])]
        kind = random.randrange(3)
        if kind == 0:
            value["dtype"] = random.choice(("F64", "F32", "BF16", "I8", "U64", "F8_E4M3", "X"))
        elif kind == 1:
            place = random.randrange(len(value["shape"]) or 1)
            value["shape"][place : place + 1] = [random.choice((*NUMBERS, 2**63, 2**64))]
        else:
            value["data_offsets"][random.randrange(2)] = random.choice((*NUMBERS, 2**63, 2**64 - 1))
    written = _dump_json(header)
    return len(written).to_bytes(8, "little") + written + content[8 + size :]


STRUCTURED: dict[str, Callable[[Random, bytes], bytes]] = {
    ".json": _in_json, ".jsonl": _in_json_lines, ".yaml": _in_yaml, ".lock": _in_yaml,
    ".xml": _in_xml, ".nxml": _in_xml, ".csv": _in_csv, ".tsv": _in_csv, ".txt": _in_csv,
    ".png": _in_png, ".safetensors": _in_safetensors,
}  # fmt: skip
