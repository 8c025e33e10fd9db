"""What transformers and peft pass to a model: it works, or it is refused by its name."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import DynamicCache, GenerationConfig
from transformers.utils import logging as transformers_logging

from components.errors import UserError
from components.generation.constraints import SearchSettings
from components.huggingface.modeling import BiomedGptForConditionalGeneration, BiomedGptModel
from components.model.model import UnifiedModel
from components.model.specials import BOS, PAD
from tests.components.huggingface.conftest import NUM_IDS, TINY, small_model, wrap

SOURCE = torch.tensor([[0, 5, 6, 7, 2], [0, 9, 2, 1, 1]])
PREV = torch.tensor([[0, 5, 6, 8], [0, 9, 4, 1]])
MASK = (SOURCE != PAD).long()
EMBEDS = torch.zeros(2, 5, 32)


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What transformers logs."""
    logger = transformers_logging.get_logger("transformers")
    logger.addHandler(caplog.handler)
    with caplog.at_level(logging.WARNING):
        yield caplog
    logger.removeHandler(caplog.handler)


def adapted() -> Any:
    config = LoraConfig(target_modules=["q_proj", "v_proj"], task_type="SEQ_2_SEQ_LM")
    return get_peft_model(wrap(small_model()), config)


def test_peft_s_own_class_trains_and_generates() -> None:
    model, plain = adapted(), wrap(small_model())
    output = model(input_ids=SOURCE, attention_mask=MASK, labels=PREV)
    assert output.loss.item() == pytest.approx(plain(SOURCE, labels=PREV).loss.item(), rel=1e-6)
    output.loss.backward()
    moved = {name for name, p in model.named_parameters() if p.grad is not None}
    assert moved and all(".lora_" in name for name in moved)
    tokens = model.generate(input_ids=SOURCE, attention_mask=MASK, max_new_tokens=4)
    assert torch.equal(tokens, plain.generate(SOURCE, max_new_tokens=4))


@pytest.mark.parametrize("name", ["inputs_embeds", "decoder_inputs_embeds", "output_attentions"])
@pytest.mark.parametrize("kind", [BiomedGptModel, BiomedGptForConditionalGeneration])
def test_an_argument_that_is_not_supported_is_refused_when_it_is_set(kind: Any, name: str) -> None:
    model = kind(wrap(small_model()).config)
    value = True if name == "output_attentions" else EMBEDS
    with pytest.raises(UserError, match=f"{name} is not supported"):
        model(SOURCE, decoder_input_ids=PREV, **{name: value})
    unset = False if name == "output_attentions" else None
    model(SOURCE, decoder_input_ids=PREV, **{name: unset})


@pytest.mark.parametrize("name", ["inputs_embeds", "output_attentions"])
def test_generate_refuses_the_same(theirs: BiomedGptForConditionalGeneration, name: str) -> None:
    value = True if name == "output_attentions" else EMBEDS
    given = {"inputs": SOURCE} if name == "output_attentions" else {}
    with pytest.raises(UserError, match=f"{name} is not supported"):
        theirs.generate(**given, return_dict_in_generate=True, **{name: value})


def test_an_argument_that_nobody_knows_is_named(theirs: BiomedGptForConditionalGeneration) -> None:
    with pytest.raises(TypeError, match="head_maks"):
        theirs(SOURCE, decoder_input_ids=PREV, head_maks=None)


@torch.no_grad()
def test_a_decoder_mask_says_what_padding_says(theirs: BiomedGptForConditionalGeneration) -> None:
    unpadded = PREV.masked_fill(PREV == PAD, 11)
    mask = (PREV != PAD).long()
    masked = theirs(SOURCE, decoder_input_ids=unpadded, decoder_attention_mask=mask).logits
    assert torch.equal(masked, theirs(SOURCE, decoder_input_ids=PREV).logits)


