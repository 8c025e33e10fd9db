"""What a reader should worry about, found from the numbers and not from hope."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from components.cards import RESTRICTED
from components.report.inputs import ReportInputs, ScaleGain
from components.report.looks import list_worries as list_look_worries
from components.report.numbers import print_count, print_share
from components.report.overlaps import find_official
from components.report.pipeline import count_by_rule
from components.report.probes import list_worries
from components.report.scores import ScoreRow
from components.report.zero_shot import list_zero_shot_worries

FEW_GROUPS = 30
LOW_PSNR_DB, LOW_CODE_SHARE = 20.0, 0.5
Level = Literal["red", "note"]
AUDIT_FLAGS: tuple[tuple[str, Level, str], ...] = (
    ("same_pair", "red", "Test questions that are learnt with their answers, on the same image"),
    ("same_image", "red", "Test images that are also training images, byte for byte"),
    ("similar_image", "note", "Test images that look the same as a training image"),
    ("same_text", "red", "Text-only test items that are also training items"),
    ("near_text", "note", "Test items whose text nearly stands in training text"),
    ("same_document", "note", "Test items whose article is also training material"),
    ("same_group", "note", "Patients or groups that are in test and in training"),
    ("shared_text", "note", "Test items that share long runs of words with training text"),
)


@dataclass(frozen=True, slots=True)
class Flag:
    """A worry: how grave, what it is, where it is seen, and the section with the numbers."""

    level: Level
    title: str
    detail: str
    section: str


def find_flags(
    inputs: ReportInputs, scores: Sequence[ScoreRow], zero_shot: Sequence[ScoreRow]
) -> list[Flag]:
    """Every worry, the grave ones first: of fine-tuned and zero-shot scores, and of the data."""
    main = [row for row in scores if row.is_main]
    found = [
        *_flag_scores(main, "", "scores"),
        *_flag_scores([row for row in zero_shot if row.is_main], "zero-shot", "zero-shot"),
        *_flag_looks(main),
        *_flag_zero_shot(inputs),
        *_flag_coverage(inputs, main),
        *_flag_empty(inputs),
        *_flag_audit(inputs),
        *_flag_quarantine(inputs),
        *_flag_tokenizer(inputs),
        *_flag_streams(inputs),
        *_flag_instructions(inputs),
        *_flag_splits(inputs),
        *_flag_scale(inputs),
        *_flag_altered(inputs),
        *_flag_restricted(inputs),
        *(Flag(*worry) for worry in list_worries(inputs)),
    ]
    return sorted(found, key=lambda flag: flag.level != "red")


def _name(rows: Iterable[ScoreRow], keep: Callable[[ScoreRow], bool]) -> str:
    """Data sets with the sizes that a condition holds for: ``SLAKE (debug, micro); ...``"""
    sizes: defaultdict[str, list[str]] = defaultdict(list)
    for row in rows:
        if keep(row):
            sizes[row.title].append(row.size)
    return "; ".join(f"{title} ({', '.join(names)})" for title, names in sizes.items())


def _flag_scores(main: list[ScoreRow], kind: str, section: str) -> list[Flag]:
    flags = []
    if names := _name(main, lambda row: not row.of["beats_baseline"]):
        words = "not above the baseline that never sees the image"
        flags.append(Flag("red", _title(kind, words), names, section))
    if names := _name(main, lambda row: row.sees_images and not row.of["falls_when_blank"]):
        words = "the image does not help: the score stays when it is blank"
        flags.append(Flag("red", _title(kind, words), names, section))
    if names := _name(main, lambda row: row.of["groups"] < FEW_GROUPS):
        words = f"fewer than {FEW_GROUPS} independent test groups: intervals are rough"
        flags.append(Flag("note", _title(kind, words), names, section))
    return flags


def _flag_looks(main: list[ScoreRow]) -> list[Flag]:
    return [
        Flag(level, _title("", words), _name(rows, lambda _: True), "looks")
        for level, words, rows in list_look_worries(main)
    ]


def _flag_zero_shot(inputs: ReportInputs) -> list[Flag]:
    told = list_zero_shot_worries(inputs)
    return [Flag(level, title, detail, "zero-shot") for level, title, detail in told]


def _title(kind: str, words: str) -> str:
    title = f"{kind}: {words}" if kind else words
    return title[0].upper() + title[1:]


def _flag_coverage(inputs: ReportInputs, main: list[ScoreRow]) -> list[Flag]:
    scored = {(row.size, row.dataset) for row in main}
    missing = [
        f"{inputs.title(dataset)} ({size})"
        for dataset in inputs.params.datasets
        for size in inputs.params.sizes
        if (size, dataset) not in scored
    ]
    if not missing:
        return []
    return [Flag("red", "Asked for, but not scored", "; ".join(missing), "scores")]


def _flag_empty(inputs: ReportInputs) -> list[Flag]:
    words = [
        f"{inputs.title(name)} ({size}): {print_count(summary['empty_answers'])}"
        for size, scores in inputs.metrics.items()
        for name, summary in scores.items()
        if summary.get("empty_answers")
    ]
    if not words:
        return []
    return [Flag("note", "Empty answers, which count as wrong", "; ".join(words), "scores")]


def _flag_audit(inputs: ReportInputs) -> list[Flag]:
    if not inputs.audit:
        return [Flag("red", "No overlap audit was run", "Leaks are unknown.", "audit")]
    flags = []
    overlaps = inputs.audit["overlaps"]
    dropped = inputs.audit["settings"]["drop"]
    for kind, level, title in AUDIT_FLAGS:
        hits = [pair for pair in overlaps if pair["kind"] == kind and kind not in dropped]
        official = [pair for pair in hits if find_official(inputs, pair)]
        hits = [pair for pair in hits if pair not in official]
        if hits:
            flags.append(Flag(level, title, "; ".join(_tell_worst(inputs, hits)), "audit"))
        for pair in official:
            words = f"{title}, by the set's own design"
            detail = f"{inputs.title(pair['test'])}: {find_official(inputs, pair)}"
            flags.append(Flag("note", words, detail, "audit"))
    return flags


def _tell_worst(inputs: ReportInputs, hits: list[dict[str, Any]]) -> list[str]:
    """For each test set the training material that it shares most with; the rest is in a table."""
    worst: dict[str, dict[str, Any]] = {}
    others: Counter[str] = Counter()
    for pair in hits:
        test = pair["test"]
        others[test] += test in worst
        if test not in worst or pair["num_test"] > worst[test]["num_test"]:
            worst[test] = pair
    return [
        f"{inputs.title(test)} in {inputs.title(pair['train'])}: "
        f"{print_count(pair['num_test'])} of {print_count(pair['of_test'])}"
        + (f", no more than that in {n} other{'s' * (n > 1)}" if (n := others[test]) else "")
        for test, pair in worst.items()
    ]


def _flag_quarantine(inputs: ReportInputs) -> list[Flag]:
    lines = []
    for folder, manifest in inputs.manifests.items():
        by_rule = count_by_rule(manifest)
        num_bad = manifest["counts"]["quarantined"] - by_rule
        num_in = manifest["counts"]["in"] - by_rule
        if num_bad:
            share = print_share(num_bad, num_in)
            lines.append((num_bad / max(num_in, 1), f"{folder}: {print_count(num_bad)} ({share})"))
    if not lines:
        return []
    lines.sort(key=lambda line: -line[0])
    rest = f"; and {len(lines) - 6} more" if len(lines) > 6 else ""
    detail = "; ".join(text for _, text in lines[:6]) + rest
    return [Flag("note", "Records set aside as unusable", detail, "quarantine")]


def _flag_tokenizer(inputs: ReportInputs) -> list[Flag]:
    held_out = inputs.tokenizer.get("all")
    if not held_out:
        return []
    words = []
    if held_out["psnr_db"] < LOW_PSNR_DB:
        words.append(f"PSNR {held_out['psnr_db']:.1f} dB, under {LOW_PSNR_DB:g} dB")
    if held_out["share"] < LOW_CODE_SHARE:
        used, of = held_out["codes_used"], inputs.tokenizer["num_codes"]
        words.append(f"{print_count(used)} of {print_count(of)} codes used, under a half")
    if not words:
        return []
    detail = f"On images held out of the fit: {'; '.join(words)}."
    return [Flag("note", "Detail is lost in image codes", detail, "tokenizer")]


def _flag_streams(inputs: ReportInputs) -> list[Flag]:
    names = inputs.params.pretraining_sources
    if not inputs.params.pretrain.mixture.detection or any(
        inputs.cards[name].task == "detect" for name in names if name in inputs.cards
    ):
        return []
    detail = "The mixture asks for detection, but no source of boxes is among pretraining_sources."
    return [Flag("note", "Pretraining went without its detection stream", detail, "losses")]


def _flag_instructions(inputs: ReportInputs) -> list[Flag]:
    words = []
    for size in inputs.params.sizes:
        notes = inputs.manifests.get(f"data/models/instructed/{size}", {"notes": {}})["notes"]
        replies = notes.get("material", {"lengths": {"kinds": {}}})["lengths"]["kinds"].get("reply")
        if replies and replies["tokens_lost"]:
            share = print_share(replies["tokens_lost"], replies["tokens"])
            words.append(f"{share} of the reply tokens are cut off ({size})")
    if blind := inputs.instructions.get("images", {}).get("without_image"):
        share = print_share(blind, inputs.instructions["conversations"])
        words.append(f"{print_count(blind)} conversations ({share}) lack their image")
    if len(set(inputs.instructions.get("licences", {}).values())) > 1:
        words.append("places state different licences; the strictest is followed")
    detail = "; ".join(words)
    return [Flag("note", "Instruction data", detail, "instructions")] if words else []


def _flag_splits(inputs: ReportInputs) -> list[Flag]:
    derived = derived_splits(inputs)
    if not derived:
        return []
    detail = "; ".join(f"{inputs.title(name)}: {', '.join(s)}" for name, s in derived.items())
    title = "Splits drawn by this project, where there are no official ones"
    return [Flag("note", title, detail, "data")]


def derived_splits(inputs: ReportInputs) -> dict[str, list[str]]:
    """Data set to the splits that ``prepare`` had to draw itself."""
    return {
        folder.rsplit("/", 1)[-1]: list(manifest["notes"]["derived_splits"])
        for folder, manifest in inputs.manifests.items()
        if manifest["stage"] == "prepare" and manifest["notes"].get("derived_splits")
    }


def _flag_scale(inputs: ReportInputs) -> list[Flag]:
    def name(keep: Callable[[ScaleGain], bool]) -> str:
        return "; ".join(
            f"{inputs.title(g.dataset)} ({g.smaller} to {g.larger})"
            for g in inputs.scale_steps
            if keep(g)
        )

    flags = []
    if names := name(lambda gain: gain.worse):
        flags.append(Flag("red", "A larger size is significantly worse", names, "scaling"))
    if names := name(lambda gain: not gain.better and not gain.worse):
        title = "No significant gain from the larger size"
        flags.append(Flag("note", title, names, "scaling"))
    return flags


def _flag_altered(inputs: ReportInputs) -> list[Flag]:
    names = [
        f"{manifest['identity']['source']}: {', '.join(manifest['notes']['altered'])}"
        for manifest in inputs.manifests.values()
        if manifest["notes"].get("altered")
    ]
    if not names:
        return []
    title = "Raw files that are not those whose checksum the holder publishes"
    return [Flag("note", title, "; ".join(names), "data")]


def _flag_restricted(inputs: ReportInputs) -> list[Flag]:
    formed = {
        folder: RESTRICTED.intersection(manifest.get("access", ()))
        for folder, manifest in inputs.manifests.items()
        if manifest["stage"] in ("pretrain", "finetune", "instruct")
    }
    told = [f"{folder} ({', '.join(sorted(found))})" for folder, found in formed.items() if found]
    if not told:
        return []
    title = "Models formed by records that may not be passed on: ask before you hand them out"
    return [Flag("note", title, "; ".join(told), "versions")]
