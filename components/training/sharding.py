"""Fully sharded data parallelism: each rank holds a part of every layer's matrices.

Method: FSDP2 (``torch.distributed.fsdp.fully_shard``; ZeRO, arXiv 1910.02054). A layer is one
unit: its matrices are gathered before it runs and its gradients scattered after. They are nearly
all of a large model's weights, and most of what Adam and the average keep. What is left (token
matrix, image trunk, position biases, norms) every rank holds whole, and its gradients are summed as
in ordinary data parallelism, because the model is entered by ``encode``, ``decode`` and
``token_matrix``, and not by one forward call that could gather it.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from functools import partial

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from components.model.specials import EOS
from components.training.distributed import is_sharded, local, rank_and_world

SIDES = ("encoder", "decoder")
Groups = Mapping[str, Mapping[str, Tensor]]


def layers_of(model: nn.Module) -> list[nn.Module]:
    """The layers of encoder and decoder, in the order in which they run."""
    sides = (model.get_submodule(f"{side}.layers") for side in SIDES)
    return [layer for layers in sides for layer in layers.children()]


def recompute_activations(model: nn.Module) -> None:
    """Let each layer keep its inputs only, and run again in the backward pass.

    Dropout falls as it did the first time: the state of the random numbers is kept.
    """
    for layer in layers_of(model):
        layer.forward = partial(checkpoint, layer.forward, use_reentrant=False)


def keep_activations(model: nn.Module) -> None:
    """Undo ``recompute_activations``."""
    for layer in layers_of(model):
        layer.__dict__.pop("forward", None)


class Shards:
    """A model whose layers are spread over the ranks, until ``gather_model``.

    Every rank must run the model equally often, in training and in evaluation; a rank that has
    nothing left to do calls ``run_idle``. Only whole passes run while it is spread: decoding with
    a cache enters the layers by another way.
    """

    def __init__(self, model: nn.Module, dtype: torch.dtype | None = None) -> None:
        """Spread the model in place; ``dtype`` is that in which the matrices are gathered."""
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

        # Layers return views, which nothing here writes to.
        warnings.filterwarnings("ignore", message="FSDP2-wrapped module")
        layers = layers_of(model)
        matrices = {p for layer in layers for p in layer.parameters() if p.dim() > 1}
        whole = set(model.parameters()) - matrices
        self.whole_model = _twin(model, matrices)
        mesh = init_device_mesh(next(model.parameters()).device.type, (rank_and_world()[1],))
        policy = MixedPrecisionPolicy(
            param_dtype=dtype,
            reduce_dtype=torch.float32 if dtype else None,
            cast_forward_inputs=False,  # autocast does it, operation by operation
        )
        for layer in layers:
            unit = fully_shard(layer, mesh=mesh, mp_policy=policy, ignored_params=whole)
            # Losses are divided by the size of the whole batch: gradients are added, not averaged.
            unit.set_gradient_divide_factor(1.0)
            unit.set_force_sum_reduction_for_comms(True)
        for side in SIDES:  # which hold nothing themselves, but let the next layer's come early
            fully_shard(model.get_submodule(side), mesh=mesh, ignored_params=whole)

    def gather_model(self, model: nn.Module) -> None:
        """Make the model whole again at every rank, with the weights that it has now."""
        for name, value in model.named_parameters():
            if is_sharded(value):
                parent, _, leaf = name.rpartition(".")
                full = nn.Parameter(_gather(value), requires_grad=value.requires_grad)
                setattr(self.whole_model.get_submodule(parent), leaf, full)
        for side in SIDES:
            setattr(model, side, self.whole_model.get_submodule(side))


def run_idle(model: nn.Module) -> None:
    """A pass forward and backward that changes nothing: gradients of zero for every layer."""
    token = torch.full((1, 1), EOS, device=next(model.parameters()).device)
    (0.0 * model(token, token).sum()).backward()


@torch.no_grad()
def gather_state(state: Groups) -> dict[str, dict[str, Tensor]]:
    """Tensors by group and name, whole; sharded ones in rank 0's memory, and at no other rank.

    Every rank must call it. Tensors that are not sharded are those of the run, not copies.
    """
    rank = rank_and_world()[0]
    gathered: dict[str, dict[str, Tensor]] = {}
    for group, tensors in state.items():
        gathered[group] = {}
        for name, value in tensors.items():
            full = _gather(value).cpu() if is_sharded(value) else value  # one at a time
            if rank == 0:
                gathered[group][name] = full
    return gathered


@torch.no_grad()
def spread_state(state: Groups, found: Groups | None) -> None:
    """Fill the tensors of a run with those that rank 0 found, by group and name.

    Every rank must call it; names and shapes must match exactly.
    """
    for group, tensors in state.items():
        for name, value in tensors.items():
            _spread(value, None if found is None else found[group][name])


def _spread(value: Tensor, full: Tensor | None) -> None:
    if is_sharded(value):
        from torch.distributed.tensor import distribute_tensor

        device = local(value).device
        source = torch.empty(value.shape, dtype=value.dtype, device=device)
        if full is not None:
            source.copy_(full)
        mesh, placements = value.device_mesh, value.placements  # type: ignore[attr-defined]
        local(value).copy_(local(distribute_tensor(source, mesh, placements)))
        return
    if full is not None:
        value.copy_(full)
    if rank_and_world()[1] > 1:
        dist.broadcast(value, 0)


def _gather(value: Tensor) -> Tensor:
    full: Tensor = value.detach().full_tensor()  # type: ignore[attr-defined]
    return full


def _twin(model: nn.Module, spread: set[nn.Parameter]) -> nn.Module:
    """A copy that shares all parameters and buffers but those to be spread, whose place is empty.

    Sharding changes the classes of modules; the twin is what they were.
    """
    memo: dict[int, Tensor] = {id(t): t for t in (*model.parameters(), *model.buffers())}
    for parameter in spread:
        memo[id(parameter)] = nn.Parameter(torch.empty(0), requires_grad=parameter.requires_grad)
    return copy.deepcopy(model, memo)
