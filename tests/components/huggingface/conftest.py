"""A small random model under both kinds of classes, and a vocabulary of a few words."""

from __future__ import annotations

import pytest
import torch

from components.huggingface.configuration import BiomedGptConfig
from components.huggingface.modeling import BiomedGptForConditionalGeneration
from components.model.config import ModelConfig
from components.model.model import UnifiedModel
from components.model.specials import EOS
from components.tokenization.vocabulary import Vocabulary, train_vocabulary

NUM_IDS = 24
TINY = ModelConfig(
    vocabulary_size=NUM_IDS,
    d_model=32,
    ffn_dim=64,
    encoder_layers=2,
    decoder_layers=2,
    num_heads=2,
    trunk_blocks=(1, 1, 1),
    trunk_width=4,
    max_positions=300,
    dropout=0.0,
    drop_path=0.0,
    init_std=0.2,
)


def wrap(model: UnifiedModel) -> BiomedGptForConditionalGeneration:
    """The same weights under the classes of transformers."""
    wrapped = BiomedGptForConditionalGeneration(BiomedGptConfig.of(model.config))
    wrapped.unified.load_state_dict(model.state_dict())
    return wrapped.eval()


def small_model(seed: int = 3) -> UnifiedModel:
    """Random weights that prefer some tokens to others, eos among them."""
    torch.manual_seed(seed)
    model = UnifiedModel(TINY)
    with torch.no_grad():
        model.encoder.embed_tokens.weight.mul_(2)
        model.encoder.embed_tokens.weight[EOS] = 0.15 * model.decoder.layer_norm.bias.normal_()
    return model.eval()


@pytest.fixture(scope="session")
def ours() -> UnifiedModel:
    return small_model()


@pytest.fixture(scope="session")
def theirs(ours: UnifiedModel) -> BiomedGptForConditionalGeneration:
    return wrap(ours)


@pytest.fixture(scope="session")
def vocabulary() -> Vocabulary:
    texts = ["is it a ct of the chest?", "which side is abnormal? left", "yes no"]
    return train_vocabulary(texts, num_merges=30, num_codes=16, num_bins=8)
