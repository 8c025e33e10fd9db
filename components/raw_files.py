"""Raw files that stay where their holder's terms keep them, and are read there.

Records that may not be handed on (``cards.RESTRICTED``) are not copied into data/raw, from where
DVC would copy them to its cache and to whatever remote is pushed to. What lies there in their place
says where they are, and what they are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from components.cards import RESTRICTED, Card
from components.errors import UserError, damaged, load_object
from components.lineage import hash_file

REFERENCE = "origin.json"


def refer_to(files: Sequence[Path], origin: Path, folder: Path) -> None:
    """Write into ``folder`` that these files lie under ``origin``: their number, bytes, sha256.

    No name of a file is written, as some tell the patient.
    """
    digest = hashlib.sha256()
    for path in files:
        name = path.relative_to(origin).as_posix()
        digest.update(f"{name}\0{hash_file(path)}\n".encode("utf-8", "surrogateescape"))
    told = {"folder": str(origin.resolve()), **_measure(files), "sha256": digest.hexdigest()}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / REFERENCE).write_text(json.dumps(told, indent=1) + "\n")


def find_raw_folder(card: Card, folder: Path) -> Path:
    """Where the raw files of a folder under data/raw are: there, or where its reference says.

    Raises UserError where the files that it speaks of are gone, or are others now, and where it is
    not whole.
    """
    if not is_reference(card, folder):
        return folder
    reference = folder / REFERENCE
    told = load_object(reference)
    if not {"folder", "files", "bytes"} <= told.keys():
        raise damaged(reference, "it does not say where the files lie and what they are")
    origin = Path(told["folder"])
    files = {path for role in card.files for path in card.find(origin, role)}
    found = _measure(sorted(files))
    if any(told[key] != value for key, value in found.items()):
        raise UserError(
            f"the raw files of {card.name} in {origin} are not those that acquire found",
            why=f"it found {told['files']} files of {told['bytes']} bytes, and now there are "
            f"{found['files']} of {found['bytes']}",
            next_command="biomedgpt use PROFILE --raw FOLDER, which notices that they changed",
        )
    return origin


def is_reference(card: Card, folder: Path) -> bool:
    """Whether a folder under data/raw refers to files that lie elsewhere.

    A file of that name among files that were copied is one of them: it leads nowhere.
    """
    return card.source.access in RESTRICTED and (folder / REFERENCE).is_file()


def _measure(files: Sequence[Path]) -> dict[str, int]:
    return {"files": len(files), "bytes": sum(path.stat().st_size for path in files)}
