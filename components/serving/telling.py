"""A reply in words for a person, and as JSON for a script; both say version and limits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from components.serving.served import Reply
from components.serving.versions import Version

NOTE = "research only: not for clinical use"
OTHERS = 3  # candidates that a person is shown beside the answer


def tell_answer(reply: Reply, abstain_below: float) -> str:
    """The answer, or that there is none, in one line."""
    return reply.refusal(abstain_below) or reply.text


def tell_reply(reply: Reply, version: Version, abstain_below: float = 0.0) -> Iterator[str]:
    """The lines for one reply: the answer, how sure it is, what else was likely, who says so."""
    yield tell_answer(reply, abstain_below)
    yield f"  confidence  {reply.confidence.value:.2f}, {reply.confidence.words}"
    others = [f"{text} {chance:.2f}" for text, chance in reply.candidates[1 : 1 + OTHERS]]
    if others:
        yield f"  else        {', '.join(others)}"
    if reply.num_cut:
        yield f"  cut         {reply.num_cut} words or tokens were over the limits, and not read"
    yield from tell_version(version)


def tell_version(version: Version) -> Iterator[str]:
    """Model, data, and what it is for."""
    yield f"  model       {version.words}"
    yield f"  data        {version.data_words}"
    yield NOTE


def as_json(reply: Reply, version: Version, abstain_below: float = 0.0) -> dict[str, Any]:
    """A reply as an object; ``answer`` is null where none is given."""
    refusal, sure = reply.refusal(abstain_below), reply.confidence
    return {
        "answer": None if refusal else reply.text,
        **({"refused": refusal} if refusal else {}),
        "confidence": round(sure.value, 6),
        "calibrated": sure.is_calibrated,
        "raw_probability": round(sure.raw, 6),
        "candidates": [
            {"text": text, "probability": round(chance, 6)} for text, chance in reply.candidates
        ],
        "num_cut": reply.num_cut,
        "model": {"name": version.name, "sha256": version.model, "data": version.data},
        "note": NOTE,
    }
