"""From an article to scores, from a model to sources, and what a retraction touches."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from components.cli import run_command
from components.errors import UserError
from components.lineage import MANIFEST, hash_file, write_manifest
from components.records import Example, read_records, write_records
from components.tracing.corpus import Document, list_withdrawn, parse_document
from components.tracing.ledger import LEDGERS
from components.tracing.lock import find_stage, read_lock
from components.tracing.products import read_products
from components.tracing.retractions import recall_records
from components.tracing.trace import list_scores, trace_product, trace_record
from components.tracing.words import tell_record
from flows.cli import build_parser
from tests.components.artifacts.project import (
    EXAMPLES,
    MODEL,
    PREDICTIONS,
    PRETRAINED,
    article,
    reject,
    write_corpus,
)

FORMED = [PRETRAINED.as_posix(), MODEL.as_posix()]


def formed_by_present_corpus(model: Path) -> None:
    """Let a model's manifest name the corpus that is here."""
    manifest = json.loads((model / MANIFEST).read_text())
    manifest["inputs"]["data/articles"] = hash_file(Path("data/articles") / MANIFEST)
    (model / MANIFEST).write_text(json.dumps(manifest))


def trace(text: str):  # type: ignore[no-untyped-def]
    document = parse_document(text)
    assert document is not None
    return trace_record(read_products(), document)


@pytest.mark.parametrize(
    ("text", "document"),
    [
        ("PMID:12", Document("12", "")), ("pmid 12", Document("12", "")),
        ("12", Document("12", "")), ("PMC7", Document("", "PMC7")),
        ("PMCID:pmc7", Document("", "PMC7")), ("PMID:", None), ("012", None),
        ("data/models", None), ("PMC7x", None),
    ],
)  # fmt: skip
def test_a_document_is_named_by_its_number(text: str, document: Document | None) -> None:
    assert parse_document(text) == document


def test_an_article_is_followed_to_shard_models_and_scores(project: Path) -> None:
    found = trace("PMID:11")
    (row,) = found.taken.to_dicts()
    assert row["shard"].endswith("articles/articles/pubmed/baseline/pubmed26n0001.xml.gz.parquet")
    assert row["origin"] == "baseline/pubmed26n0001.xml.gz#11.1" and row["licence"] == "CC BY"
    formed = {product.path for product in found.formed}
    assert {*FORMED, "data/vocabulary", PREDICTIONS.as_posix()} <= formed
    assert EXAMPLES.as_posix() not in formed
    (score,) = found.scores
    written = json.loads(Path("data/metrics/debug/vqa_rad.json").read_text())
    assert score.value == written["scores"][score.metric]["all"]["value"]
    assert (score.path, score.is_current) == ("data/metrics/debug/vqa_rad.json", True)


def test_a_score_that_is_not_defined_is_told(project: Path) -> None:
    path = Path("data/metrics/debug/vqa_rad.json")
    written = json.loads(path.read_text())
    written["scores"][written["headline"]]["all"]["value"] = None
    path.write_text(json.dumps(written))
    assert any("not defined" in line for line in tell_record(trace("PMID:11")))


def test_an_article_that_examples_are_about_is_found_in_each_split(project: Path) -> None:
    found = trace("PMID:12")
    assert found.examples == {EXAMPLES.as_posix(): {"test": 1, "train": 1, "validation": 1}}


def test_an_article_of_the_test_split_alone_formed_nothing_and_is_followed_to_the_scores(
    project: Path,
) -> None:
    write_corpus([article("11")], [])
    path = EXAMPLES / "examples.parquet"
    examples = [
        example if example.split == "test" else replace(example, documents=[])
        for example in read_records(path, Example)
    ]
    write_records(path, Example, examples)
    found = trace("PMID:12")
    assert found.is_known and (found.formed, found.scores) == ([], [])
    (score,) = found.tested
    assert (score.path, score.is_current) == ("data/metrics/debug/vqa_rad.json", True)
    (line,) = [line for line in tell_record(found) if "metrics" in line]
    assert line.startswith("  tested by        data/metrics/debug/vqa_rad.json: vqa_rad ")
    assert trace("PMID:11").tested == []


