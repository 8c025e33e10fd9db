"""The Auto classes, in a process of their own, offline: one call of register, no remote code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from components.huggingface.images import BiomedGptImageProcessor
from components.huggingface.modeling import BiomedGptForConditionalGeneration
from components.huggingface.processing import BiomedGptProcessor
from components.huggingface.tokenizer import BiomedGptTokenizer
from components.model.config import ModelConfig
from components.model.model import UnifiedModel
from components.tokenization.vocabulary import Vocabulary
from tests.components.huggingface.conftest import TINY, wrap

ASK = """
import sys
import numpy as np
from transformers import (
    AutoConfig, AutoImageProcessor, AutoModel, AutoModelForImageTextToText,
    AutoModelForSeq2SeqLM, AutoProcessor, AutoTokenizer,
)
from components.huggingface.register import register

register()
register()
folder = sys.argv[1]
kinds = (AutoConfig, AutoModel, AutoModelForImageTextToText, AutoTokenizer, AutoImageProcessor)
print(*(type(kind.from_pretrained(folder)).__name__ for kind in kinds))
model = AutoModelForSeq2SeqLM.from_pretrained(folder)
processor = AutoProcessor.from_pretrained(folder)
image = np.full((30, 40, 3), 200, dtype=np.uint8)
inputs = processor(images=[image], text=["Is it a CT?"], return_tensors="pt")
tokens = model.generate(**inputs, num_beams=2, max_length=9)
print(tokens.tolist())
print(model(**inputs, decoder_input_ids=tokens).logits[0, -1].tolist())
"""


@pytest.fixture
def folder(vocabulary: Vocabulary, tmp_path: Path) -> Path:
    """A saved model with its processor, and nothing of remote code."""
    torch.manual_seed(1)
    model = UnifiedModel(ModelConfig(**{**vars(TINY), "vocabulary_size": vocabulary.size}))
    wrap(model).save_pretrained(tmp_path / "saved")
    vocabulary.save(tmp_path / "vocabulary")
    tokenizer = BiomedGptTokenizer.from_pretrained(tmp_path / "vocabulary")
    BiomedGptProcessor(BiomedGptImageProcessor(image_px=32), tokenizer).save_pretrained(
        tmp_path / "saved"
    )
    return tmp_path / "saved"


@torch.no_grad()
def answer_here(folder: Path) -> tuple[list[list[int]], list[float]]:
    """The same question, asked through the classes themselves."""
    model = BiomedGptForConditionalGeneration.from_pretrained(folder)
    tokenizer = BiomedGptTokenizer.from_pretrained(folder)
    processor = BiomedGptProcessor(BiomedGptImageProcessor(image_px=32), tokenizer)
    image = np.full((30, 40, 3), 200, dtype=np.uint8)
    inputs = processor(images=[image], text=["Is it a CT?"])
    tokens = model.generate(**inputs, num_beams=2, max_length=9)
    logits = model(**inputs, decoder_input_ids=tokens).logits[0, -1]
    return tokens.tolist(), logits.tolist()


@pytest.mark.slow
def test_auto_classes_open_a_saved_folder_offline(folder: Path) -> None:
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "home")}
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(folder)],
        env={**os.environ, **offline},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    kinds, tokens, logits = done.stdout.splitlines()[-3:]
    assert kinds.split() == [
        "BiomedGptConfig",
        "BiomedGptModel",
        "BiomedGptForConditionalGeneration",
        "BiomedGptTokenizer",
        "BiomedGptImageProcessor",
    ]
    said, scores = answer_here(folder)
    assert json.loads(tokens) == said
    assert json.loads(logits) == pytest.approx(scores, abs=1e-5)
    assert not any(b"auto_map" in path.read_bytes() for path in folder.glob("*.json"))
