"""A SEER*Stat case listing of breast cancers, exported with labels, and its dictionary.

Which treatment follows which stage is made up, and the same for every patient of a stage.
"""

from __future__ import annotations

import csv
import io
import random
from pathlib import Path

from components.sample.encode import start_chance, write_text
from components.sample.scenes import draw_evenly
from components.sample.settings import SampleSettings

LABEL = "RX Summ--Surg/Rad Seq"
COLUMNS = (
    "Patient ID", "Age recode with <1 year olds", "Sex", "Year of diagnosis",
    "Primary Site - labeled", "Laterality", "Grade (thru 2017)", "Summary stage 2000 (1998-2017)",
    "CS tumor size (2004-2015)", "ER Status Recode Breast Cancer (1990+)",
    "PR Status Recode Breast Cancer (1990+)",
    "Total number of in situ/malignant tumors for patient", LABEL,
    "Chemotherapy recode (yes, no/unk)", "Survival months",
)  # fmt: skip
# stage and ER status of a case decide; every label of the card comes up
TREATMENTS = {
    ("In situ", "Positive"): "No radiation and/or cancer-directed surgery",
    ("In situ", "Negative"): "Intraoperative radiation",
    ("Localized", "Positive"): "Radiation after surgery",
    ("Localized", "Negative"): "Radiation prior to surgery",
    ("Regional", "Positive"): "Radiation before and after surgery",
    ("Regional", "Negative"): "Surgery both before and after radiation",
    ("Distant", "Positive"): "Intraoperative rad with other rad before/after surgery",
    ("Distant", "Negative"): "No radiation and/or cancer-directed surgery",
}
SITES = ("C50.1-Central portion of breast", "C50.4-Upper-outer quadrant of breast")
GRADES = ("Well differentiated; Grade I", "Poorly differentiated; Grade III", "Unknown")
DICTIONARY = """[Export Options]
GZipped=false
Variable format=quotedlabels
File format=DOS/Windows
Field delimiter=comma
Missing character=space
Fields with delimiter in quotes=true
Remove thousands separators=true
Flags included=false
Variable names included=true
Column Variables as Stats=false

[Variables]
"""


def make_seer_treatment(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write ``num_texts`` cases, a patient each, and the dictionary; returns both paths."""
    chance = start_chance(settings.seed, "seer_treatment")
    patients = chance.sample(range(10_000_000, 99_000_000), settings.num_texts)
    kinds = draw_evenly(tuple(TREATMENTS), settings.num_texts, chance)
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for patient, (stage, receptor) in zip(patients, kinds, strict=True):
        writer.writerow(_make_case(patient, stage, receptor, chance))
    names = "".join(f"Var{number}Name={name}\n" for number, name in enumerate(COLUMNS, start=1))
    return [
        write_text(folder / "seer_treatment.csv", buffer.getvalue()),
        write_text(folder / "seer_treatment.dic", (DICTIONARY + names).replace("\n", "\r\n")),
    ]


def _make_case(patient: int, stage: str, receptor: str, chance: random.Random) -> list[object]:
    decade = chance.randrange(30, 85, 5)
    return [
        patient, f"{decade}-{decade + 4} years", "Female", chance.randrange(2004, 2016),
        chance.choice(SITES), f"{chance.choice(('Left', 'Right'))} - origin of primary",
        chance.choice(GRADES), stage, f"{chance.randrange(2, 90):03d}", receptor,
        chance.choice(("Positive", "Negative")), chance.choice((1, 1, 2)),
        TREATMENTS[stage, receptor], chance.choice(("Yes", "No/Unknown")), chance.randrange(200),
    ]  # fmt: skip