def test_what_pretraining_reads_is_a_product_between_data_sets_and_models(project: Path) -> None:
    gathered = Path("data/pretraining")
    write_manifest(
        gathered, stage="gather_pretraining", identity={}, settings={}, inputs=[EXAMPLES],
        counts={"in": 1, "out": 1},
    )  # fmt: skip
    found = trace_product(read_products(), gathered.as_posix())
    assert [product.path for product in found.data_sets] == [EXAMPLES.as_posix()]
    assert gathered.as_posix() in trace("PMID:12").read_by


def test_what_was_read_is_told_from_what_shares_a_vocabulary(project: Path) -> None:
    write_corpus([article("11")], [])
    found = trace("PMID:12")  # in no corpus now, but what training examples are about
    assert {product.path for product in found.formed} > {*FORMED, "data/vocabulary"}
    assert found.read_by == {MODEL.as_posix(), "data/vocabulary", PREDICTIONS.as_posix()}
    assert found.aside == {PRETRAINED.as_posix()}


def test_an_article_that_was_left_out_says_why_and_formed_nothing(project: Path) -> None:
    found = trace("PMID:14")
    assert found.left_out["reason"].to_list() == ["retracted"] and not len(found.taken)
    assert found.formed == [] and found.scores == [] and found.is_known
    assert not trace("PMID:1").is_known  # no number is found by its beginning


def test_both_numbers_of_an_article_find_it(project: Path) -> None:
    write_corpus([article("21", pmcid="PMC5", kind="fulltext")], [reject("14")])
    assert trace("PMC5").document == trace("PMID:21").document == Document("21", "PMC5")


def test_a_model_is_followed_to_its_sources(project: Path) -> None:
    found = trace_product(read_products(), MODEL.as_posix())
    raw = [product.path for product in found.before if product.stage == "acquire"]
    assert raw == ["data/raw/pmc_oa", "data/raw/pubmed", "data/raw/vqa_rad"]
    assert [product.path for product in found.data_sets] == ["data/articles", EXAMPLES.as_posix()]
    assert found.retractions == {"retracted": 0, "concern": 1, "left_out": 1}
    assert found.changed == [] and len(found.scores) == 1
    assert found.aside == set()  # both formed the weights too
    first = trace_product(read_products(), PRETRAINED.as_posix())
    assert first.aside == {EXAMPLES.as_posix(), "data/raw/vqa_rad"}
    write_corpus([article("11")], [])
    changed = trace_product(read_products(), MODEL.as_posix()).changed
    assert f"data/articles (of {PRETRAINED.as_posix()})" in changed


def test_what_was_retracted_since_is_recalled_with_all_that_it_touched(project: Path) -> None:
    assert not len(recall_records(read_products()).rows.filter(pl.col("pmid") == "11"))
    write_corpus(
        [article("13", concern=True), article("15", retracted=True)],
        [reject("11"), reject("12", "deleted"), reject("14"), reject("16", "language")],
    )
    write_manifest(  # what stands before the examples, by its name, is touched by them, too
        Path("data/audit"), stage="audit", identity={}, settings={}, inputs=[EXAMPLES],
        counts={"in": 0, "out": 0},
    )  # fmt: skip
    found = recall_records(read_products())
    corpus = found.rows.filter(pl.col("read_by").str.starts_with("data/articles"))
    # 13 was of concern already, 14 was never read, 15 and 16 are new
    assert dict(corpus.select("pmid", "state").iter_rows()) == {"11": "retracted", "12": "deleted"}
    (read_by,) = set(corpus["read_by"])
    assert set(FORMED) <= set(found.touched[read_by]) and found.unknown == []
    # 12 is what questions are about, whatever the corpus was
    sets = found.rows.filter(pl.col("read_by") == EXAMPLES.as_posix())
    assert sets["pmid"].to_list() == ["12"]
    touched = found.touched[EXAMPLES.as_posix()]
    assert MODEL.as_posix() in touched and "data/audit" in touched
    assert EXAMPLES.as_posix() not in touched


def test_a_number_that_was_held_twice_is_recalled_if_either_was_sound(project: Path) -> None:
    numbers = [str(number) for number in range(100, 140)]
    once = [article(number, retracted=int(number) % 2 == 0) for number in numbers]
    again = [article(number, retracted=int(number) % 2 == 1) for number in numbers]
    write_corpus([*once, *again], [])
    formed_by_present_corpus(PRETRAINED)
    write_corpus([article("12")], [reject(number) for number in numbers])
    recalled = recall_records(read_products()).rows
    assert set(numbers) <= set(recalled["pmid"])


