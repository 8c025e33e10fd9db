"""A folder for transformers, and the proof that it computes what this project's model computes.

The proof reads the folder as any user would, by the Auto classes, and gives both the same files of
images and the same questions: pixels and ids are made by each on its own.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError
from torch import Tensor
from transformers import AutoModelForSeq2SeqLM, AutoProcessor

from components.dataset.images import ImageStore
from components.errors import refusals_numbered
from components.generation.beam import search
from components.generation.constraints import SearchSettings
from components.huggingface.generation import generation_arguments
from components.huggingface.images import BiomedGptImageProcessor
from components.huggingface.loading import no_bars
from components.huggingface.modeling import BiomedGptForConditionalGeneration
from components.huggingface.processing import BiomedGptProcessor, as_written
from components.huggingface.register import register
from components.huggingface.tokenizer import BiomedGptTokenizer
from components.model.model import UnifiedModel
from components.model.specials import BOS, EOS
from components.tokenization.vocabulary import Vocabulary

QUESTIONS = (
    "is the image normal?", "which organ is shown?", "what is seen on the left side?",
    "is there an effusion?", "what kind of image is this?", "how large is the finding?",
    "which side is abnormal?", "what does the image describe?",
)  # fmt: skip
LONGEST = 16  # tokens of an answer that is compared


@dataclass(frozen=True, slots=True)
class Parity:
    """What was compared, and how far the two lay apart: the largest difference of two logits
    beside the largest logit, and how many answers were the same token by token."""

    num_inputs: int
    num_logits: int
    largest_difference: float
    largest_logit: float
    num_same_answers: int
    beam: int
    torch: str
    transformers: str

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)


def write_pretrained(
    model: Path, vocabulary: Path, image_px: int, max_source_tokens: int, to: Path
) -> None:
    """Write a folder that the Auto classes read: weights, config, tokenizer, image processor."""
    with no_bars():
        wrapped = BiomedGptForConditionalGeneration.from_pretrained(model)
        with refusals_numbered(to, SafetensorError):
            wrapped.save_pretrained(to)
    tokenizer = BiomedGptTokenizer.from_folder(vocabulary)
    tokenizer.model_max_length = max_source_tokens
    BiomedGptProcessor(BiomedGptImageProcessor(image_px), tokenizer).save_pretrained(to)


@dataclass(frozen=True, slots=True)
class Ours:
    """This project's model, as it is asked."""

    model: UnifiedModel
    vocabulary: Vocabulary
    image_px: int
    settings: SearchSettings


@torch.no_grad()
def compare(ours: Ours, to: Path) -> Parity:
    """Ask the model and the folder written of it the same drawn images and fixed questions."""
    register()
    with no_bars():
        theirs = AutoModelForSeq2SeqLM.from_pretrained(to).eval()
    processor = AutoProcessor.from_pretrained(to)
    ours.model.eval()
    num_logits, num_same, difference, largest = 0, 0, 0.0, 0.0
    for number, question in enumerate(QUESTIONS):
        content = draw_picture(number)
        inputs = processor(images=[content], text=[question], prompt=[question])
        ours_1TV, said = _ask(ours, content, question)
        theirs_1TV = theirs(**inputs).logits
        difference = max(difference, float((ours_1TV - theirs_1TV).abs().max()))
        largest = max(largest, float(ours_1TV.abs().max()))
        num_logits += ours_1TV.numel()
        prompt = inputs.pop("decoder_input_ids")[0, 1:].tolist()
        arguments = generation_arguments(_lengthen(ours.settings, prompt), prefixes=[prompt])
        num_same += _strip(theirs.generate(**inputs, **arguments)[0].tolist()) == said
    return Parity(
        len(QUESTIONS), num_logits, difference, largest, num_same, ours.settings.beam,
        version("torch"), version("transformers"),
    )  # fmt: skip


def draw_picture(number: int) -> bytes:
    """A PNG of bright and dark fields with noise, another for each number."""
    dice = np.random.default_rng(number)
    fields = dice.integers(0, 200, (6, 5, 3)).repeat(32, 0).repeat(40, 1)
    pixels = (fields + dice.integers(0, 56, fields.shape)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _ask(ours: Ours, content: bytes, question: str) -> tuple[Tensor, list[int]]:
    """Logits (1, T, V) over the question as prompt, and the tokens of the best answer."""
    model, store = ours.model, ImageStore([], ours.image_px)
    ids, store.encoded["asked"] = ours.vocabulary.encode(as_written(question)), content
    encoded = model.encode(torch.tensor([[BOS, *ids, EOS]]), store.batch(["asked"]))
    logits_1TV = model.project(model.decode(torch.tensor([[BOS, *ids]]), encoded))
    found = search(model, encoded, _lengthen(ours.settings, ids), prefixes=[ids])
    return logits_1TV, _strip(found[0][0].tokens)


def _lengthen(settings: SearchSettings, prompt: Sequence[int]) -> SearchSettings:
    """A forced prompt counts as generated."""
    longest = min(settings.max_length_b, LONGEST)
    return replace(settings, max_length_b=longest + len(prompt))


def _strip(tokens: Sequence[int]) -> list[int]:
    """Tokens without the bos before them, up to the first eos."""
    own = list(tokens[1:] if tokens[0] == BOS else tokens)
    return own[: own.index(EOS)] if EOS in own else own
