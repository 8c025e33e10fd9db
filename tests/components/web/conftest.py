"""A model that was published and got, and real servers of it."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import torch

from components.artifacts.address import parse_address
from components.artifacts.fetching import fetch
from components.artifacts.publishing import publish
from components.config import load_params
from components.tokenization.image import save_tokenizer
from components.tokenization.vqgan import Vqgan, VqganConfig
from components.tracing.products import read_products
from components.web.app import House, build_app
from components.web.limits import Limits
from components.web.serve import bind, make_server, open_house
from tests.components.artifacts.conftest import made_project
from tests.components.artifacts.project import MODEL

__all__ = ["made_project"]
PATIENCE_S = 60


@pytest.fixture(scope="session")
def model_folder(made_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that answers yes or no about images of 32 pixels, with an image tokenizer."""
    root, here = tmp_path_factory.mktemp("served"), Path.cwd()
    shutil.copytree(made_project, root / "project")
    os.chdir(root / "project")
    try:
        address = parse_address(f"{root}/shared/vqa")
        publish(MODEL, address, read_products(), load_params())
        folder, _ = fetch(address, root / "vqa-v1")
    finally:
        os.chdir(here)
    torch.manual_seed(7)
    save_tokenizer(Vqgan(VqganConfig.narrow(8, 8, 16)), folder / "image_tokenizer")
    return folder


@contextmanager
def running(house: House, *names: str) -> Iterator[str]:
    """A server of a house on a free port of this machine, in a thread; its address."""
    with bind("127.0.0.1", 0) as listener:
        server = make_server(build_app(house, names))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        try:
            _wait_for(address)
            yield address
        finally:
            server.should_exit = True
            thread.join(PATIENCE_S)


def _wait_for(address: str) -> None:
    begun = time.monotonic()
    while time.monotonic() - begun < PATIENCE_S:
        try:
            if httpx.get(f"{address}/health").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError("the server did not come up")


@pytest.fixture(scope="session")
def server(model_folder: Path) -> Iterator[str]:
    """A server that all tests share."""
    with running(open_house(model_folder, "cpu")) as address:
        yield address


@pytest.fixture
def serve(model_folder: Path) -> Iterator[Callable[..., str]]:
    """Makes servers with other limits; they end with the test."""
    opened = []

    def start(**limits: float) -> str:
        context = running(open_house(model_folder, "cpu", Limits(**limits)))  # type: ignore[arg-type]
        opened.append(context)
        return context.__enter__()

    yield start
    for context in opened:
        context.__exit__(None, None, None)
