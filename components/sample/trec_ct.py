"""TREC Clinical Trials 2022: topics2022.xml, qrels2022.txt, and an archive of trials.

A trial is for one disease and excludes who takes its drug already: with the disease and without the
drug a patient is eligible, with both excluded, with another disease the trial is not relevant.
"""

from __future__ import annotations

import io
import random
import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

from components.sample.encode import start_chance, write_bytes, write_text
from components.sample.facts import DISEASES, Disease
from components.sample.settings import SampleSettings
from components.sample.words import start_upper

ARCHIVE = "ClinicalTrials.2021-04-27.part1"
FIRST_DATE = (1980, 1, 1, 0, 0, 0)
MAX_TOPICS = 50
NOT_RELEVANT, EXCLUDED, ELIGIBLE = 0, 1, 2
TRIAL = """<clinical_study>
  <required_header>
    <url>https://clinicaltrials.gov/show/{number}</url>
  </required_header>
  <id_info>
    <nct_id>{number}</nct_id>
  </id_info>
  <brief_title>{title}</brief_title>
  <brief_summary>
    <textblock>
      This sample study compares {drug} with placebo.
    </textblock>
  </brief_summary>
  <condition>{condition}</condition>
  <eligibility>
    <criteria>
      <textblock>
        Inclusion Criteria:

          -  {sign}

        Exclusion Criteria:

          -  Treatment with {drug}
      </textblock>
    </criteria>
    <gender>All</gender>
    <minimum_age>18 Years</minimum_age>
    <maximum_age>N/A</maximum_age>
  </eligibility>
</clinical_study>
"""


def make_trec_ct(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write ``num_texts`` judgements, half of them not relevant; returns the three paths."""
    chance = start_chance(settings.seed, "trec_ct")
    num_topics = min(MAX_TOPICS, -(-settings.num_texts // 4))
    per_topic = -(-settings.num_texts // num_topics)
    numbers = chance.sample(range(10**7), len(DISEASES) * -(-per_topic // 2))
    trials = {f"NCT{n:08d}": DISEASES[i % len(DISEASES)] for i, n in enumerate(numbers)}
    topics: list[str] = []
    judged: list[str] = []
    for number in range(1, num_topics + 1):
        disease, other = chance.sample(DISEASES, 2)
        taken = disease if number % 2 else other
        topics.append(_word_topic(disease, taken, chance))
        own = EXCLUDED if taken is disease else ELIGIBLE
        for trial in _choose_trials(disease, trials, per_topic, chance):
            grade = own if trials[trial] is disease else NOT_RELEVANT
            judged.append(f"{number} 0 {trial} {grade}\n")
    body = "".join(
        f'<topic number="{number}">\n{escape(text)}\n</topic>\n'
        for number, text in enumerate(topics, start=1)
    )
    document = f'<topics task="2022 TREC Clinical Trials">\n{body}</topics>\n'
    return [
        write_text(folder / "topics2022.xml", document),
        write_text(folder / "qrels2022.txt", "".join(judged[: settings.num_texts])),
        write_bytes(folder / f"{ARCHIVE}.zip", _pack(trials, chance)),
    ]


def _word_topic(disease: Disease, taken: Disease, chance: random.Random) -> str:
    who = f"A {chance.randrange(20, 90)}-year-old {chance.choice(('man', 'woman'))}"
    story = chance.choice((
        "{who} with {disease} presents with {sign}. The patient takes {drug} daily.",
        "{who} takes {drug} and now has {sign}. The diagnosis is {disease}.",
    ))  # fmt: skip
    return story.format(who=who, disease=disease.name, sign=disease.sign, drug=taken.drug)


def _choose_trials(
    disease: Disease, trials: dict[str, Disease], num: int, chance: random.Random
) -> list[str]:
    """Half of them for the disease, half for others, in the order of their numbers."""
    own = [trial for trial in trials if trials[trial] is disease]
    others = [trial for trial in trials if trials[trial] is not disease]
    num_own = min(num // 2, len(own))
    return sorted(chance.sample(own, num_own) + chance.sample(others, num - num_own))


def _pack(trials: dict[str, Disease], chance: random.Random) -> bytes:
    """The archive, with folders by number as TREC's; no time of writing in it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number, disease in sorted(trials.items()):
            name = f"{ARCHIVE}/{number[:7]}xxxx/{number}.xml"
            entry = zipfile.ZipInfo(name, FIRST_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, _word_trial(number, disease, chance))
    return buffer.getvalue()


def _word_trial(number: str, disease: Disease, chance: random.Random) -> str:
    place = chance.choice(("Hospital", "Clinic", "Community"))
    return TRIAL.format(
        number=number,
        title=f"A New Treatment of {disease.name.title()} in {place} Patients",
        condition=start_upper(disease.name),
        sign=start_upper(disease.sign),
        drug=disease.drug,
    )
