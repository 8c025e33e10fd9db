"""PubMedQA's labelled part: one object keyed by PMID, and the list of PMIDs held out for test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from components.cards import Card
from components.readers.json_rows import read_json_object
from components.readers.values import BadValue, as_label, as_text
from components.records import RawRow, Reject


def read_pubmedqa_rows(card: Card, root: Path) -> Iterator[RawRow | Reject]:
    """Yield a row per question: its abstract's contexts, and yes, no or maybe.

    PMIDs of the ground-truth file are the test split, the rest is train (validation is derived
    later). The long answer is the abstract's conclusion, which gives the answer away: not read.
    Rows whose two files disagree, and held-out PMIDs without a record, are Rejects.
    """
    path, truth_path = card.find(root, "records")[0], card.find(root, "test")[0]
    records, truth = read_json_object(path), read_json_object(truth_path)
    name = path.relative_to(root).as_posix()
    for pmid, record in records.items():
        yield _read_record(card, f"{name}#{pmid}", pmid, record, truth.get(pmid))
    for pmid in truth:
        if pmid not in records:
            origin = f"{truth_path.relative_to(root).as_posix()}#{pmid}"
            yield Reject(origin, "missing-record", f"{name} has no record of this PMID")


def _read_record(card: Card, origin: str, pmid: str, record: Any, truth: Any) -> RawRow | Reject:
    if not isinstance(record, dict):
        return Reject(origin, "not-an-object", f"found {type(record).__name__}")
    try:
        contexts = record.get("CONTEXTS")
        if not isinstance(contexts, list):
            raise BadValue("wrong-type", "CONTEXTS is not a list")
        fields: dict[str, str | list[str]] = {
            "question": as_text(record.get("QUESTION"), "question"),
            "context": as_text(" ".join(as_text(c, "context") for c in contexts), "context"),
            "options": [],
            "answer": as_label(record.get("final_decision"), "answer", card.answers),
        }
    except BadValue as bad:
        return Reject(origin, bad.reason, bad.detail)
    if truth is not None and truth != record["final_decision"]:
        detail = f"{record['final_decision']} in the records, {truth} in the ground truth"
        return Reject(origin, "answers-disagree", detail)
    split = "train" if truth is None else "test"
    return RawRow(pmid, split, fields, origin, group=pmid, documents=[f"PMID {pmid}"])
