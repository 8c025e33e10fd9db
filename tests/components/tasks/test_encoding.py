"""Examples as token ids: what is cut, where eos stays, what the decoder is given."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.errors import UserError
from components.model.specials import BOS, EOS, PAD
from components.records import Example
from components.tasks.encoding import EncodedExample, encode_example
from components.tasks.registry import TASKS
from components.tokenization.vocabulary import Vocabulary

PREMISE = ' can text1 " a " imply text2 " b "?'


def example(task: str, source: str, target: str, prefix: str = "") -> Example:
    return Example("1", "set", task, "train", source, target, [target.strip()], prefix=prefix)


def encode(
    item: Example, vocabulary: Vocabulary, source: int = 64, target: int = 32
) -> EncodedExample:
    return encode_example(item, TASKS[item.task], vocabulary, source, target)


def test_source_and_target_carry_their_ends(vocabulary: Vocabulary) -> None:
    encoded = encode(example("caption", " what is it?", " a rib"), vocabulary)
    source, target = vocabulary.encode(" what is it?"), vocabulary.encode(" a rib")
    assert encoded == EncodedExample([BOS, *source, EOS], [], [*target, EOS], 0)
    assert encoded.prev == [BOS, *target]
    assert encoded.labels == [*target, EOS]


def test_vqa_reads_the_question_before_the_answer(vocabulary: Vocabulary) -> None:
    encoded = encode(example("vqa", " is it?", " yes", prefix=" is it?"), vocabulary)
    question, answer = vocabulary.encode(" is it?"), vocabulary.encode(" yes")
    assert encoded.prefix == question
    assert encoded.prev == [BOS, *question, *answer]
    assert encoded.labels == [*[PAD] * len(question), *answer, EOS]


def test_understanding_answers_at_the_last_position_of_the_source(vocabulary: Vocabulary) -> None:
    encoded = encode(example("understand", PREMISE, " yes"), vocabulary)
    answer = vocabulary.encode(" yes")
    assert encoded.target == answer
    assert encoded.prev == [*encoded.source, *answer[:-1]]
    assert encoded.labels == [*[PAD] * (len(encoded.source) - 1), *answer]


@pytest.mark.parametrize("task", TASKS)
@given(text=st.text(max_size=60), answer=st.text(max_size=40), limits=st.tuples(
    st.integers(2, 40), st.integers(2, 40)))  # fmt: skip
@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_limits_hold_and_lost_tokens_are_counted(
    vocabulary: Vocabulary, task: str, text: str, answer: str, limits: tuple[int, int]
) -> None:
    encoded = encode(example(task, text, answer, prefix=text), vocabulary, *limits)
    whole_source, whole_target = vocabulary.encode(text), vocabulary.encode(answer)
    ends = 0 if task == "understand" else 1
    assert encoded.source[0] == BOS
    assert encoded.source[-1] == EOS
    assert len(encoded.source) <= limits[0]
    assert len(encoded.target) <= limits[1]
    assert encoded.target[-1:] == [EOS] or task == "understand"
    kept = len(encoded.source) - 2 + len(encoded.target) - ends
    assert encoded.num_cut == len(whole_source) + len(whole_target) - kept
    assert encoded.source[1:-1] == whole_source[: len(encoded.source) - 2]
    assert len(encoded.prev) == len(encoded.labels) or not encoded.target
    assert [token for token in encoded.labels if token != PAD] == encoded.target


def test_a_question_before_the_answer_is_cut_like_the_source(vocabulary: Vocabulary) -> None:
    long = " is it?" * 50
    encoded = encode(example("vqa", long, " yes", prefix=long), vocabulary, source=20)
    assert len(encoded.source) == 20
    assert len(encoded.prefix) <= 20
    assert encoded.prefix == vocabulary.encode(long)[: len(encoded.prefix)]


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        (" a" * 50, " yes", "its source has 52 tokens, max_source_tokens is 20"),
        (" a", " yes" * 50, "its source has 3 tokens, max_source_tokens is 20"),
    ],
)
def test_what_is_too_long_is_refused_where_that_is_set(
    vocabulary: Vocabulary, source: str, target: str, words: str
) -> None:
    item, task = example("caption", source, target), TASKS["caption"]
    encode_example(item, task, vocabulary, 64, 210, long_text="refuse")
    with pytest.raises(UserError, match=r"example 1 of set is \d+ tokens over") as caught:
        encode_example(item, task, vocabulary, 20, 16, long_text="refuse")
    assert words in caught.value.why
    assert "long_text" in caught.value.next_command
