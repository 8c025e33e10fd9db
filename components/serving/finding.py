"""Where a model is: a folder, or an artifact, which is fetched once and kept by its content."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from components.artifacts.address import VERSION_AT, Address, parse_address
from components.artifacts.manifest import OWN, Manifest
from components.errors import UserError
from components.evaluation.calibration import Calibration, read_calibration
from components.lineage import MANIFEST, read_manifest
from components.model.weights import CONFIG
from components.serving.asking import ASKING, VOCABULARY, Asking, read_asking
from components.serving.versions import Version, read_version
from components.storage import S3

WRITTEN_BY_TRANSFORMERS = b'"model_type"'


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A folder with a model, and all that it takes to ask it."""

    folder: Path
    vocabulary: Path
    asking: Asking
    calibration: Calibration | None
    version: Version
    is_huggingface: bool = False


def find_model(where: str | Path, tell: Callable[[str], None] = lambda _: None) -> FoundModel:
    """The model of a folder or of an address (``s3://bucket/shared/vqa@v1``).

    An artifact is fetched into the user's cache, once for each content. UserError where there is
    none, or it lacks what it takes to be asked.
    """
    text = str(where)
    folder = Path(where)
    if text.startswith(S3) or (not folder.is_dir() and _is_published(text)):
        folder = fetch_cached(parse_address(text), tell)
    elif not folder.is_dir():
        raise UserError(
            f"there is no model {text}",
            why="it is neither a folder nor an artifact's address",
            next_command="ls -d data/models/*/*/* in a project, biomedgpt artifacts list PLACE "
            "of what was shared",
        )
    return open_folder(folder)


def open_folder(folder: Path) -> FoundModel:
    """A folder that was shared, exported for transformers, or of this project's data/models."""
    if (folder / ASKING).is_file() or not (folder / MANIFEST).is_file():
        asking = read_asking(folder)
        has_room = (folder / VOCABULARY).is_dir()
        config = folder / CONFIG
        return FoundModel(
            folder=folder,
            vocabulary=folder / VOCABULARY if has_room else folder,
            asking=asking,
            calibration=read_calibration(folder),
            version=read_version(folder),
            is_huggingface=config.is_file() and WRITTEN_BY_TRANSFORMERS in config.read_bytes(),
        )
    from components.serving.project import OWN_VOCABULARY, describe_own, find_calibration

    asking = describe_own(folder)
    calibration = find_calibration(folder, read_manifest(folder))
    return FoundModel(
        folder=folder,
        vocabulary=OWN_VOCABULARY,
        asking=asking,
        calibration=read_calibration(calibration.parent) if calibration else None,
        version=read_version(folder),
    )


def fetch_cached(address: Address, tell: Callable[[str], None] = lambda _: None) -> Path:
    """The folder of an artifact in the user's cache; what is there already is not fetched."""
    from components.artifacts.fetching import fetch
    from components.artifacts.places import open_place
    from components.artifacts.versions import find_version

    manifest = find_version(open_place(address.place), address)
    if manifest.kind != "model":
        raise UserError(
            f"{address} is no model, but {manifest.kind}",
            next_command=f"biomedgpt artifacts list {address.place}",
        )
    name = f"{manifest.name}-v{manifest.version}-{manifest.content_sha256[:16]}"
    folder = user_cache_path("biomedgpt") / "models" / name
    if not _is_whole(folder, manifest):
        folder.parent.mkdir(parents=True, exist_ok=True)
        fetch(Address(address.place, manifest.name, manifest.version), folder, tell=tell)
    return folder


def _is_whole(folder: Path, manifest: Manifest) -> bool:
    """Whether a fetched folder still holds every file; its contents were checked on arrival."""
    if not (folder / OWN).is_file():
        return False
    paths = {folder / name: content.bytes for name, content in manifest.files.items()}
    return all(path.is_file() and path.stat().st_size == size for path, size in paths.items())


def _is_published(text: str) -> bool:
    """Whether a text that is no folder reads as the address of an artifact in one."""
    place, _, name = VERSION_AT.sub("", text).rpartition("/")
    return bool(name) and (Path(place or ".") / "artifacts").is_dir() and bool(place)