def left(ids: torch.Tensor) -> torch.Tensor:
    return torch.cat([torch.full((2, 1), PAD), ids], 1)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"input_ids": left(SOURCE), "decoder_input_ids": PREV}, "input_ids"),
        (
            {
                "input_ids": left(SOURCE),
                "attention_mask": torch.cat([torch.zeros(2, 1).long(), MASK], 1),
                "decoder_input_ids": PREV,
            },
            "input_ids",
        ),
        (
            {"input_ids": SOURCE, "attention_mask": MASK.flip(1), "decoder_input_ids": PREV},
            "input_ids",
        ),
        ({"input_ids": SOURCE, "decoder_input_ids": left(PREV)}, "decoder_input_ids"),
        ({"input_ids": SOURCE, "labels": torch.tensor([[-100, 5, 2]] * 2)}, "labels"),
    ],
    ids=["ids", "ids and mask", "mask", "decoder", "labels"],
)
def test_padding_on_the_left_is_refused(
    theirs: BiomedGptForConditionalGeneration, given: dict[str, Any], name: str
) -> None:
    with pytest.raises(UserError, match=rf"row \d of {name}.* is padded on the left"):
        theirs(**given)


def test_generate_refuses_padding_on_the_left(theirs: BiomedGptForConditionalGeneration) -> None:
    with pytest.raises(UserError, match="row 0 of input_ids is padded on the left"):
        theirs.generate(left(SOURCE), max_new_tokens=3)


def test_a_cache_of_another_kind_is_refused(theirs: BiomedGptForConditionalGeneration) -> None:
    with pytest.raises(UserError, match="past_key_values is a DynamicCache"):
        theirs(SOURCE, decoder_input_ids=PREV, past_key_values=DynamicCache())


@pytest.mark.parametrize("name", ["assistant_model", "prompt_lookup_num_tokens"])
@pytest.mark.parametrize("num_beams", [1, 5])
def test_assisted_generation_is_refused_by_its_name(
    theirs: BiomedGptForConditionalGeneration, name: str, num_beams: int
) -> None:
    value = theirs if name == "assistant_model" else 3
    with pytest.raises(UserError, match=f"assisted generation .{name}. is not supported"):
        theirs.generate(SOURCE[:1], num_beams=num_beams, **{name: value})


@pytest.mark.parametrize(
    "given",
    [
        {"max_new_tokens": 3},
        {"max_length": 4},
        {"generation_config": GenerationConfig(max_new_tokens=3)},
        {"generation_config": GenerationConfig(max_length=4)},
    ],
    ids=["new tokens", "length", "config of new tokens", "config of length"],
)
def test_a_length_that_is_named_is_kept_without_a_word(
    theirs: BiomedGptForConditionalGeneration,
    given: dict[str, Any],
    told: pytest.LogCaptureFixture,
    recwarn: pytest.WarningsRecorder,
) -> None:
    tokens = theirs.generate(SOURCE, suppress_tokens=[PAD], min_new_tokens=3, **given)
    assert tokens.shape[1] == 4
    said = [record.getMessage() for record in told.records] + [str(w.message) for w in recwarn]
    assert not [line for line in said if "max_" in line], said


@pytest.mark.parametrize("num_beams", [1, 2])
def test_a_length_above_the_positions_is_named(
    theirs: BiomedGptForConditionalGeneration, num_beams: int
) -> None:
    """300 positions hold bos and 299 tokens; the 300th token needs no position."""
    assert theirs.config.max_positions == 300
    tokens = theirs.generate(SOURCE, max_length=301, min_length=300, num_beams=num_beams)
    assert tokens.shape[1] == 301
    with pytest.raises(UserError, match="a target of 301 tokens does not fit"):
        theirs.generate(SOURCE, max_length=302, min_length=301, num_beams=num_beams)


def test_a_model_of_few_positions_generates() -> None:
    small = UnifiedModel(replace(TINY, max_positions=40))
    tokens = wrap(small).generate(SOURCE, max_length=12, num_beams=1)
    assert tokens.shape[1] <= 12


def test_the_length_that_nobody_names_is_our_own(
    theirs: BiomedGptForConditionalGeneration,
    told: pytest.LogCaptureFixture,
    recwarn: pytest.WarningsRecorder,
) -> None:
    only = [i for i in range(NUM_IDS) if i > 4]
    tokens = theirs.generate(SOURCE, prefix_allowed_tokens_fn=lambda _, __: only, num_beams=1)
    assert tokens.shape[1] == SearchSettings().max_length_b + 2
    assert bool((tokens[:, 0] == BOS).all())
    said = [record.getMessage() for record in told.records] + [str(w.message) for w in recwarn]
    assert not [line for line in said if "max_" in line], said
