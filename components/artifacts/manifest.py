"""The manifest of a published version: what it holds, and all that is known of how it was made."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from components.errors import UserError, check_format
from components.lineage import hash_bytes
from components.schema import Section, validate

OWN = "artifact.json"  # the manifest's name in a folder that was fetched, written last
UNFINISHED = (".partial", ".partial.etag")  # names of components.acquire.transfer
SHA256 = r"^[0-9a-f]{64}$"
Kind = Literal["model", "corpus", "predictions", "report"]


def stay_below(path: str) -> str:
    """A path below the folder that is fetched; ValueError for any other, and for names in use."""
    parts = PurePosixPath(path).parts
    plain = PurePosixPath(path).as_posix() == path and "\\" not in path and "\0" not in path
    if not parts or not plain or ".." in parts or PurePosixPath(path).is_absolute():
        raise ValueError(f"{path!r} leads out of the folder")
    if parts[0] == OWN:
        raise ValueError(f"{OWN} is the manifest's own name")
    if not path.isprintable() or path.endswith(UNFINISHED):
        raise ValueError(f"{path!r} is no name of a finished file")
    return path


def stay_apart(files: Files) -> Files:
    """The same; ValueError where a file has the name of a folder of another."""
    both = {str(above) for path in files for above in PurePosixPath(path).parents} & files.keys()
    if both:
        raise ValueError(f"{min(both)} is a file and a folder")
    return files


class Content(Section):
    """A file: how large it is, and what it is."""

    bytes: int = Field(ge=0)
    sha256: str = Field(pattern=SHA256)


Files = dict[Annotated[str, AfterValidator(stay_below)], Content]


class SourceFacts(Section):
    """A source or data set that formed the artifact. ``made``: by the sample world, of no person.

    ``retracted`` counts records that the corpus kept though they are retracted, or of concern.
    """

    name: str
    title: str
    version: str
    licence: str
    access: str
    terms: list[str]
    made: bool


class ProductFacts(Section):
    """The product that was published, by its own manifest, and the products that it came from."""

    path: str
    stage: str
    identity: dict[str, str]
    sha256: str = Field(pattern=SHA256)
    code_sha256: str
    package: str = Field(description="version of this package that made it")
    settings: dict[str, Any]
    formed_by: dict[str, str] = Field(description="every product before it, by path: its sha256")


class Circumstances(Section):
    """What was around it. ``hardware`` is the machine that published: products hold no host."""

    git_commit: str
    git_changed: bool = Field(description="files that git tracks differed from that commit")
    params: dict[str, Any] = Field(description="params.yaml, without the places of one's own files")
    dvc: dict[str, str] = Field(description="of dvc.lock: md5 by path, of its outs and deps")
    dvc_stage: str
    environment: dict[str, str] = Field(description="requirements.lock's sha256, and versions")
    seeds: list[int]
    hardware: dict[str, Any]


class Manifest(Section):
    """A version of an artifact. ``content_sha256`` is over the names and hashes of its files."""

    format: Literal[1]
    name: str
    version: int = Field(ge=1)
    kind: Kind
    title: str
    files: Annotated[Files, AfterValidator(stay_apart)] = Field(min_length=1)
    content_sha256: str = Field(pattern=SHA256)
    licence: str = Field(description="the strictest term of its sources")
    access: list[str] = Field(description="data classes of the records that formed it")
    sources: list[SourceFacts]
    retractions: dict[str, int]
    product: ProductFacts
    circumstances: Circumstances

    @property
    def label(self) -> str:
        """``large@v3``."""
        return f"{self.name}@v{self.version}"

    @property
    def num_bytes(self) -> int:
        """Of all files together."""
        return sum(content.bytes for content in self.files.values())

    def dump(self) -> bytes:
        """As JSON; the same facts give the same bytes."""
        values = self.model_dump(mode="json")
        return (json.dumps(values, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def hash_contents(files: dict[str, Content]) -> str:
    """sha256 over names and contents, whatever the order."""
    lines = [f"{content.sha256}  {path}\n" for path, content in sorted(files.items())]
    return hash_bytes("".join(lines).encode())


def parse_manifest(content: bytes, where: str) -> Manifest:
    """Check and read a manifest; UserError where it is none, or speaks of files elsewhere."""
    try:
        values = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _damaged(where, str(error)) from None
    check_format(values, where)
    manifest = validate(Manifest, values, where)
    if hash_contents(manifest.files) != manifest.content_sha256:
        raise _damaged(where, "its list of files is not the one that was published")
    return manifest


def _damaged(where: str, why: str) -> UserError:
    return UserError(
        f"{where} is damaged", why=why,
        next_command="take another version, or ask who published it to publish it again",
    )  # fmt: skip
