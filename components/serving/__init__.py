"""A model that answers: load a folder, ask about an image. The layers that serve build on this."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from components.serving.served import ServedModel


def load(
    model: str | Path,
    device: str = "auto",
    *,
    int8: bool = False,
    greedy: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> ServedModel:
    """A model that can be asked: ``load("vqa-v1").ask("film.png", "Is there an effusion?")``.

    ``model`` is a folder (that ``biomedgpt get`` or ``biomedgpt export --names transformers`` made,
    or of a project's data/models) or an artifact's address. ``int8`` keeps the linear layers in 8
    bits (CPU), ``greedy`` searches free text with one beam; ``tell`` hears of what is fetched.
    UserError says what cannot be loaded.
    """
    # Here, and not above: it imports torch, which the modules that only name a model do without.
    from components.serving.served import load as load_served

    return load_served(model, device, int8=int8, greedy=greedy, tell=tell)
