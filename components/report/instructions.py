"""The instruction data as the page shows it: counts of the survey, and what training was told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from components.report.inputs import ReportInputs
from components.report.numbers import print_count, print_share

PRODUCT, CARD = "data/instructions", "biomed_vital"
HOW = {
    "single_turn": "Each reply is an example: the request with up to {} earlier pairs, read by the "
    "encoder.",
    "multi_turn": "Each conversation is an example: the encoder reads the first request, the "
    "decoder is given the later ones and learns the replies alone.",
}
UNLABELLED = {
    "no-domain": "the record has no flags",
    "no-flag": "no flag is true",
    "several-flags": "several flags are true",
    "unknown-flag": "the flag that is true is not known",
}
KINDS = ("request", "history", "later request", "reply")
AS_IS = "as_is"
SAMPLING = {
    "balanced": "balanced over modalities",
    "temperature": "balanced in part, by temperature",
}


@dataclass(frozen=True, slots=True)
class Drawn:
    """A modality: its training examples, and its draws in an epoch of as many."""

    name: str
    examples: int
    drawn: int


@dataclass(frozen=True, slots=True)
class Instructions:
    """What the section shows. ``lengths``: sizes, kind of text, its counts, and its limit."""

    how: str
    facts: list[tuple[str, str]]
    licence: str
    stated: dict[str, str]
    image_licences: dict[str, int]
    variants: dict[str, int]
    unlabelled: list[tuple[str, int, list[str]]]
    images: dict[str, Any]
    missing_reasons: dict[str, int]
    words_cut: dict[str, int]
    sampling: str
    num_drawn: int
    modalities: list[Drawn]
    lengths: list[tuple[str, str, dict[str, int], int]]
    parts: list[dict[str, Any]]
    shared: list[list[int]]
    held_by: list[tuple[str, int]]
    unsupported: dict[str, Any]


def view_instructions(inputs: ReportInputs) -> Instructions | None:
    """What the page shows of the instruction data; None where it was not surveyed."""
    summary, manifest = inputs.instructions, inputs.manifests.get(PRODUCT)
    if not summary or manifest is None:
        return None
    materials = _read_materials(inputs)
    material = materials[-1][1] if materials else {}
    settings, card = manifest["settings"], inputs.cards.get(CARD)
    modalities = [
        Drawn(name or "not labelled", of["examples"], of["drawn"])
        for name, of in material.get("modalities", {}).items()
        if material["sampling"] != AS_IS  # the bars tell as much
    ]
    return Instructions(
        how=HOW[settings["conversion"]].format(settings["history_turns"]),
        facts=_list_facts(summary, manifest),
        licence=card.source.licence if card else "",
        stated=summary["licences"],
        image_licences=summary["images"]["licences"],
        variants=summary["variants"],
        unlabelled=[
            (UNLABELLED[why], of["conversations"], [_shorten(name) for name in of["examples"]])
            for why, of in summary["unlabelled"].items()
        ],
        images=summary["images"],
        missing_reasons=summary["images"]["reasons"],
        words_cut=manifest["notes"].get("cut", {}),
        sampling=SAMPLING.get(material.get("sampling", ""), ""),
        num_drawn=sum(row.drawn for row in modalities),
        modalities=sorted(modalities, key=lambda row: -row.examples),
        lengths=_list_lengths(materials),
        parts=[{**of, "name": _shorten(of["file"])} for of in summary["parts"]["files"]],
        shared=_square(summary["parts"]),
        held_by=[
            (", ".join(map(_shorten, of["files"])), of["conversations"])
            for of in summary["parts"]["held_by"]
        ],
        unsupported=summary["unsupported"],
    )


def _list_facts(summary: dict[str, Any], manifest: dict[str, Any]) -> list[tuple[str, str]]:
    num, claims = summary["conversations"], summary["unsupported"]
    unlabelled = sum(of["conversations"] for of in summary["unlabelled"].values())
    return [
        (print_count(num), "conversations"),
        (print_count(manifest["counts"]["out"]), "examples of them"),
        (print_share(summary["images"]["without_image"], num), "of them lack their image"),
        (print_share(unlabelled, num), "of them without a modality"),
        (print_share(claims["flagged"], claims["checked"]), "of replies go beyond their caption"),
    ]


def _read_materials(inputs: ReportInputs) -> list[tuple[str, dict[str, Any]]]:
    """What each size was told before it trained."""
    folders = {size: f"data/models/instructed/{size}" for size in inputs.params.sizes}
    return [
        (size, inputs.manifests[folder]["notes"]["material"])
        for size, folder in folders.items()
        if "material" in inputs.manifests.get(folder, {"notes": {}})["notes"]
    ]


def _list_lengths(
    materials: list[tuple[str, dict[str, Any]]],
) -> list[tuple[str, str, dict[str, int], int]]:
    """One row for each kind of text; sizes with the same limits share theirs."""
    together: dict[tuple[int, int], tuple[list[str], dict[str, Any]]] = {}
    for size, material in materials:
        limits = material["lengths"]["limits"]
        key = (limits["source"], limits["target"])
        together.setdefault(key, ([], material["lengths"]["kinds"]))[0].append(size)
    return [
        (", ".join(sizes), kind, counts, source if kind in ("request", "history") else target)
        for (source, target), (sizes, kinds) in together.items()
        for kind, counts in sorted(kinds.items(), key=lambda item: KINDS.index(item[0]))
    ]


def _square(parts: dict[str, Any]) -> list[list[int]]:
    """Conversations that two files share, as a square; the diagonal is of each file alone."""
    names = [of["file"] for of in parts["files"]]
    shared = {frozenset(pair["files"]): pair["conversations"] for pair in parts["shared"]}
    own = {frozenset([of["file"]]): of["conversations"] for of in parts["files"]}
    return [[(shared | own)[frozenset([one, other])] for other in names] for one in names]


def _shorten(name: str) -> str:
    """``60K`` of the name of a published part, or of a record in it; another file's stem."""
    return name.removeprefix("BioMed-VITAL-instructions-").replace(".json", "")
