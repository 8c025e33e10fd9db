"""Does an answer address its question, right or wrong? Rules by what a question asks for.

BiomedGPT reports the share of zero-shot answers that are related to their question ("alignment
accuracy"), without a script, presumably judged by hand; the rules are this project's. They are
read from the top: the first whose pattern a question has says what its answer must name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from components.config import EvaluateParams
from components.evaluation.intervals import PERCENT, bootstrap_mean
from components.evaluation.scoring import group_of
from components.records import Prediction

NUMBERS = "zero|no|none|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
PLACES = (
    "left|right|upper|lower|middle|mid|central|center|anterior|posterior|superior|inferior|medial|"
    "lateral|bilateral|bilaterally|both|side|lobes?|base|bases|apex|fields?|hemisphere|midline|"
    "lungs?|heart|chest|thorax|mediastinum|brain|head|neck|skull|spine|vertebrae?|ribs?|abdomen|"
    "liver|spleen|kidneys?|pancreas|stomach|bowel|colon|intestines?|pelvis|bladder|uterus|ovary|"
    "breasts?|skin|eyes?|bones?|arms?|legs?|knees?|hips?|artery|aorta|vein|cortex|cerebellum|"
    "ventricles?|frontal|parietal|temporal|occipital|basal|ganglia|sinus|sinuses|diaphragm|hilum"
)
CHOICE = "choice"


@dataclass(frozen=True, slots=True)
class Rule:
    """Questions with a pattern, and what an answer to them must name."""

    kind: str
    asks: str
    wants: str

    def is_met(self, question: str, answer: str) -> bool:
        """Whether the answer names what is wanted; of alternatives, one that the question names."""
        wants = self.wants if self.kind != CHOICE else "|".join([*alternatives(question), "both"])
        return bool(re.search(rf"\b(?:{wants})\b", answer.lower()))


RULES = (
    Rule(CHOICE, r"^(is|are|was|were|does|do)\b.* or (?!not\b)\w+", "one of those in the question"),
    Rule("yes or no",
         r"^(is|are|was|were|am|does|do|did|has|have|had|can|could|will|would|should|may|any)\b",
         "yes|no|not"),
    Rule("how many", r"\bhow many\b|\bnumber of\b", rf"\d+|{NUMBERS}|single|multiple|several|many"),
    Rule("plane", r"\b(plane|view|projection|section)\b",
         "axial|coronal|sagittal|transverse|cross|oblique|ap|pa|lateral|frontal|posteroanterior"),
    Rule("modality",
         r"\b(modality|(type|kind) of (image|imaging|scan|film|study|radiograph|picture)"
         r"|imaging (technique|method)|(was|is) (this|the) (image|film|scan|picture) taken)\b",
         r"x-?\s?rays?|radiographs?|cxr|ct|computed|tomography|mri?|magnetic|ultrasound|sonogram|"
         r"pet|spect|angiogra\w+|mammogra\w+|fluoroscopy|histolog\w+|patholog\w+|microscop\w+|"
         r"gross|photograph|endoscop\w+|dermoscop\w+|fundus|oct|flair|t1|t2|dwi"),
    Rule("which side", r"\b(which|what) side\b|\blaterality\b",
         "left|right|both|bilateral|bilaterally|neither|midline|unilateral"),
    Rule("where", r"\bwhere\b|\blocation\b|\blocated\b|\b(which|what) (part|lobe|region|area)\b",
         PLACES),
    Rule("which organ", r"\b(which|what) organs?\b", PLACES),
    Rule("size", r"\bsize\b|\bhow (big|large|long|wide|small)\b",
         r"small\w*|large\w*|big\w*|tiny|normal|medium|enlarged|moderate|\d+(\.\d+)?\s?(mm|cm)"),
    Rule("shape", r"\bshape\b",
         r"round\w*|oval|ring\w*|linear|line|irregular|lobulated|spiculated|circular|spherical|"
         r"ellip\w+|crescent|lens|wedge\w*|triang\w+|cavit\w+|nodular|square|tubular"),
    Rule("shade", r"\b(shade|intensity|density|brightness|attenuation)\b",
         r"bright\w*|dark\w*|light\w*|dense|lucent|high|low|hyper\w*|hypo\w*|iso\w*|gr[ae]y|white|"
         r"black"),
)  # fmt: skip


def find_rule(question: str) -> Rule | None:
    """The rule for a question; None where no rule says what it asks for."""
    text = " ".join(question.lower().split())
    return next((rule for rule in RULES if re.search(rule.asks, text)), None)


def score_alignment(
    predictions: Sequence[Prediction], params: EvaluateParams, seed: int
) -> dict[str, Any]:
    """The percentage of answers that address their question, ready for JSON.

    ``value``, ``low`` and ``high`` over the ``n`` items that a rule judges, clustered as scores
    are (null where there is none), and ``kinds``: [items, percentage] by kind of question.
    """
    ruled = [(p, rule) for p in predictions if (rule := find_rule(p.source))]
    values = [100.0 * rule.is_met(p.source, p.prediction) for p, rule in ruled]
    kinds = {
        kind: [v for v, (_, rule) in zip(values, ruled, strict=True) if rule.kind == kind]
        for kind in dict.fromkeys(rule.kind for _, rule in ruled)
    }
    found: dict[str, Any] = {
        "n": len(values),
        "kinds": {kind: [len(own), round(fmean(own), 4)] for kind, own in sorted(kinds.items())},
    }
    if not values:
        return found | {"value": None, "low": None, "high": None}
    interval = bootstrap_mean(
        values,
        [group_of(p) for p, _ in ruled],
        resamples=params.bootstrap,
        confidence=params.confidence,
        seed=seed,
        scale=PERCENT,
    )
    bounds = {"value": interval.value, "low": interval.low, "high": interval.high}
    return found | {name: None if v is None else round(v, 4) for name, v in bounds.items()}


def alternatives(question: str) -> list[str]:
    """The words on both sides of each ``or`` of a question, and of the commas before it."""
    text = re.sub(r",\s*", " or ", question.lower().replace(", or ", " or "))
    pairs = re.findall(r"([\w-]+)(?= or )|(?<= or )(?:the |an? |just )?([\w-]+)", text)
    return [re.escape(word) for pair in pairs for word in pair if word]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far the rules agree with a reader: items, share of equal verdicts (0..1), kappa."""

    num: int
    num_without_rule: int
    share: float
    kappa: float
    differ: list[tuple[str, str, bool]]  # question, answer, and whether the reader found it aligned


