"""Small folders that answer, with fresh weights: of any task, closed or free."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from components.model.config import model_config
from components.model.model import UnifiedModel
from components.model.weights import save_model
from components.serving.asking import ASKING, VOCABULARY
from components.tokenization.vocabulary import train_vocabulary

TEXTS = ["is the lung clear? yes no", "what is the summary of article", "left right normal"]
ANSWERS = [" left", " no", " normal", " right", " yes"]


def make_folder(folder: Path, **asking: Any) -> Path:
    """A model of 32-pixel images; ``asking`` changes how it is asked, by default a closed VQA."""
    vocabulary = train_vocabulary(TEXTS * 3, 60, num_codes=16, num_bins=10)
    torch.manual_seed(3)
    model = UnifiedModel(model_config("debug", vocabulary.size, code_image_size=32))
    with torch.no_grad():  # wide token embeddings, so that answers differ clearly
        model.encoder.embed_tokens.weight.mul_(4)
    save_model(model, folder)
    vocabulary.save(folder / VOCABULARY)
    told = {
        "task": "vqa", "dataset": "vqa_rad", "image_px": 32, "max_source_tokens": 40,
        "max_target_tokens": 6, "long_text": "cut", "beam": 2, "length_penalty": 1.0,
        "no_repeat_ngram": 0, "candidates": ANSWERS, **asking,
    }  # fmt: skip
    (folder / ASKING).write_text(json.dumps(told))
    return folder


def draw(number: int, px: int = 40) -> bytes:
    """A PNG of noise, another for each number."""
    pixels = np.random.default_rng(number).integers(0, 256, (px, px, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()
