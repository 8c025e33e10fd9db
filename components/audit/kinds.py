"""What a test item and a training item can have in common, and what each such finding is worth."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """How a kind of overlap is called, how sure a finding is, and what it says and does not."""

    title: str
    likelihood: str
    meaning: str


# In each list the gravest first: of one test item and one material only that is told.
IMAGE_KINDS = ("same_image", "similar_image")
TEXT_KINDS = ("same_text", "near_text", "shared_text")
KINDS: dict[str, Kind] = {
    "same_pair": Kind(
        "same question, answer and image", "certain, if it is the very image",
        "the test item itself was learnt, on its image or on one that looks the same",
    ),
    "same_image": Kind("same image", "certain", "the files are equal, byte for byte"),
    "similar_image": Kind(
        "image that looks the same", "likely, if it correlates by 0.97 or more",
        "the nearer to 1 the surer; below 0.97 it is mostly another picture of the same kind",
    ),
    "same_text": Kind("same text and answer", "certain", "equal but for case and spaces"),
    "near_text": Kind(
        "nearly the same text", "likely",
        "three tenths or more of the test item's runs of words stand in one training text",
    ),
    "same_document": Kind(
        "same article", "certain",
        "both are of one article, though perhaps of another part of it",
    ),
    "same_group": Kind(
        "same patient or group", "certain",
        "the data set says that both belong together",
    ),
    "shared_text": Kind(
        "shared run of words", "doubtful",
        "mostly a stock phrase or a quotation: read it",
    ),
}  # fmt: skip
