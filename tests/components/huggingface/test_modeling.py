"""The model under transformers' classes: the same numbers, strict reading, exact round trips."""

from __future__ import annotations

import inspect
import textwrap
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSeq2SeqLM

from components.errors import UserError
from components.huggingface.configuration import BiomedGptConfig
from components.huggingface.modeling import BiomedGptForConditionalGeneration, BiomedGptModel
from components.huggingface.register import register
from components.model.model import UnifiedModel
from components.model.positions import token_buckets
from components.model.weights import load_model, save_model
from tests.components.huggingface.conftest import NUM_IDS, TINY, small_model, wrap
from tests.components.model.parity import Case, reference_model

SOURCE = torch.tensor([[0, 5, 6, 7, 2], [0, 9, 2, 1, 1]])
PREV = torch.tensor([[0, 5, 6, 8], [0, 9, 4, 1]])
IMAGES = torch.randn(2, 3, 48, 48, generator=torch.Generator().manual_seed(1))
INPUTS = {"input_ids": SOURCE, "pixel_values": IMAGES, "decoder_input_ids": PREV}


@pytest.mark.parametrize("name", ["text", "image"])
@torch.no_grad()
def test_logits_equal_the_reference(shared_parity: Path, name: str) -> None:
    case, model = Case.load(shared_parity, name), wrap(reference_model(shared_parity))
    output = model(
        case.source,
        pixel_values=case.tensor("patch_images"),
        image_mask=case.tensor("patch_masks"),
        decoder_input_ids=case.prev,
    )
    logits = output.logits[..., torch.from_numpy(case.arrays["logit_columns"]).long()]
    worst = (logits - torch.from_numpy(case.arrays["logits_sub"])).abs().max()
    assert float(worst) < 1e-4


@torch.no_grad()
def test_logits_are_those_of_our_model(
    ours: UnifiedModel, theirs: BiomedGptForConditionalGeneration
) -> None:
    assert torch.equal(theirs(**INPUTS).logits, ours(SOURCE, PREV, IMAGES))


