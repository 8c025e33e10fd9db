"""What token limits cut of requests, histories and replies; and when a run is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.errors import UserError
from components.instructions.conversion import lay_out
from components.instructions.lengths import check_labels, measure_turns
from components.instructions.material import describe_material, tell_material
from components.records import Example
from components.tasks.encoding import encode_example
from components.tasks.registry import TASKS
from components.tokenization.vocabulary import Vocabulary
from components.training_config import InstructParams

INSTRUCT = TASKS["instruct"]
WORDS = st.lists(st.sampled_from(["rib", "there", "x", "earlier:"]), min_size=1, max_size=12)
TEXTS = WORDS.map(" ".join)


def make(question: str, answer: str | list[str], history: str = "", **more: str) -> Example:
    of = INSTRUCT.render({"history": history, "question": question, "answer": answer})
    return Example("1", "set", "instruct", "train", of.source, of.target, origin="f#1", **more)


def count(vocabulary: Vocabulary, *texts: str) -> int:
    return sum(len(vocabulary.encode(text)) for text in texts)


def test_history_is_cut_before_the_request(vocabulary: Vocabulary) -> None:
    history = lay_out([("is there?", "a rib")])
    example = make("is there a rib?", "rib", history)
    request = count(vocabulary, " is there a rib?")
    whole = count(vocabulary, example.source)
    for limit in range(3, whole + 3):
        kinds = measure_turns([example], vocabulary, limit, 50)["kinds"]
        lost = max(whole + 2 - limit, 0)
        assert kinds["history"]["tokens_lost"] == min(lost, whole - request)
        assert kinds["request"]["tokens_lost"] == max(lost - (whole - request), 0)
        assert kinds["request"]["tokens"] + kinds["history"]["tokens"] == whole


@given(
    st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4),
    st.booleans(),
    st.integers(16, 60),
    st.integers(2, 60),
)
@settings(
    deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_what_is_lost_is_what_encoding_loses(
    vocabulary: Vocabulary, talk: list[tuple[str, str]], whole: bool, source: int, target: int
) -> None:
    if whole:
        example = make(talk[0][0], [talk[0][1], *(t for pair in talk[1:] for t in pair)])
    else:
        example = make(*talk[-1], lay_out(talk[:-1]))
    kinds = measure_turns([example], vocabulary, source, target)["kinds"]
    encoded = encode_example(example, INSTRUCT, vocabulary, source, target)
    roomy = encode_example(example, INSTRUCT, vocabulary, 1000, 1000)
    kept = [token for token in encoded.labels if token > 2]
    replies = kinds["reply"]
    assert replies["tokens"] == len([token for token in roomy.labels if token > 2])
    assert replies["tokens"] - replies["tokens_lost"] == len(kept)
    asked = [kinds[name]["tokens_lost"] for name in ("request", "history") if name in kinds]
    assert sum(asked) == len(roomy.source) - len(encoded.source)


def test_a_run_that_would_lose_its_labels_is_refused(vocabulary: Vocabulary) -> None:
    examples = [make("is it?", "rib " * 20), make("is it?", "rib")]
    short = measure_turns(examples, vocabulary, 50, 8)
    lost = short["kinds"]["reply"]["tokens_lost"] / short["kinds"]["reply"]["tokens"]
    check_labels(short, lost, "instruct debug")
    with pytest.raises(UserError, match=r"instruct debug: \d\d\.\d% of the reply tokens") as caught:
        check_labels(short, lost - 0.01, "instruct debug")
    assert "1 of 2 replies end beyond max_target_tokens, which is 8" in caught.value.why
    assert "1 (f#1)" in caught.value.why
    needed = short["longest_target"]
    assert f"({needed} cuts nothing)" in caught.value.next_command
    assert measure_turns(examples, vocabulary, 50, needed)["kinds"]["reply"]["tokens_lost"] == 0
    assert measure_turns(examples, vocabulary, 50, needed - 1)["kinds"]["reply"]["tokens_lost"]


def test_the_material_is_told(vocabulary: Vocabulary, params: Any) -> None:
    examples = [make("is it?", "rib " * 9, modality="ct", image_id="i")] * 3
    examples += [make("is it?", "rib", modality="gross"), make("is it?", "rib")]
    settings = params.model_copy(update={"sampling": "balanced", "max_target_tokens": 5})
    material = describe_material(examples, vocabulary, settings)
    assert (material["examples"], material["without_image"]) == (5, 2)
    assert material["modalities"] == {
        "": {"examples": 1, "drawn": 1}, "ct": {"examples": 3, "drawn": 2},
        "gross": {"examples": 1, "drawn": 2},
    }  # fmt: skip
    told = tell_material(material)
    assert "2 of 5 examples lack their image" in told
    assert "reply: 3 of 5 are cut to the token limits" in told
    assert "not labelled 1 -> 1, ct 3 -> 2, gross 1 -> 2" in told


@pytest.fixture
def params() -> InstructParams:
    from components.config import Params
    from components.profiles.overlay import read_profile
    from components.schema import validate

    return validate(Params, read_profile("demo"), "demo").instruct
