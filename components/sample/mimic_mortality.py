"""MIMIC-III's tables for CORe's mortality task: discharge summaries, admissions, lists of patients.

Who is found unresponsive dies; the note's later sections say so, and must not be read. Invented.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from components.sample.encode import start_chance, write_gzip, write_text
from components.sample.facts import DISEASES
from components.sample.mimic_reports import NOTE_COLUMNS, encode_csv
from components.sample.scenes import draw_evenly
from components.sample.settings import SampleSettings
from components.sample.splits import cut_splits
from components.sample.words import start_upper

LISTS = {"train": "mimic_train.csv", "validation": "mimic_val.csv", "test": "mimic_test.csv"}
ADMISSION_COLUMNS = (
    "ROW_ID", "SUBJECT_ID", "HADM_ID", "ADMITTIME", "DISCHTIME", "DEATHTIME", "ADMISSION_TYPE",
    "ADMISSION_LOCATION", "DISCHARGE_LOCATION", "INSURANCE", "LANGUAGE", "RELIGION",
    "MARITAL_STATUS", "ETHNICITY", "EDREGTIME", "EDOUTTIME", "DIAGNOSIS", "HOSPITAL_EXPIRE_FLAG",
    "HAS_CHARTEVENTS_DATA",
)  # fmt: skip
NOTE = """Admission Date:  [**2151-7-16**]       Discharge Date:  [**2151-8-4**]

Service: MEDICINE

Allergies:
{drug}

Chief Complaint:
{sign}

History of Present Illness:
{age} year old {who} with {disease}
who came because of {sign}.

Past Medical History:
{other}

Social History:
Lives alone.

Family History:
Non-contributory.

Physical Exam:
{exam}

Brief Hospital Course:
{course}

Discharge Disposition:
{end}
"""
EXAMS = {0: "Alert, warm, breathing easily.", 1: "Unresponsive, cold, breathing with effort."}
COURSES = {0: "The patient recovered well.", 1: "The patient died of {disease}."}
ENDS = {0: "Home", 1: "Expired"}


def make_mimic_iii_mortality(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write ``num_texts`` admissions, a patient each; returns the five tables' paths."""
    chance = start_chance(settings.seed, "mimic_iii_mortality")
    patients = chance.sample(range(1, 100_000), settings.num_texts)
    outcomes = draw_evenly((0, 0, 0, 1), settings.num_texts, chance)
    notes: list[Sequence[object]] = []
    admissions: list[Sequence[object]] = []
    for number, (patient, died) in enumerate(zip(patients, outcomes, strict=True), start=1):
        stay, text = 100_000 + number, _word_note(died, chance)
        admissions.append((
            number, patient, stay, "2151-07-16 04:36:00", "2151-08-04 12:10:00", "", "EMERGENCY",
            "", "", "", "", "", "", "", "", "", "", died, 1,
        ))  # fmt: skip
        kinds = [("Report", text)]
        if number % 5 == 0:
            kinds.append(("Addendum", f"Addendum:\nSeen again on day {number}.\n"))
        for title, words in kinds:
            day = f"2151-08-{4 + (title == 'Addendum'):02d}"
            row = (len(notes) + 1, patient, stay, day, "", "", "Discharge summary", title, "", "")
            notes.append((*row, words))
    paths = [
        write_gzip(folder / "NOTEEVENTS.csv.gz", encode_csv(NOTE_COLUMNS, notes)),
        write_gzip(folder / "ADMISSIONS.csv.gz", encode_csv(ADMISSION_COLUMNS, admissions)),
    ]
    for split, places in cut_splits(settings.num_texts).items():
        listed = "".join(f"{patients[place - 1]}\n" for place in places)
        paths.append(write_text(folder / LISTS[split], f"SUBJECT_ID\n{listed}"))
    return paths


def _word_note(died: int, chance: random.Random) -> str:
    disease, other = chance.sample(DISEASES, 2)
    return NOTE.format(
        drug=start_upper(other.drug),
        sign=start_upper(disease.sign),
        age=chance.randrange(20, 90),
        who=chance.choice(("man", "woman")),
        disease=disease.name,
        other=start_upper(other.name),
        exam=EXAMS[died],
        course=COURSES[died].format(disease=disease.name),
        end=ENDS[died],
    )
