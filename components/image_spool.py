"""The images of one data set while it is prepared: memory holds what they are, not their bytes."""

from __future__ import annotations

import weakref
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import SpooledTemporaryFile

from components.errors import UserError
from components.lineage import hash_bytes
from components.records import GROUP_BYTES, ImageRecord

MAX_HELD = 64 << 20  # bytes of images that are no files, before they go to disk
MAX_ROWS = 4096


class ImageSpool(Mapping[str, ImageRecord]):
    """Images by their sha256, in the order in which they came; each is read when it is asked for.

    Those that are files are read there again. Others (of an archive, of DICOM) wait in a temporary
    file, which lies where TMPDIR says. UserError where a file is no longer what it was.
    """

    def __init__(self) -> None:
        self._facts: dict[str, ImageRecord] = {}
        self._places: dict[str, Path | tuple[int, int]] = {}
        self._num_bytes = 0
        self._held = SpooledTemporaryFile(max_size=MAX_HELD)  # noqa: SIM115 (closed with the spool)
        weakref.finalize(self, self._held.close)

    def add(self, image: ImageRecord, path: Path | None) -> None:
        """Take an image that is not known yet; ``path`` is the file whose content it is."""
        if image.id in self._facts:
            return
        self._facts[image.id] = replace(image, bytes=b"")
        self._num_bytes += len(image.bytes)
        if path is not None:
            self._places[image.id] = path
            return
        begin = self._held.seek(0, 2)
        self._held.write(image.bytes)
        self._places[image.id] = (begin, len(image.bytes))

    def look_at(self, name: str) -> ImageRecord | None:
        """What is known of an image, without its bytes."""
        return self._facts.get(name)

    @property
    def rows_at_once(self) -> int:
        """How many of them, at their mean size, make a row group: what writing them may hold."""
        return min(max(GROUP_BYTES * len(self._places) // max(self._num_bytes, 1), 1), MAX_ROWS)

    def keep(self, names: Collection[str]) -> None:
        """Forget all others."""
        self._facts = {name: image for name, image in self._facts.items() if name in names}

    def __getitem__(self, name: str) -> ImageRecord:
        image, place = self._facts[name], self._places[name]
        if isinstance(place, tuple):
            self._held.seek(place[0])
            return replace(image, bytes=self._held.read(place[1]))
        content = place.read_bytes()
        if hash_bytes(content) != name:
            raise UserError(
                f"{place} changed while the data set was read",
                why=f"its sha256 was {name}, and is another now",
                next_command="give the same command again, when nothing writes there",
            )
        return replace(image, bytes=content)

    def __iter__(self) -> Iterator[str]:
        return iter(self._facts)

    def __len__(self) -> int:
        return len(self._facts)
