"""What the model refuses at its door: ids, images and lengths that it has no place for."""

from __future__ import annotations

import pytest
import torch

from components.errors import UserError
from components.generation.beam import search
from components.generation.candidates import score_candidates
from components.generation.constraints import SearchSettings
from components.model.config import model_config
from components.model.ids import check_ids
from components.model.model import UnifiedModel

SOURCE = torch.tensor([[0, 9, 2]])


@pytest.fixture(scope="module")
def model() -> UnifiedModel:
    return UnifiedModel(model_config("debug", 64, max_positions=32)).eval()


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


@pytest.mark.parametrize(("height", "width"), [(16, 688), (688, 16), (673, 32)])
def test_an_image_with_more_cells_than_positions_is_refused(
    model: UnifiedModel, height: int, width: int
) -> None:
    model.encode(SOURCE, torch.zeros(1, 3, 16, 672))
    with pytest.raises(UserError, match=r"does not fit the model's 42 x 42") as caught:
        model.encode(SOURCE, torch.zeros(1, 3, height, width))
    assert "672 pixels" in caught.value.next_command


def test_more_patches_than_cells_are_refused(model: UnifiedModel) -> None:
    with pytest.raises(UserError, match="17 patches are to be drawn from an image of 16 cells"):
        model.encode(SOURCE, torch.zeros(1, 3, 64, 64), num_sampled_patches=17)


def test_a_source_of_padding_alone_is_named(model: UnifiedModel) -> None:
    source = torch.tensor([[0, 9, 2], [1, 1, 1]])
    with pytest.raises(UserError, match="source 1 of the batch"):
        model.encode(source)
    hidden = torch.tensor([True, False])
    with pytest.raises(UserError, match="source 1 of the batch"):
        model.encode(source, torch.zeros(2, 3, 32, 32), hidden)
    model.encode(source, torch.zeros(2, 3, 32, 32))


@pytest.mark.parametrize("codes", [None, [False, False], [True, False]])
def test_a_target_beyond_the_positions_is_refused(
    model: UnifiedModel, codes: list[bool] | None
) -> None:
    encoded = model.encode(SOURCE.expand(2, -1))
    mask = None if codes is None else torch.tensor(codes)
    with pytest.raises(UserError, match="a target of 33 tokens"):
        model.decode(torch.full((2, 33), 5), encoded, mask)


def test_codes_beyond_the_positions_have_their_grid(model: UnifiedModel) -> None:
    encoded = model.encode(SOURCE)
    assert model.decode(torch.full((1, 33), 5), encoded, torch.tensor([True])).shape[1] == 33


def test_a_search_beyond_the_positions_is_refused_before_it_begins(model: UnifiedModel) -> None:
    encoded = model.encode(SOURCE)
    with pytest.raises(UserError, match="a target of 33 tokens"):
        search(model, encoded, SearchSettings(beam=2, max_length_b=32))


@pytest.mark.parametrize(
    "wrong", [{"beam": 0}, {"temperature": 0.0}, {"temperature": -1.0}, {"max_length_b": -1}]
)
def test_settings_that_find_nothing_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be at least 1"):
        SearchSettings(**wrong)  # type: ignore[arg-type]


def test_a_candidate_out_of_range_is_named(model: UnifiedModel) -> None:
    encoded = model.encode(SOURCE)
    with pytest.raises(UserError, match="candidate id 99 is out of range"):
        score_candidates(model, encoded, [[]], [[[5], [99]]])