def test_a_corpus_whose_numbers_are_lost_is_told(project: Path) -> None:
    shutil.rmtree(LEDGERS)
    write_corpus([article("12")], [reject("11")])
    found = recall_records(read_products())
    assert PRETRAINED.as_posix() in found.unknown
    assert not len(found.rows)


def test_a_record_that_stands_in_another_form_is_not_withdrawn(project: Path) -> None:
    write_corpus([article("11")], [reject("11", "deleted"), reject("12", "superseded")])
    assert list_withdrawn().is_empty()


def test_the_commands_tell_it(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def ask(*words: str) -> tuple[int, str]:
        status = run_command(build_parser(), list(words))
        return status, capsys.readouterr().out

    status, told = ask("trace", "PMID:11")
    assert status == 0 and f"{MODEL.as_posix()} (finetune, manifest" in told
    assert "data/metrics/debug/vqa_rad.json: vqa_rad" in told
    assert f"read by          {PRETRAINED.as_posix()} (" in told
    assert f"built on it      {MODEL.as_posix()} (" in told
    assert ask("trace", "PMID:999")[0] == 1
    assert ask("trace", "PMID:abc")[0] == 2
    status, told = ask("trace", MODEL.as_posix())
    assert status == 0 and "made up by the sample world" in told and "setting" in told
    assert ask("artifacts", "publish", MODEL.as_posix(), "../shared/vqa")[0] == 0
    status, told = ask("artifacts", "list", "../shared")
    assert "vqa@v1" in told and "finetune debug vqa_rad" in told
    assert ask("get", "../shared/vqa@v1", "--to", "got")[0] == 0
    status, told = ask("trace", "got")
    assert status == 0 and "formed by        data/articles" in told and "1 left out" in told
    write_corpus([article("13", concern=True)], [reject("11")])
    status, told = ask("recall", "--to", "recalled.json")
    assert "held 1 records that are withdrawn now: 1 retracted" in told
    assert f"touched    {MODEL.as_posix()}" in told
    assert json.loads(Path("recalled.json").read_text())["records"][0]["pmid"] == "11"


def test_an_absent_corpus_or_product_says_what_to_do(project: Path) -> None:
    shutil.rmtree("data/articles")
    with pytest.raises(UserError, match="holds no corpus"):
        trace("PMID:11")
    with pytest.raises(UserError, match="data/nothing is not a finished product"):
        trace_product(read_products(), "data/nothing")
    with pytest.raises(UserError) as caught:
        trace_product(read_products(), "data/models/finetuned/debug")
    assert caught.value.next_command == f"name {MODEL.as_posix()}"
    (MODEL / "manifest.json").write_text("{")
    with pytest.raises(UserError, match="is damaged"):
        read_products()


def test_a_damaged_shard_or_ledger_is_told_with_its_path(project: Path) -> None:
    write_corpus([article("12")], [reject("11")])
    ledgers = sorted(LEDGERS.glob("*.parquet"))
    for ledger in ledgers:
        ledger.write_bytes(ledger.read_bytes()[:-9])
    with pytest.raises(UserError, match=r"data/ledgers/\w+\.parquet is damaged"):
        recall_records(read_products())
    (shard,) = Path("data/articles/articles").rglob("*.parquet")
    shard.write_bytes(shard.read_bytes()[:-9])
    with pytest.raises(UserError, match=r"xml\.gz\.parquet is damaged") as caught:
        trace("PMID:12")
    assert caught.value.next_command.endswith("ingest_pubmed")


def test_dvc_s_lock_is_read_and_a_broken_one_is_told(project: Path) -> None:
    assert read_lock() == {} and find_stage("data/x") is None
    for content in (b"stages: [", b"\xff", b"[" * 200_000, b"stages: {a: !!int ''}", b"[]"):
        Path("dvc.lock").write_bytes(content)
        with pytest.raises(UserError, match=r"dvc\.lock cannot be read"):
            read_lock()


def test_what_a_run_makes_anew_meanwhile_is_left_out_whole(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, paths = Path.read_bytes, list(read_products().by_path)
    metrics = Path("data/metrics/debug/vqa_rad.json")

    def remove_first(path: Path) -> bytes:
        if path in (MODEL / MANIFEST, metrics):
            path.unlink()  # as DVC does at the begin of a stage
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", remove_first)
    products = read_products()
    assert list(products.by_path) == [path for path in paths if path != MODEL.as_posix()]
    assert list_scores(products, {MODEL.as_posix()}) == [] and not metrics.exists()
