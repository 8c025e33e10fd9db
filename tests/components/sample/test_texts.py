"""Questions, sentence pairs and summaries follow from one table of facts."""

from __future__ import annotations

import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from components.sample.facts import DISEASES, QUESTIONS, RELATIONS, Disease, value_of
from tests.components.sample.conftest import Make, read_json, read_lines

ASKED = {
    form.format(d=disease.name).lower(): value_of(disease, relation)
    for relation in RELATIONS
    for form in QUESTIONS[relation]
    for disease in DISEASES
}
LETTERS = ("opa", "opb", "opc", "opd")


@pytest.mark.parametrize("relation", ["name", "sign", "drug", "test"])
def test_a_sign_a_drug_and_a_test_belong_to_one_disease(relation: str) -> None:
    values = [getattr(disease, relation) for disease in DISEASES]
    assert len(set(values)) == len(values) >= 20
    assert all(value == value.strip().lower() and value for value in values)


def read_questions(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for part in ("train", "dev"):
        for row in read_lines(folder / f"{part}.json"):
            yield part, row


def test_medmcqa_marks_the_one_right_option(make: Make) -> None:
    correct: Counter[int] = Counter()
    for _, row in read_questions(make("medmcqa", num_texts=200)):
        options = [row[letter].lower() for letter in LETTERS]
        truth = ASKED[row["question"].lower()]
        assert len(set(options)) == 4
        assert options[row["cop"] - 1] == truth
        assert truth in row["exp"].lower()
        correct[row["cop"]] += 1
    assert set(correct) == {1, 2, 3, 4} and max(correct.values()) - min(correct.values()) <= 2


def test_medmcqa_puts_no_dev_question_in_training(make: Make) -> None:
    seen: dict[str, set[tuple[str, ...]]] = {"train": set(), "dev": set()}
    for part, row in read_questions(make("medmcqa", num_texts=200)):
        seen[part].add((row["question"], *sorted(row[letter] for letter in LETTERS)))
    assert all(seen.values()) and not seen["train"] & seen["dev"]


def test_medqa_asks_about_the_disease_whose_sign_is_told(make: Make) -> None:
    signs = {disease.sign: disease for disease in DISEASES}
    folder = make("medqa", num_texts=100) / "questions/US/4_options"
    questions: dict[str, set[str]] = {}
    for part in ("train", "dev", "test"):
        for row in read_lines(folder / f"phrases_no_exclude_{part}.jsonl"):
            (disease,) = [signs[sign] for sign in signs if sign in row["question"]]
            known = {disease.name, disease.drug, disease.test, disease.cause}
            assert row["answer"].lower() in known
            assert row["options"][row["answer_idx"]] == row["answer"]
            assert len(set(row["options"].values())) == 4
            questions.setdefault(part, set()).add(row["question"])
    assert len(questions["train"]) > 60


def test_trec_grades_follow_from_patient_and_trial(make: Make) -> None:
    folder = make("trec_ct", num_texts=90)
    topics = dict(re.findall(r'number="(\d+)">\n(.+?)\n<', (folder / "topics2022.xml").read_text()))
    with zipfile.ZipFile(folder / "ClinicalTrials.2021-04-27.part1.zip") as archive:
        trials = {Path(n).stem: archive.read(n).decode() for n in archive.namelist()}
    grades: Counter[str] = Counter()
    for line in (folder / "qrels2022.txt").read_text().splitlines():
        topic, zero, trial, grade = line.split()
        (disease,) = [d for d in DISEASES if f"<condition>{d.name}" in trials[trial].lower()]
        ill, treated = disease.name in topics[topic], disease.drug in topics[topic]
        expected = 0 if not ill else 1 if treated else 2
        assert (zero, int(grade)) == ("0", expected)
        grades[grade] += 1
    assert grades.total() == 90 and set(grades) == {"0", "1", "2"}


def infer(premise: str, hypothesis: str) -> str:
    """The label of a pair, from its words and the signs of the table alone."""
    signs = {disease.sign for disease in DISEASES}
    affirmed = not re.search(r"\b(no|denies|without)\b", premise)
    told = {sign for sign in signs if sign in premise}
    found = re.fullmatch(r"The patient has (no )?(.+)\.", hypothesis)
    if not found or found.group(2) not in told:
        return "neutral"
    return "entailment" if affirmed == (found.group(1) is None) else "contradiction"


def test_mednli_labels_follow_from_both_sentences(make: Make) -> None:
    folder = make("mednli", num_texts=300)
    premises: dict[str, set[str]] = {}
    for part in ("train", "dev", "test"):
        rows = read_lines(folder / f"mli_{part}_v1.jsonl")
        for row in rows:
            assert row["gold_label"] == infer(row["sentence1"], row["sentence2"])
        labels = Counter(row["gold_label"] for row in rows)
        assert len(labels) == 3 and len(set(labels.values())) == 1
        premises[part] = {row["sentence1"] for row in rows}
    assert sum(map(len, premises.values())) == len(set().union(*premises.values())) == 100


@pytest.mark.parametrize(("num_texts", "num_test"), [(40, 10), (200, 50)])
def test_pubmedqa_answers_follow_from_the_last_context(
    make: Make, num_texts: int, num_test: int
) -> None:
    folder = make("pubmedqa", num_texts=num_texts)
    records = read_json(folder / "data/ori_pqal.json")
    truth = read_json(folder / "data/test_ground_truth.json")
    assert (len(records), len(truth)) == (num_texts, num_test)
    assert truth == {pmid: records[pmid]["final_decision"] for pmid in truth}
    for record in records.values():
        result = record["CONTEXTS"][-1]
        value = re.search(r"P = (0\.\d+)", result)
        said = "maybe" if not value else "yes" if float(value.group(1)) < 0.05 else "no"
        assert record["final_decision"] == said
        assert len(record["LABELS"]) == len(record["CONTEXTS"])
        assert not any(record["LONG_ANSWER"] in context for context in record["CONTEXTS"])
    shares = Counter(record["final_decision"] for record in records.values())
    assert shares["yes"] > shares["no"] > shares["maybe"] > 0


def test_meqsum_summaries_ask_what_the_message_asks(make: Make) -> None:
    (path,) = make("meqsum", num_texts=120).iterdir()
    book = load_workbook(path, read_only=True)
    _, *rows = book["QS"].iter_rows(values_only=True)
    book.close()
    assert len({row[0] for row in rows}) == len({row[1] for row in rows}) == 120
    for _, message, summary in rows:
        (topic,) = [name for name in topics() if re.search(rf"\b{name}(\?| diag)", str(summary))]
        assert topic in str(message)
        (asked,) = [word for word, known in ASKED_FOR.items() if known in str(summary)]
        assert re.search(word_of(asked), str(message)), (message, summary)


ASKED_FOR = {
    "treat": "the treatments for", "symptom": "the symptoms of", "diagnos": "diagnosed",
    "cause": "What causes", "make": "Who makes", "side effect": "the side effects of",
}  # fmt: skip


def topics() -> list[str]:
    """Every disease and drug."""
    return [name for disease in DISEASES for name in names_of(disease)]


def names_of(disease: Disease) -> tuple[str, str]:
    return disease.name, disease.drug


def word_of(stem: str) -> str:
    return rf"\b{stem}"
