"""Which model answered, and which data made it: by the hashes of their manifests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.artifacts.manifest import OWN
from components.errors import UserError, check_format, damaged, load_object
from components.lineage import MANIFEST, check_files, hash_file
from components.model.weights import WEIGHTS

PRODUCT = "product.json"  # the manifest of the product, in a folder that was shared
DATA = ("data/examples", "data/instructions", "data/articles")
NAMED = ("size", "dataset")
SHORT = 12  # digits of a hash that a person is shown


@dataclass(frozen=True, slots=True)
class Version:
    """``name`` for people; ``model`` is the sha256 of the model's manifest (without one, of its
    weights); ``data`` the hashes of the products that it was trained on, by their paths."""

    name: str
    model: str
    data: dict[str, str] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """The model in one line."""
        return f"{self.name}, {self.model[:SHORT]}"

    @property
    def data_words(self) -> str:
        """The data in one line."""
        told = [f"{path} {sha256[:SHORT]}" for path, sha256 in self.data.items()]
        return ", ".join(told) or "not known"


def read_version(folder: Path) -> Version:
    """The version of a folder with a model; UserError where its manifest is damaged, its weights
    are others than that tells, or there are neither manifest nor weights."""
    for name in (PRODUCT, MANIFEST):
        path = folder / name
        if path.is_file():
            manifest = check_format(load_object(path), path)
            with _whole(path):
                words, data = _name(manifest), _find_data(manifest)
                if name == MANIFEST:  # that of a folder which was shared speaks of other files
                    check_files(path, manifest.get("files", {}))
            return Version(_label(folder, words), hash_file(path), data)
    if not (folder / WEIGHTS).is_file():
        raise UserError(
            f"the model {folder} has no weights", why=f"{folder / WEIGHTS} is not there",
            next_command="biomedgpt get it again, or export it again",
        )  # fmt: skip
    return Version(folder.resolve().name, hash_file(folder / WEIGHTS))


@contextmanager
def _whole(path: Path) -> Iterator[None]:
    """UserError where a manifest lacks what is looked for, or has it of another kind."""
    try:
        yield
    except (LookupError, TypeError, AttributeError) as error:
        raise damaged(path, f"it is no manifest: {error!r}") from None


def _name(manifest: dict[str, Any]) -> str:
    identity = manifest["identity"]
    return " ".join([manifest["stage"], *(identity[key] for key in NAMED if key in identity)])


def _label(folder: Path, name: str) -> str:
    """The name with that of the artifact, where the folder is one."""
    own = folder / OWN
    if not own.is_file():
        return name
    told = load_object(own)
    with _whole(own):
        check_files(own, told["files"])
        return f"{told['name']}@v{told['version']} ({name})"


def _find_data(manifest: dict[str, Any]) -> dict[str, str]:
    return {k: v for k, v in manifest["inputs"].items() if k.startswith(DATA)}
