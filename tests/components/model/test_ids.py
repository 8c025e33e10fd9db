"""Token ids at the door of the model."""

from __future__ import annotations

import pytest
import torch

from components.errors import UserError
from components.model.ids import check_ids


@pytest.mark.parametrize("ids", [[[0, 9]], [[]], [[5], [0]]])
def test_ids_of_the_vocabulary_pass(ids: list[list[int]]) -> None:
    check_ids(torch.tensor(ids, dtype=torch.int64), 10, "source")


@pytest.mark.parametrize(("ids", "wrong"), [([[3, 10]], 10), ([[-1, 4]], -1), ([[-2, 77]], -2)])
def test_one_out_of_range_is_named_with_the_size(ids: list[list[int]], wrong: int) -> None:
    expected = rf"source id {wrong} is out of range: the model's vocabulary has 10 entries"
    with pytest.raises(UserError, match=expected):
        check_ids(torch.tensor(ids), 10, "source")


def test_a_compiled_graph_stays_whole() -> None:
    def embed(ids: torch.Tensor) -> torch.Tensor:
        check_ids(ids, 10, "source")
        return ids * 2

    graph = torch.compile(embed, backend="eager", fullgraph=True)
    assert graph(torch.tensor([[1, 2]])).tolist() == [[2, 4]]
