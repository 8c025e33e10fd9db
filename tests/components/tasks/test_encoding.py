"""Examples as token ids: what is cut, where eos stays, what the decoder is given."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.errors import UserError
from components.model.specials import BOS, EOS, PAD
from components.records import Example
from components.tasks.base import TURN
from components.tasks.encoding import EncodedExample, encode_example, measure_example
from components.tasks.registry import TASKS
from components.tokenization.signal import quantize_signal
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


def test_a_signal_follows_the_text_and_is_cut_and_counted(vocabulary: Vocabulary) -> None:
    item = replace(example("vqa", " is it?", " yes", prefix=" is it?"), signal=[1.0, -1.0, 1.0])
    text = vocabulary.encode(" is it?")
    bins = [vocabulary.bin_id(b) for b in quantize_signal(item.signal, vocabulary.num_bins)]
    whole = encode(item, vocabulary)
    assert whole.source == [BOS, *text, *bins, EOS]
    assert whole.prefix == text  # the decoder is given the question alone
    cut = encode(item, vocabulary, source=len(text) + 3)
    assert (cut.source, cut.num_cut) == ([BOS, *text, bins[0], EOS], 2)
    measured = measure_example(item, TASKS["vqa"], vocabulary, len(text) + 3, 32)
    assert (measured.source, measured.source_lost) == (len(text) + 5, 2)


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
    if TASKS[task].decoder_prompt == "turns":
        answer = answer.replace("\n", " ")  # one reply; of several the tests below
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


REPLIES = [" a rib", " the left rib", " no"]
REQUESTS = [" which rib?", " is it normal?"]
TALK = TURN.join([REPLIES[0], REQUESTS[0], REPLIES[1], REQUESTS[1], REPLIES[2]])


def test_replies_are_learnt_and_later_requests_are_given(vocabulary: Vocabulary) -> None:
    """Each reply stands after what was said before it, and after a bos as a first reply does."""
    encoded = encode(example("instruct", " what is it?", TALK), vocabulary, target=200)
    (r1, r2, r3), (q2, q3) = (
        [vocabulary.encode(t) for t in texts] for texts in (REPLIES, REQUESTS)
    )
    assert encoded.prev == [BOS, *r1, EOS, *q2, BOS, *r2, EOS, *q3, BOS, *r3]
    silent2, silent3 = [PAD] * (len(q2) + 1), [PAD] * (len(q3) + 1)
    assert encoded.labels == [*r1, EOS, *silent2, *r2, EOS, *silent3, *r3, EOS]
    assert encoded.num_cut == 0
    for reply, begin in ((r1, 0), (r2, len(r1) + len(q2) + 2)):
        assert encoded.prev[begin] == BOS
        assert encoded.labels[begin : begin + len(reply) + 1] == [*reply, EOS]


@pytest.mark.parametrize("limit", range(1, 60))
def test_a_talk_is_cut_within_a_reply_or_after_one(vocabulary: Vocabulary, limit: int) -> None:
    encoded = encode(example("instruct", " what?", TALK), vocabulary, target=limit)
    whole = encode(example("instruct", " what?", TALK), vocabulary, target=200)
    kept = encoded.target[:-1]
    assert len(encoded.target) <= limit
    assert kept == whole.target[: len(kept)]
    assert encoded.num_cut == len(whole.target) - len(encoded.target)
    assert encoded.labels[-1] == EOS and encoded.target[-2:] != [EOS, EOS]
    assert encoded.labels[:-1] == whole.labels[: len(kept)]
    assert not kept or encoded.labels[-2] != PAD


def test_one_reply_is_encoded_as_that_of_any_task(vocabulary: Vocabulary) -> None:
    talk, plain = (
        encode(example(task, " a?", " b"), vocabulary) for task in ("instruct", "caption")
    )
    assert talk == plain
