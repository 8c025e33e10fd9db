"""Radiology reports as MIMIC lays them out: MIMIC-CXR's text files, and MIMIC-III's table of notes.

What they say follows from imagined films, as in the Open-i reports; no word of MIMIC is in them.
"""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

from components.sample.encode import start_chance, write_gzip, write_text
from components.sample.iu_xray import word_findings, word_impression
from components.sample.scenes import Scene, imagine_scenes
from components.sample.settings import SampleSettings
from components.sample.splits import cut_splits

SPLIT_FILE = "mimic-cxr-2.0.0-split.csv.gz"
OFFICIAL = {"train": "train", "validation": "validate", "test": "test"}
NOTE_COLUMNS = (
    "ROW_ID", "SUBJECT_ID", "HADM_ID", "CHARTDATE", "CHARTTIME", "STORETIME", "CATEGORY",
    "DESCRIPTION", "CGID", "ISERROR", "TEXT",
)  # fmt: skip
CXR_REPORT = """                                 FINAL REPORT
 EXAMINATION:  CHEST (PA AND LAT)

 INDICATION:  ___ with {reason}.

 COMPARISON:  ___

 FINDINGS:

 {findings}

 IMPRESSION:

 {impression}
"""
NOTE_REPORT = """[**2151-{month}-{day}**] 8:31 AM
 CHEST (PORTABLE AP)                                             Clip # [**Clip Number**]
 Reason: {reason}
 ______________________________________________________________________________
 REASON FOR THIS EXAMINATION:
  {reason}
 ______________________________________________________________________________
                                 FINAL REPORT
 HISTORY:  {reason}.

 FINDINGS:  {findings}

 IMPRESSION:  {impression}
"""
REASONS = ("cough", "chest pain", "fever", "a fall")


def make_mimic_cxr_summary(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write ``num_texts`` reports, two to every other patient, and the split file; the paths."""
    chance = start_chance(settings.seed, "mimic_cxr_summary")
    scenes = imagine_scenes(["x-ray"], settings.num_texts, chance, normal=0.15)
    numbers = chance.sample(range(50_000_000, 60_000_000), settings.num_texts)
    patients = chance.sample(range(10_000_000, 20_000_000), settings.num_texts)
    paths: list[Path] = []
    lines: list[tuple[str, int, int, str]] = []
    for split, places in cut_splits(settings.num_texts).items():
        for place in places:
            scene, study = scenes[place - 1], numbers[place - 1]
            patient = patients[place - 1 - (place % 4 == 0 and place - 1 in places)]
            name = f"files/p{str(patient)[:2]}/p{patient}/s{study}.txt"
            report = word_report(CXR_REPORT, scene, chance)
            spaced = report.replace("\n\n", "\n \n")  # an official blank line holds a space
            paths.append(write_text(folder / name, spaced))
            images = [name_image(chance) for _ in range(chance.choice((1, 2)))]
            lines += [(image, study, patient, OFFICIAL[split]) for image in images]
    table = encode_csv(("dicom_id", "study_id", "subject_id", "split"), lines)
    return [*paths, write_gzip(folder / SPLIT_FILE, table)]


def make_mimic_iii_summary(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write a table of notes, ``num_texts`` of them radiology reports; returns its path."""
    return write_notes("mimic_iii_summary", folder, settings)


def write_notes(source: str, folder: Path, settings: SampleSettings) -> list[Path]:
    """The table of notes of one of the sources that have it; returns its path."""
    chance = start_chance(settings.seed, source)
    scenes = imagine_scenes(["x-ray"], settings.num_texts, chance, normal=0.15)
    notes: list[Sequence[object]] = []
    for scene in scenes:
        report = word_report(NOTE_REPORT, scene, chance)
        kinds = [("Radiology", "CHEST (PORTABLE AP)", report)]
        if chance.random() < 0.3:
            kinds.append(("Nursing/other", "Report", "Slept well.\nNo complaints.\n"))
        patient = chance.randrange(1, max(settings.num_texts // 2, 2))
        for category, title, text in kinds:
            stay, day = 100_000 + patient, f"2151-{chance.randrange(1, 13):02d}-01"
            row = (len(notes) + 1, patient, stay, day, "", "", category, title, "", "", text)
            notes.append(row)
    return [write_gzip(folder / "NOTEEVENTS.csv.gz", encode_csv(NOTE_COLUMNS, notes))]


def encode_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """A table as PhysioNet writes it: quotes around text, none around numbers."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return buffer.getvalue().encode()


def word_report(form: str, scene: Scene, chance: random.Random) -> str:
    """A report on an imagined film, in one of the forms above."""
    return form.format(
        reason=chance.choice(REASONS),
        month=chance.randrange(1, 13),
        day=chance.randrange(1, 29),
        findings=word_findings(scene),
        impression=word_impression(scene),
    )


def name_image(chance: random.Random) -> str:
    """A name as the split file gives to images: five times eight hexadecimal figures."""
    digits = f"{chance.getrandbits(160):040x}"
    return "-".join(digits[place : place + 8] for place in range(0, 40, 8))
