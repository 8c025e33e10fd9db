"""Losses, gradients, a trajectory and batch-norm statistics, against the reference's."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from components.dataset.collate import Batch
from components.model.model import UnifiedModel
from components.training.losses import disagreement, drop_worst, range_mask, smoothed_losses
from components.training.objective import Objective, batch_loss
from components.training.optimizer import Adam
from components.training.step import train_step
from tests.components.model.parity import Case, reference_model

CODES = (50_265, 58_457)
VARIANTS: dict[str, Objective] = {
    "ls0": Objective(),
    "ls0.1": Objective(label_smoothing=0.1),
    "ls0.1_sentence_avg": Objective(label_smoothing=0.1, per_sample=True),
    "ls0.1_conf": Objective(label_smoothing=0.1),
    "ls0.1_constraint": Objective(label_smoothing=0.1),
    "code_ls0.1_range": Objective(label_smoothing=0.1, token_range=CODES),
    "drop_worst_inactive": Objective(label_smoothing=0.1, drop_worst=0.2, drop_worst_after=100),
    "drop_worst_active": Objective(label_smoothing=0.1, drop_worst=0.2),
    "ignore_prefix2": Objective(label_smoothing=0.1, ignore_prefix=2),
    "rdrop_dropout0": Objective(label_smoothing=0.1, rdrop=1.0),
}
SAMPLE_WEIGHTS = torch.tensor([2.0, 0.3, 1.0])  # those that the saved numbers follow from
PAIR_WEIGHTS = (torch.tensor([1.0, 0.5, 1.0]), torch.full((3,), 2.0))


@cache
def read_json(path: Path) -> Any:
    return json.loads(path.read_text())


def make_batch(parity: Path, case: Case, name: str = "") -> Batch:
    weights, allowed = torch.ones(len(case.prev)), None
    if name == "ls0.1_conf":
        weights = SAMPLE_WEIGHTS
    if name == "ls0.1_constraint":
        with np.load(parity / "constraint_masks.npz", allow_pickle=False) as masks:
            bits = np.unpackbits(masks["idx"], axis=-1)[..., : masks["shape"][-1]]
        allowed = list_allowed(torch.from_numpy(bits).bool())
    return Batch(
        source_BS=case.source,
        images_B3HW=case.tensor("patch_images"),
        image_mask_B=case.tensor("patch_masks"),
        prev_BT=case.prev,
        labels_BT=case.labels,
        code_mask_B=case.tensor("code_masks"),
        weight_B=weights,
        allowed_BTK=allowed,
    )


def list_allowed(mask_BTV: torch.Tensor) -> torch.Tensor:
    """The ids that a mask allows, (B, T, K): a short row repeats its first one."""
    widest = int(mask_BTV.sum(-1).max())
    ids_BTK = mask_BTV.float().topk(widest, -1).indices
    is_real_BTK = mask_BTV.gather(-1, ids_BTK)
    return ids_BTK.where(is_real_BTK, ids_BTK[..., :1])


@pytest.mark.parametrize("name", VARIANTS)
@torch.no_grad()
def test_every_loss_variant(shared_parity: Path, name: str) -> None:
    saved = read_json(shared_parity / "loss.json")[name]
    case = Case.load(shared_parity, "image_code" if name.startswith("code") else "image")
    model = reference_model(shared_parity)
    sums = batch_loss(model, make_batch(shared_parity, case, name), VARIANTS[name], step=1)
    assert float(sums.loss) == pytest.approx(saved["loss"], rel=1e-5)
    if name != "drop_worst_active":  # the reference sums the likelihood before it drops
        assert float(sums.nll) == pytest.approx(saved["nll"], rel=1e-5)
    assert sums.size == saved["sample_size"]


@torch.no_grad()
def test_the_two_parts_of_pretraining(shared_parity: Path) -> None:
    saved = read_json(shared_parity / "loss.json")["pretrain_pair"]
    model = reference_model(shared_parity)
    total = 0.0
    for number, name in enumerate(("image", "mixed_code"), start=1):
        batch = make_batch(shared_parity, Case.load(shared_parity, name))
        batch.weight_B = PAIR_WEIGHTS[number - 1]
        sums = batch_loss(model, batch, Objective())
        assert float(sums.loss) == pytest.approx(saved[f"loss_v{number}"], rel=1e-5)
        assert sums.size == saved[f"sample_size_v{number}"]
        total += float(sums.loss) / sums.size
    assert total == pytest.approx(saved["loss"], rel=1e-5)


# The weight of R-Drop in each saved call, and whether the worst tokens were dropped.
FUNCTIONS = {
    "fn_plain": (0.0, 0.0, None),
    "fn_rdrop": (5.0, 0.0, None),
    "fn_rdrop_drop": (1.0, 0.3, None),
    "fn_rng": (0.0, 0.0, (10, 30)),
    "fn_rng_rdrop": (2.0, 0.0, (10, 30)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_loss_of_given_probabilities(shared_parity: Path, name: str) -> None:
    saved = read_json(shared_parity / "loss.json")[name]
    weight, share, span = FUNCTIONS[name]
    with np.load(shared_parity / "nll_fn.npz", allow_pickle=False) as arrays:
        log_probs = torch.from_numpy(arrays["lprobs"])
        labels = torch.from_numpy(arrays["target"])
    allowed = range_mask(span, log_probs.shape[1], log_probs.device) if span else None
    loss, nll = smoothed_losses(log_probs, labels, 0.1, allowed)
    kept = torch.arange(5)
    if share:
        kept = drop_worst(loss[:5], share)
    both = torch.cat([kept, kept + 5])
    total = loss[both].sum() + weight * disagreement(log_probs, allowed)[kept].sum()
    assert float(total) == pytest.approx(saved["loss"], rel=1e-5)
    assert float(nll[both].sum()) == pytest.approx(saved["nll"], rel=1e-5)
    assert len(both) == saved["ntokens"]


GRADIENTS = {
    "eval_image": ("image", 0.1),
    "eval_mixed": ("mixed_code", 0.0),
    "train_image": ("image", 0.1),
}


def run_backward(parity: Path, key: str) -> tuple[UnifiedModel, float]:
    model = reference_model(parity).train(key.startswith("train"))
    name, smoothing = GRADIENTS[key]
    batch = make_batch(parity, Case.load(parity, name))
    sums = batch_loss(model, batch, Objective(label_smoothing=smoothing))
    sums.loss.backward()  # type: ignore[no-untyped-call]
    return model, float(sums.loss.detach())


def gradient(parameter: torch.nn.Parameter) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


@pytest.mark.parametrize("key", GRADIENTS)
def test_gradients_of_every_parameter(shared_parity: Path, key: str) -> None:
    saved = read_json(shared_parity / "grads.json")[key]
    model, loss = run_backward(shared_parity, key)
    assert loss == pytest.approx(saved["loss"], rel=1e-5)
    named = dict(model.named_parameters())
    assert named.keys() == saved["norms"].keys()
    scale = max(saved["norms"].values())
    for name, parameter in named.items():
        ours, theirs = float(gradient(parameter).norm()), saved["norms"][name]
        # what softmax cancels has a gradient of rounding errors
        assert ours == pytest.approx(theirs, rel=1e-3, abs=1e-6 * scale), name
        first = gradient(parameter).flatten()[:4].tolist()
        bound = 2e-3 * max(theirs, 1e-5 * scale)
        assert first == pytest.approx(saved["first"][name], abs=bound), name


def test_batch_norm_statistics_after_a_step(shared_parity: Path) -> None:
    model, _ = run_backward(shared_parity, "train_image")
    state = model.state_dict()
    saved = load_file(shared_parity / "bn_after_train_step.safetensors")
    for name, value in saved.items():
        torch.testing.assert_close(state[name].float(), value.float(), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-4), (torch.float32, 3e-4)])
def test_a_trajectory_of_five_steps(
    shared_parity: Path, dtype: torch.dtype, tolerance: float
) -> None:
    """Mean losses. In float32 rounding alone parts two paths: Adam's first steps are signs."""
    saved = read_json(shared_parity / "grads.json")
    model = reference_model(shared_parity).train().to(dtype)
    batch = make_batch(shared_parity, Case.load(shared_parity, "image"))
    assert batch.images_B3HW is not None
    batch.images_B3HW, batch.weight_B = batch.images_B3HW.to(dtype), batch.weight_B.to(dtype)
    optimizer = Adam(model.named_parameters(), weight_decay=0.01)
    objective = Objective(label_smoothing=0.1)
    for step, theirs in enumerate(saved["trajectory"], start=1):
        report = train_step(
            model, [[batch]], optimizer, objective,
            seed=0, step=step, learning_rate=1e-4, clip_norm=5.0,
        )  # fmt: skip
        expected = theirs["loss"] / report.num_tokens
        assert report.losses[0] == pytest.approx(expected, abs=tolerance), step
        assert report.gradient_norm == pytest.approx(theirs["grad_norm"], rel=5e-4), step
    for name, parameter in model.named_parameters():
        total, squares = saved["trajectory_param_sums"][name]
        values = parameter.detach().double()
        assert float(values.square().sum()) == pytest.approx(squares, rel=1e-4, abs=1e-6), name
        # each of five steps moves a value by at most the learning rate
        bound = 5e-4 * parameter.numel() ** 0.5 + 1e-4 * abs(total)
        assert float(values.sum()) == pytest.approx(total, abs=bound), name
