"""What instruction tuning is about to train on, told before it: modalities, images, lengths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from components.dataset.balance import AS_IS, choose_balance
from components.instructions.lengths import measure_turns
from components.records import Example
from components.tokenization.vocabulary import Vocabulary
from components.training_config import InstructParams


def describe_material(
    examples: Sequence[Example], vocabulary: Vocabulary, settings: InstructParams
) -> dict[str, Any]:
    """For the run's manifest: examples by modality with their draws in an epoch, images, lengths.

    ``drawn`` sums to the number of examples; a modality of "" is of those without a label.
    """
    kinds = [example.modality for example in examples]
    at_hand = dict(sorted(Counter(kinds).items()))
    balance = choose_balance(kinds, settings.sampling, settings.temperature)
    drawn = at_hand if balance is None else dict(zip(balance.names, balance.quotas, strict=True))
    return {
        "examples": len(examples),
        "without_image": sum(not example.image_id for example in examples),
        "sampling": settings.sampling,
        "modalities": {
            name: {"examples": num, "drawn": drawn[name]} for name, num in at_hand.items()
        },
        "lengths": measure_turns(
            examples, vocabulary, settings.max_source_tokens, settings.max_target_tokens
        ),
    }


def tell_material(material: dict[str, Any]) -> str:
    """The same in a few lines."""
    lines = [f"{material['without_image']} of {material['examples']} examples lack their image"]
    for name, texts in material["lengths"]["kinds"].items():
        if texts["texts_cut"]:
            lines.append(
                f"{name}: {texts['texts_cut']} of {texts['texts']} are cut to the token limits, "
                f"{texts['tokens_lost']} of {texts['tokens']} tokens"
            )
    if material["sampling"] != AS_IS:
        shares = ", ".join(
            f"{name or 'not labelled'} {of['examples']} -> {of['drawn']}"
            for name, of in material["modalities"].items()
        )
        lines.append(f"sampling {material['sampling']}, draws of an epoch: {shares}")
    return "\n".join(lines)
