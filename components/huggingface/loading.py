"""What must hold after weights were read: nothing missing, nothing unknown, no other shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers.utils import GENERATION_CONFIG_NAME, logging

from components.errors import UserError

SHOWN = 20


def check_loaded(where: str, found: Mapping[str, Any], *, admits_shapes: bool) -> None:
    """UserError that names the tensors at fault, as ``components.model.weights`` does.

    ``found`` is the loading information of transformers.
    """
    faults = [f"missing {name}" for name in sorted(found["missing_keys"])]
    faults += [f"unexpected {name}" for name in sorted(found["unexpected_keys"])]
    if not admits_shapes:
        faults += [
            f"{name} has shape {tuple(stored)}, the config says {tuple(wanted)}"
            for name, stored, wanted in sorted(found["mismatched_keys"])
        ]
    if faults:
        raise UserError(
            f"{where}: {len(faults)} tensors do not match", why="; ".join(faults[:SHOWN])
        )


def lacks_generation_config(name: Any) -> bool:
    """Whether this is a folder that says nothing about generation, as our own do."""
    folder = Path(str(name))
    return folder.is_dir() and not (folder / GENERATION_CONFIG_NAME).is_file()


@contextmanager
def no_bars() -> Iterator[None]:
    """Within, transformers draws no bars of progress over what a command says."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
