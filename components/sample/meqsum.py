"""MeQSum: one workbook, sheet QS, columns File, CHQ, Summary: long questions made short."""

from __future__ import annotations

import io
import random
import re
import zipfile
from datetime import datetime
from pathlib import Path

from openpyxl import Workbook

from components.sample.encode import start_chance, write_bytes
from components.sample.facts import DISEASES, Disease
from components.sample.settings import SampleSettings

NAME = "MeQSum_ACL2019_BenAbacha_Demner-Fushman.xlsx"
MADE = datetime(2019, 7, 28)  # noqa: DTZ001  the workbook's own date has no zone
FIRST_DATE = (1980, 1, 1, 0, 0, 0)
# kind: what is asked about, the short question, and how it is put at length
KINDS = {
    "treatment": (
        "name",
        "What are the treatments for {x}?",
        ("is there any treatment that helps with this", "please tell me how it can be treated"),
    ),
    "symptom": (
        "name",
        "What are the symptoms of {x}?",
        ("which symptoms should i look out for", "please list the symptoms that it brings"),
    ),
    "diagnosis": (
        "name",
        "How is {x} diagnosed?",
        ("how would a doctor diagnose it", "what is done to diagnose it, i would like to know"),
    ),
    "cause": (
        "name",
        "What causes {x}?",
        ("what causes this, nobody can say", "i want to know what the cause may be"),
    ),
    "maker": (
        "drug",
        "Who makes {x}?",
        ("which company makes it, my pharmacy has run out", "who makes this, i need to call them"),
    ),
    "harm": (
        "drug",
        "What are the side effects of {x}?",
        ("does it have side effects", "i worry about its side effects, which are there"),
    ),
}
GREETINGS = ("Hello,", "Dear Sir or Madam,", "Hi there.", "Good morning,", "")
WHO = ("My mother", "My son", "My husband", "My sister", "A friend of mine")
HISTORIES = {
    "name": ("{who} was told last month that it is {x}.", "{who} has had {x} for two years."),
    "drug": ("{who} has to take {x} every day.", "{who} was given {x} by our doctor."),
}
FILLERS = ("We live far from any hospital.", "The doctor had no time for us.", "")
CLOSINGS = ("Thank you so much!", "Thanks", "Please answer soon.", "")


def make_meqsum(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write ``num_texts`` questions with their summaries; returns the workbook's path."""
    chance = start_chance(settings.seed, "meqsum")
    book = Workbook()
    sheet = book.active
    sheet.title = "QS"
    sheet.append(["File", "CHQ", "Summary"])
    seen: set[str] = set()
    while len(seen) < settings.num_texts:
        kind, disease = chance.choice(list(KINDS)), chance.choice(DISEASES)
        message, summary = _ask(kind, disease, chance)
        if message not in seen:
            seen.add(message)
            sheet.append([f"{10000 + len(seen)}.txt", message, summary])
    return [write_bytes(folder / NAME, _encode_workbook(book))]


def _ask(kind: str, disease: Disease, chance: random.Random) -> tuple[str, str]:
    about, summary, wordings = KINDS[kind]
    topic = disease.name if about == "name" else disease.drug
    parts = [
        chance.choice(GREETINGS),
        chance.choice(HISTORIES[about]).format(who=chance.choice(WHO), x=topic),
        chance.choice(FILLERS),
        f"{chance.choice(wordings)}{chance.choice(('?', '', '??'))}",
        chance.choice(CLOSINGS),
    ]
    body = chance.choice((" ", "\n")).join(part for part in parts if part)
    subject = chance.choice((topic, f"question about {topic}", f"{topic}, help"))
    layouts = (f"SUBJECT: {subject}\nMESSAGE: {body}", f"{subject}\n{body}", body)
    return chance.choice(layouts), summary.format(x=topic)


def _encode_workbook(book: Workbook) -> bytes:
    """The workbook with its dates fixed: those of its properties and of the archive's entries."""
    book.properties.created = book.properties.modified = MADE
    buffer, fixed = io.BytesIO(), io.BytesIO()
    book.save(buffer)
    with zipfile.ZipFile(buffer) as written, zipfile.ZipFile(fixed, "w") as archive:
        for name in written.namelist():
            entry = zipfile.ZipInfo(name, FIRST_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, _fix_dates(name, written.read(name)))
    return fixed.getvalue()


def _fix_dates(name: str, content: bytes) -> bytes:
    if name != "docProps/core.xml":
        return content
    stamp = f"{MADE.isoformat()}Z".encode()
    return re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", stamp, content)
