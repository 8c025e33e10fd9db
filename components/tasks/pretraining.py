"""The pretraining tasks: pairs and matching, text infilling, image infilling, detection.

Prompts, masking and targets as the public pretraining code has them (OFA's unify_dataset.py, which
BiomedGPT uses unchanged). What it does otherwise, on purpose: negatives come from the material that
is trained on (negatives.py), not from lists of the general domain; a long text is cut into windows
that are all learnt (dataset/windows.py), where the reference keeps tokens 257 to 512 of its first
512; the two texts beside eight pairs are two, not one that is masked twice; a question ends by a
question mark, as in fine-tuning; a target that is too long loses whole objects; images of
pairs are not cropped, and are altered only where pretrain.augment says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from components.model.specials import BOS, EOS
from components.records import Box, Example
from components.tasks import caption, detect, infill_image, infill_text
from components.tasks.encoding import EncodedExample
from components.tasks.masking import mask_words
from components.tasks.negatives import NegativePool, show_text
from components.tasks.phrasing import clean_caption, clean_question, num_words_cut
from components.tokenization.boxes import box_bins
from components.tokenization.vocabulary import Vocabulary

MAX_CAPTION_WORDS, MAX_QUESTION_WORDS = 30, 80  # the scripts' max_tgt_length and max_src_length
EXTRA_WEIGHT = 2.0  # of texts, images and boxes in the loss; a pair's is its own


def pair_example(example: Example) -> Example:
    """A caption in lower case, at most 30 words of it; or the answer to a question.

    The decoder is given nothing: questions before the answer come with fine-tuning.
    """
    if example.task == "caption":
        target = f" {clean_caption(example.target, MAX_CAPTION_WORDS)}"
        return replace(example, source=caption.PROMPT, target=target)
    question = clean_question(example.source, MAX_QUESTION_WORDS)
    return replace(example, source=f" {question}", prefix="")


def is_caption_cut(example: Example) -> bool:
    """Whether a pair's caption is longer than what is learnt of it."""
    return example.task == "caption" and num_words_cut(example.target, MAX_CAPTION_WORDS) > 0


def match_example(example: Example, pool: NegativePool, rng: np.random.Generator) -> Example:
    """Does the text belong to the image? Half of the time it does."""
    wrong = pool.draw(example, rng) if rng.random() < 0.5 else ""
    text = wrong or show_text(example)
    if example.task == "caption":
        source = f' does the image describe " {text} "?'
    else:
        question = clean_question(example.source, MAX_QUESTION_WORDS)
        source = f' what is the answer to question " {question} ". is " {text} "?'
    target = " no" if wrong else " yes"
    return replace(example, source=source, prefix="", target=target, references=[target.strip()])


def text_room(vocabulary: Vocabulary, max_tokens: int) -> int:
    """How many tokens of a text fit into a source of ``max_tokens`` around its prompt."""
    return max_tokens - len(vocabulary.encode(infill_text.PROMPT)) - 2


def infill_window(
    ids: Sequence[int],
    vocabulary: Vocabulary,
    ratio: float,
    max_tokens: int,
    rng: np.random.Generator,
) -> EncodedExample:
    """Restore a window of text whose words were masked.

    The window is whole words, at most ``text_room`` of tokens: documents are cut by
    components/dataset/windows.py. ValueError for a longer one.
    """
    prompt = vocabulary.encode(infill_text.PROMPT)
    cut = len(vocabulary.encode(' "?'))
    room = text_room(vocabulary, max_tokens)
    if len(ids) > room:
        raise ValueError(f"a window of {len(ids)} tokens, where {room} fit")
    masked = mask_words(ids, vocabulary.starts_word, vocabulary.mask_id, ratio, rng)[:room]
    source = [BOS, *prompt[:-cut], *masked, *prompt[-cut:], EOS]
    return EncodedExample(source, [], [*ids, EOS], 0)


def infill_codes(codes: Sequence[int], vocabulary: Vocabulary) -> EncodedExample:
    """Name the codes of the middle of an image, which the encoder does not see."""
    source = [BOS, *vocabulary.encode(infill_image.PROMPT), EOS]
    return EncodedExample(source, [], [*(vocabulary.code_id(c) for c in codes), EOS], 0)


def detect_objects(
    objects: Sequence[tuple[Box, str]], vocabulary: Vocabulary, max_tokens: int
) -> EncodedExample:
    """Name every object with its box: four location bins, then the label, in the given order.

    Boxes are in pixels of the image as the model sees it. Of more than ``max_tokens`` whole objects
    are left out, the last first; ``num_cut`` counts their tokens.
    """
    source = [BOS, *vocabulary.encode(detect.PROMPT), EOS]
    target: list[int] = []
    num_cut = 0
    for box, label in objects:
        bins = [vocabulary.bin_id(i) for i in box_bins(box, vocabulary.num_bins)]
        named = [*bins, *vocabulary.encode(f" {label}")]
        if num_cut or len(target) + len(named) >= max_tokens:
            num_cut += len(named)
        else:
            target += named
    return EncodedExample(source, [], [*target, EOS], num_cut)
