"""The graph of products: which folder was made of which, by the manifests in them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from glob import glob
from pathlib import Path
from typing import Any

from components.errors import UserError, check_format, damaged
from components.lineage import MANIFEST, hash_bytes

DATA = Path("data")
RAW = "data/raw/"
MAX_NEAR = 3  # products that are offered instead of one that is not there
# Where products lie: raw folders hold a manifest at their head alone, and thousands of files below.
PLACES = (
    "raw/*", "articles", "vocabulary", "instructions", "pretraining", "codes", "audit", "report",
    "examples/*",
    "models/image_tokenizer", "models/*/*", "models/*/*/*", "models/*/*/*/*",
    "predictions/*/*", "predictions/*/*/*",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Product:
    """A finished folder: its path, the sha256 of its manifest, and the manifest."""

    path: str
    sha256: str
    manifest: Mapping[str, Any]

    @property
    def stage(self) -> str:
        """The stage that made it."""
        return str(self.manifest["stage"])

    @property
    def inputs(self) -> Mapping[str, str]:
        """What it was made of: path to the hash that it had then."""
        found: Mapping[str, str] = self.manifest["inputs"]
        return found

    @property
    def is_made(self) -> bool:
        """Whether raw files are the sample world's: they are of no data class."""
        return self.path.startswith(RAW) and not self.manifest["access"]


@dataclass(frozen=True)
class Products:
    """Every product of a project by path, in the order of paths."""

    by_path: Mapping[str, Product]

    def find(self, path: str) -> Product:
        """A product; UserError, with the next command, where none lies there."""
        name = Path(path).as_posix()
        if name in self.by_path:
            return self.by_path[name]
        near = [p for p in self.by_path if p.startswith(f"{name}/") or p.endswith(f"/{name}")]
        raise UserError(
            f"{name} is not a finished product of this project",
            why=f"no {MANIFEST} lies there; it is written last",
            next_command=f"name {' or '.join(near[:MAX_NEAR])}"
            if near
            else "dvc repro, or name a folder below data/",
        )

    def list_before(self, path: str, *, skip: tuple[str, ...] = ()) -> list[Product]:
        """What a product came from, directly or not, by path; not through paths that begin so."""
        return self._reach([path], self._inputs, skip)

    def list_after(self, paths: list[str], *, skip: tuple[str, ...] = ()) -> list[Product]:
        """What any of these products formed, directly or not, by path; not through ``skip``."""
        return self._reach(paths, self._outputs, skip)

    def list_readers(self, paths: list[str]) -> set[str]:
        """The paths of products that have one of these among their own inputs."""
        return {name for path in paths for name in self._outputs.get(path, [])}

    def list_changed(self, path: str) -> list[str]:
        """Inputs that are there in another state than the product was made of."""
        product = self.by_path[path]
        return [
            name
            for name, sha256 in product.inputs.items()
            if name in self.by_path and self.by_path[name].sha256 != sha256
        ]

    def _reach(
        self, paths: list[str], steps: Mapping[str, list[str]], skip: tuple[str, ...]
    ) -> list[Product]:
        reached: set[str] = set()
        waiting = list(paths)
        while waiting:
            for name in steps.get(waiting.pop(), []):
                if name not in reached and not name.startswith(skip or ("\0",)):
                    reached.add(name)
                    waiting.append(name)
        return [self.by_path[name] for name in sorted(reached)]

    @cached_property
    def _inputs(self) -> dict[str, list[str]]:
        return {path: list(self._own_inputs(product)) for path, product in self.by_path.items()}

    def _own_inputs(self, product: Product) -> Iterator[str]:
        """Of a file of a product, the product; of a folder of products, each."""
        for name in product.inputs:
            owners = [name, Path(name).parent.as_posix()]
            found = [path for path in owners if path in self.by_path][:1]
            yield from found or (path for path in self.by_path if path.startswith(f"{name}/"))

    @cached_property
    def _outputs(self) -> dict[str, list[str]]:
        outputs: dict[str, list[str]] = {}
        for path, inputs in self._inputs.items():
            for name in inputs:
                outputs.setdefault(name, []).append(path)
        return outputs


def read_products(root: Path = DATA) -> Products:
    """Every finished product below the folder ``data``; UserError where a manifest is damaged.

    One that a run makes anew meanwhile is left out, whole.
    """
    # unlike Path.glob, it passes over folders that a run removes meanwhile
    found = {name for one in PLACES for name in glob(f"{one}/{MANIFEST}", root_dir=root)}  # noqa: PTH207
    products = {}
    for file in sorted(map(root.joinpath, found)):
        with suppress(FileNotFoundError):  # a run has just begun to make it anew
            path = (DATA / file.parent.relative_to(root)).as_posix()
            products[path] = _read_product(file, path)
    return Products(products)


def _read_product(file: Path, path: str) -> Product:
    content = file.read_bytes()
    try:
        manifest = json.loads(content)
        check_format(manifest, file)
    except ValueError as error:
        raise damaged(file, str(error)) from None
    return Product(path, hash_bytes(content), manifest)