def measure_agreement(labelled: Iterable[tuple[str, str, bool]]) -> Agreement:
    """Cohen's kappa (1960) of the rules and a reader over (question, answer, aligned).

    Pairs without a rule are counted and left out. ValueError where none is left.
    """
    judged: list[tuple[str, str, bool, bool]] = []
    num_without_rule = 0
    for question, answer, aligned in labelled:
        rule = find_rule(question)
        if rule:
            judged.append((question, answer, aligned, rule.is_met(question, answer)))
        num_without_rule += rule is None
    if not judged:
        raise ValueError("no labelled pair has a rule")
    share = sum(ours == theirs for *_, theirs, ours in judged) / len(judged)
    kappa = _kappa([theirs for *_, theirs, _ in judged], [ours for *_, ours in judged], share)
    differ = [(q, a, theirs) for q, a, theirs, ours in judged if ours != theirs]
    return Agreement(len(judged), num_without_rule, share, kappa, differ)


def _kappa(first: Sequence[bool], second: Sequence[bool], share: float) -> float:
    """1 where all verdicts are equal, 0 where they are as often equal as by chance."""
    ours, theirs = Counter(first), Counter(second)
    chance = sum(ours[verdict] * theirs[verdict] for verdict in (True, False)) / len(first) ** 2
    return 1.0 if chance == 1 else (share - chance) / (1 - chance)