@torch.no_grad()
def test_the_base_model_gives_the_features(
    ours: UnifiedModel, theirs: BiomedGptForConditionalGeneration, tmp_path: Path
) -> None:
    theirs.save_pretrained(tmp_path)
    features = BiomedGptModel.from_pretrained(tmp_path)(**INPUTS).last_hidden_state
    assert torch.equal(features, ours.decode(PREV, ours.encode(SOURCE, IMAGES)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@torch.no_grad()
def test_a_round_trip_is_exact(tmp_path: Path, dtype: torch.dtype) -> None:
    model = wrap(small_model()).to(dtype)
    model.save_pretrained(tmp_path)
    again = BiomedGptForConditionalGeneration.from_pretrained(tmp_path)
    assert again.dtype == dtype
    assert again.config.shape == model.config.shape
    assert torch.equal(again(**INPUTS).logits, model(**INPUTS).logits)


def test_tables_that_no_file_holds_are_rebuilt_in_any_precision(tmp_path: Path) -> None:
    register()
    wrap(small_model()).save_pretrained(tmp_path)
    read = BiomedGptForConditionalGeneration.from_pretrained(tmp_path, dtype=torch.bfloat16)
    config = BiomedGptConfig.of(TINY)
    drawn = AutoModelForSeq2SeqLM.from_config(config, dtype=torch.bfloat16)
    for model in (read, drawn):
        for part in (model.unified.encoder, model.unified.decoder):
            assert torch.equal(part.buckets, token_buckets(TINY.max_positions))


def test_the_token_matrix_is_stored_once_and_stays_tied(tmp_path: Path) -> None:
    wrap(small_model()).save_pretrained(tmp_path)
    stored = load_file(tmp_path / "model.safetensors")
    matrices = [name for name, value in stored.items() if value.shape[:1] == (NUM_IDS,)]
    assert matrices == ["unified.encoder.embed_tokens.weight"]
    model = BiomedGptForConditionalGeneration.from_pretrained(tmp_path)
    with torch.no_grad():
        before = model(**INPUTS).logits[..., 7]
        model.get_input_embeddings().weight[7] = 0.0
        after = model(**INPUTS).logits[..., 7]
    assert bool(before.abs().max() > 0)
    assert bool((after == 0).all())


def test_only_safetensors_and_json_are_written(tmp_path: Path) -> None:
    wrap(small_model()).save_pretrained(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".safetensors", ".json"}


def _tamper(folder: Path, change: str) -> str:
    """Save a model with one fault; returns the tensor's name."""
    wrap(small_model()).save_pretrained(folder)
    tensors = load_file(folder / "model.safetensors")
    name = "unified.decoder.layers.1.fc2.bias"
    if change == "missing":
        del tensors[name]
    elif change == "unexpected":
        name = "unified.decoder.pooler.weight"
        tensors[name] = torch.zeros(3)
    else:
        tensors[name] = torch.zeros(7)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return name


@pytest.mark.parametrize("change", ["missing", "unexpected", "shape (7,)"])
def test_a_file_that_does_not_match_is_refused_by_name(tmp_path: Path, change: str) -> None:
    name = _tamper(tmp_path, change)
    with pytest.raises(UserError, match=name) as error:
        BiomedGptForConditionalGeneration.from_pretrained(tmp_path)
    assert change in str(error.value)


def test_a_config_that_leaves_a_field_out_is_refused(tmp_path: Path) -> None:
    config = BiomedGptConfig.of(TINY).to_dict()
    del config["num_heads"]
    with pytest.raises(UserError, match="num_heads"):
        BiomedGptConfig.from_dict(config)


def test_the_config_s_example_is_code_and_says_what_comes_out() -> None:
    described = inspect.cleandoc(BiomedGptConfig.__doc__ or "").splitlines()
    example = textwrap.dedent("\n".join(line for line in described if line[:1] == " "))
    names: dict[str, Any] = {}
    exec(example, names)
    assert (names["config"].hidden_size, names["config"].vocab_size) == (1024, 59_457)


@torch.no_grad()
def test_a_folder_of_the_pipeline_goes_there_and_back(ours: UnifiedModel, tmp_path: Path) -> None:
    save_model(ours, tmp_path / "ours")
    model = BiomedGptForConditionalGeneration.from_pretrained(tmp_path / "ours")
    model.save_pretrained(tmp_path / "theirs")
    again = BiomedGptForConditionalGeneration.from_pretrained(tmp_path / "theirs")
    again.to_folder(tmp_path / "back")
    back = load_model(tmp_path / "back")
    assert back.config == ours.config
    for name, value in ours.state_dict().items():
        assert torch.equal(back.state_dict()[name], value), name
    assert model.generation_config.num_beams == again.generation_config.num_beams == 5


@torch.no_grad()
def test_a_grown_vocabulary_goes_through_both_formats(tmp_path: Path) -> None:
    model = wrap(small_model())
    model.resize_token_embeddings(NUM_IDS + 2, mean_resizing=False)
    model.save_pretrained(tmp_path / "theirs")
    again = BiomedGptForConditionalGeneration.from_pretrained(tmp_path / "theirs")
    again.to_folder(tmp_path / "ours")
    new = torch.tensor([[0, NUM_IDS], [0, NUM_IDS + 1]])
    logits = load_model(tmp_path / "ours").eval()(SOURCE, new)
    assert logits.shape[-1] == NUM_IDS + 2
    assert torch.equal(logits, model(SOURCE, decoder_input_ids=new).logits)


def test_the_loss_is_the_mean_over_the_labels_that_count(
    ours: UnifiedModel, theirs: BiomedGptForConditionalGeneration
) -> None:
    labels = torch.tensor([[5, 6, 8, 2], [9, 4, 2, -100]])
    output = theirs(SOURCE, pixel_values=IMAGES, labels=labels)
    logits = ours(SOURCE, PREV, IMAGES)
    wanted = labels != -100
    said = logits[wanted].log_softmax(-1).gather(1, labels[wanted][:, None])
    assert output.loss.item() == pytest.approx(-said.mean().item(), rel=1e-6)
    padded = theirs(SOURCE, pixel_values=IMAGES, labels=labels.masked_fill(~wanted, 1))
    assert padded.loss.item() == pytest.approx(output.loss.item(), rel=1e-6)


def test_gradients_reach_the_trunk() -> None:
    model = wrap(small_model()).train()
    model(SOURCE, pixel_values=IMAGES, labels=PREV).loss.backward()
    assert float(model.unified.encoder.embed_images.conv1.weight.grad.abs().sum()) > 0


def test_labels_that_do_not_stand_where_the_logits_do_are_refused(
    theirs: BiomedGptForConditionalGeneration,
) -> None:
    with pytest.raises(UserError, match="labels of shape"):
        theirs(**INPUTS, labels=PREV[:, 1:])


@torch.no_grad()
def test_an_attention_mask_says_what_padding_says(
    theirs: BiomedGptForConditionalGeneration,
) -> None:
    unpadded = SOURCE.masked_fill(SOURCE == 1, 11)
    masked = theirs(unpadded, attention_mask=SOURCE != 1, decoder_input_ids=PREV).logits
    assert torch.equal(masked, theirs(SOURCE, decoder_input_ids=PREV).logits)


@torch.no_grad()
def test_hidden_states_end_with_what_comes_out(theirs: BiomedGptForConditionalGeneration) -> None:
    output = theirs(**INPUTS, output_hidden_states=True)
    assert len(output.encoder_hidden_states) == len(output.decoder_hidden_states) == 3
    assert torch.equal(output.encoder_hidden_states[-1], output.encoder_last_hidden_state)
    assert torch.equal(theirs.unified.project(output.decoder_hidden_states[-1]), output.logits)
    assert theirs(**INPUTS).decoder_hidden_states is None


@pytest.mark.parametrize("codes", [None, [True, True], [True, False]])
@torch.no_grad()
def test_decoding_with_a_cache_equals_decoding_at_once(
    theirs: BiomedGptForConditionalGeneration, codes: list[bool] | None
) -> None:
    """140 positions, so that the cache grows twice."""
    prev = torch.randint(4, NUM_IDS, (4, 140), generator=torch.Generator().manual_seed(2))
    mask = None if codes is None else torch.tensor(codes)
    encoded = theirs.get_encoder()(SOURCE, pixel_values=IMAGES)
    known = {"encoder_outputs": encoded, "code_mask": mask}
    at_once = theirs(decoder_input_ids=prev, **known).logits
    cache, steps = None, []
    for part in prev.split([3, *[1] * 61, 10, *[1] * 66], dim=1):
        output = theirs(decoder_input_ids=part, past_key_values=cache, use_cache=True, **known)
        cache = output.past_key_values
        steps.append(output.logits)
    assert cache.get_seq_length() == 140
    torch.testing.assert_close(torch.cat(steps, 1), at_once, atol=1e-4, rtol=1e-4)


def test_a_padded_prompt_is_not_continued(theirs: BiomedGptForConditionalGeneration) -> None:
    with pytest.raises(UserError, match="different lengths"):
        theirs(SOURCE, decoder_input_ids=PREV, use_cache=True)
