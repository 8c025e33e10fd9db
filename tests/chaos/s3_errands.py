"""What is done with a bucket: publish a model, get it, bring raw files.

An errand can be begun anew as often as one likes, each time under a prefix and in a folder of its
own, and says what is half-made while it has failed, and what is wanting once it is done.
"""

from __future__ import annotations

import json
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

from components.acquire.place import place_sample
from components.acquire.transfer import Terms
from components.artifacts.address import parse_address
from components.artifacts.fetching import fetch
from components.artifacts.manifest import parse_manifest
from components.artifacts.publishing import publish
from components.cards import load_card
from components.config import Params, load_params
from components.lineage import hash_bytes, hash_file
from components.profiles.overlay import merge, read_profile
from components.sample.settings import SampleSettings
from components.schema import validate
from components.stages.acquire import run as run_acquire
from components.storage import ENDPOINTS, S3
from components.tracing.products import read_products
from tests.components.artifacts.project import MODEL, evaluate, list_files, make_project
from tests.components.training.s3_line import Line

IMPATIENT = Terms(retries=1, sleep=lambda _: None)
SOURCE = "vqa_rad"


class Errand(ABC):
    """Something to be done with a bucket at the end of a line."""

    def __init__(self, line: Line, bucket: str, folder: Path) -> None:
        self.line, self.bucket, self.base = line, bucket, folder
        self.folder, self.prefix, self.num_begun = folder, "", 0

    @property
    def name(self) -> str:
        """What it is called in figures."""
        return type(self).__name__.lower()

    def begin(self) -> None:
        """Forget what was done before."""
        os.environ[ENDPOINTS[0]] = self.line.address
        self.num_begun += 1
        self.prefix = f"{self.name}/{self.num_begun}"
        if self.num_begun > 1:
            shutil.rmtree(self.folder)
        self.folder = self.base / self.name / str(self.num_begun)
        self.folder.mkdir(parents=True)

    @abstractmethod
    def do(self) -> str:
        """Do it; "" when all is done, else what is not, though that was no error.

        UserError where it could not be done.
        """

    @abstractmethod
    def list_amiss(self) -> Iterator[str]:
        """What is half-made and looks whole."""

    @abstractmethod
    def list_wanting(self) -> Iterator[str]:
        """What is not as it should be when all is done."""

    def address(self, prefix: str = "") -> str:
        """Of the present prefix, or another."""
        return f"{S3}{self.bucket}/{prefix or self.prefix}"

    def held(self, prefix: str = "") -> dict[str, bytes]:
        """Every object of the present prefix, or another, by its key below it."""
        begin = f"{prefix or self.prefix}/"
        pages = self.line.client.get_paginator("list_objects_v2")
        keys = [item["Key"] for page in pages.paginate(Bucket=self.bucket, Prefix=begin)
                for item in page.get("Contents", [])]  # fmt: skip
        return {
            key.removeprefix(begin): self.line.client.get_object(Bucket=self.bucket, Key=key)[
                "Body"
            ].read()
            for key in keys
        }


class Publish(Errand):
    """Publish a model."""

    def __init__(self, line: Line, bucket: str, folder: Path, repository: Path) -> None:
        super().__init__(line, bucket, folder)
        self.project = folder / "finished"
        self.project.mkdir(parents=True)
        with chdir(self.project):
            make_project(repository)
            evaluate()
            self.products = read_products()

    def do(self) -> str:
        """Publish it."""
        with chdir(self.project):
            publish(MODEL, parse_address(f"{self.address()}/vqa"), self.products, load_params())
        return ""

    def list_amiss(self) -> Iterator[str]:
        """Versions of which an object is missing or another, and objects that are others."""
        held = self.held()
        sums = {key.rpartition("/")[2]: hash_bytes(body) for key, body in held.items()}
        for key, body in held.items():
            if key.startswith("artifacts/") and key.endswith(".json"):
                for name, content in parse_manifest(body, key).files.items():
                    if sums.get(content.sha256) != content.sha256:
                        yield f"{key} is listed without {name}"
            elif key.startswith("objects/") and sums[key.rpartition("/")[2]] not in key:
                yield f"{key} holds other bytes"

    def list_wanting(self) -> Iterator[str]:
        """Whether there is one version."""
        yield from self.list_amiss()
        versions = [key for key in self.held() if key.startswith("artifacts/")]
        if versions != ["artifacts/vqa/v1.json"]:
            yield f"versions: {versions}"


class Get(Errand):
    """Bring a model that was published."""

    def __init__(self, line: Line, bucket: str, folder: Path, published: Publish) -> None:
        super().__init__(line, bucket, folder)
        published.begin()
        published.do()
        self.published = f"{published.address()}/vqa"
        (body,) = (body for key, body in published.held().items() if key.endswith("/v1.json"))
        files = parse_manifest(body, "v1.json").files
        self.wanted = {name: content.sha256 for name, content in files.items()}

    def do(self) -> str:
        """Get it."""
        fetch(parse_address(self.published), self.folder / "got", terms=IMPATIENT)
        return ""

    def list_amiss(self) -> Iterator[str]:
        """Whether the folder is there and not whole."""
        if (self.folder / "got").exists():
            found = list_files(self.folder / "got")
            found.pop("artifact.json", None)
            if found != self.wanted:
                yield "the folder is there and not whole"

    def list_wanting(self) -> Iterator[str]:
        """Whether it is whole, and all alone."""
        yield from self.list_amiss()
        if [path.name for path in self.folder.iterdir()] != ["got"]:
            yield f"left: {sorted(path.name for path in self.folder.iterdir())}"


class Bring(Errand):
    """Bring the raw files of a data set."""

    def __init__(self, line: Line, bucket: str, folder: Path, repository: Path) -> None:
        super().__init__(line, bucket, folder)
        self.cards, self.wanted = repository / "data/cards", dict[str, str]()
        card = load_card(SOURCE, self.cards)
        settings = SampleSettings(num_images=4, num_texts=6, image_px=32, seed=1)
        own = folder / "own" / card.folders[-1]
        for path in place_sample(card, own, settings):
            key = f"raw/{path.relative_to(folder / 'own').as_posix()}"
            line.client.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())
            self.wanted[path.relative_to(own).as_posix()] = hash_file(path)

    def begin(self) -> None:
        """A project without products."""
        super().begin()
        shutil.copytree(self.cards, self.folder / "data/cards")
        (self.folder / "dvc.yaml").touch()

    def do(self) -> str:
        """Acquire them, after what an attempt before left was taken away, as DVC does."""
        own = {"mode": "local", "root": self.address("raw")}
        values = merge(read_profile("demo"), {"acquire": own}, "test")
        with chdir(self.folder):
            shutil.rmtree(f"data/raw/{SOURCE}", ignore_errors=True)
            run_acquire(validate(Params, values, "test"), SOURCE)
            told = json.loads(Path(f"data/raw/{SOURCE}/manifest.json").read_text())
        lost = told["counts"]["in"] - told["counts"]["out"]
        return f"{lost} quarantined" if lost else ""

    def find(self) -> dict[str, str]:
        """The raw files that are there."""
        place = self.folder / "data/raw" / SOURCE
        return {name: found for name, found in list_files(place).items() if name in self.wanted}

    def list_amiss(self) -> Iterator[str]:
        """Files that are there and are others."""
        found = self.find()
        yield from (f"{name} is another" for name in found if found[name] != self.wanted[name])

    def list_wanting(self) -> Iterator[str]:
        """Files that are not there."""
        yield from self.list_amiss()
        yield from (f"{name} is not there" for name in self.wanted.keys() - self.find().keys())
