"""PubMed citations as columns: their texts, what they are, and whether they may be used.

``citation.yaml`` says where each field stands in NLM's DTD.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Literal

import polars as pl
from xml2arrow import Xml2ArrowError, XmlToArrowParser

from components.pubmed.inflate import Damaged
from components.pubmed.rich_text import (
    NO_LABEL,
    flatten,
    has_rich_rest,
    read_other_abstracts,
    read_rich_texts,
)

Tables = dict[str, pl.LazyFrame]
FIELDS = Path(__file__).with_name("citation.yaml")
ENGINE: Literal["in-memory"] = "in-memory"  # polars' other one is for more than fits there
KEY = "citation"  # number of the record within the part that is read at once
YEAR = r"\b((?:1[5-9]|20)\d{2})\b"
NUMBER = r"^[0-9]{1,9}$"  # what a 32-bit column holds
RETRACTED_TITLE = r"^\W*(?:RETRACTED\b|(?i:retracted(?: article| paper)?\s*[:\]]))"
RETRACTED_TYPES = ["Retracted Publication"]
NOTICE_TYPES = ["Retraction of Publication", "Retraction Notice"]
RETRACTED_BY = ["RetractionIn", "RetractedandRepublishedIn"]
UNEVEN = r"\s{2,}|[^\S ]"  # white space that is no single space


def parse_citations(records: Sequence[bytes]) -> pl.DataFrame:
    """A row for each whole PubmedArticle, in order; pmid is null where there is none or no article.

    Columns: pmid, stated (as it stands there), version, title, vernacular_title, text, sections,
    copyright, other_abstracts, authors, journal, year, languages, mesh, publication_types, doi,
    pmcid, retracted, concern, is_notice, retracts, doubts. The text has a line per section,
    labels before their text. An article is retracted when its type, its comments or its title say
    so. A retraction notice is not itself retracted: it is marked as a notice, and ``retracts``
    names what it retracts.
    Raises Damaged for a record that is broken.
    """
    flat = [flatten(record) for record in records]
    whole = (f or r for f, r in zip(flat, records, strict=True))
    tables = _parse(b"".join([b"<set>", *whole, b"</set>"]))
    rows = tables["records"].select(KEY)
    for columns in (*_read_texts(records, flat, tables), *_read_facts(tables)):
        rows = rows.join(columns, on=KEY, how="left", maintain_order="left")
    found = rows.with_columns(_states()).drop(KEY, "relations").collect(engine=ENGINE)
    num_begun = sum(r.count(b"<PubmedArticle>") for r in records) if len(records) > 1 else 0
    if len(found) != len(records) or num_begun > len(records):
        detail = "no PMID" if len(found) < len(records) else "several records in one"
        raise Damaged("broken-citation", detail)
    return found


@cache
def _parser() -> XmlToArrowParser:
    return XmlToArrowParser(FIELDS)


def _parse(xml: bytes) -> Tables:
    """The tables of citation.yaml."""
    try:
        batches = _parser().parse(xml)
    except Xml2ArrowError as error:
        raise Damaged("broken-xml", str(error)) from None
    except TypeError:  # its word for bytes that are not UTF-8
        raise Damaged("broken-encoding", "not UTF-8") from None
    frames = {name: pl.DataFrame(batch) for name, batch in batches.items()}
    return {name: frame.rename({f"<{KEY}>": KEY}).lazy() for name, frame in frames.items()}


def _first(table: pl.LazyFrame, column: str, name: str = "") -> pl.LazyFrame:
    """The first value of a column by record that is not empty, with single spaces."""
    found = table.select(KEY, _tidy(column).alias(name or column))
    there = found.filter(pl.col(name or column) != "")
    return there.unique(KEY, keep="first", maintain_order=True)


def _listed(table: pl.LazyFrame, column: str, name: str = "") -> pl.LazyFrame:
    """All values of a column by record that are not empty, in order, with single spaces."""
    found = table.select(KEY, _tidy(column).alias(name or column))
    there = found.filter(pl.col(name or column) != "")
    return there.group_by(KEY, maintain_order=True).agg(pl.all())


def _tidy(column: str) -> pl.Expr:
    """A text with single spaces between words."""
    return pl.col(column).str.replace_all(UNEVEN, " ").str.strip_chars()


def _read_texts(
    records: Sequence[bytes], flat: Sequence[bytes | None], tables: Tables
) -> list[pl.LazyFrame]:
    """Titles, abstracts and authors: as xml2arrow gives them where that is all, else re-read."""
    rich = _find_rich(flat)
    found = read_rich_texts(records, rich)

    def plain(table: str, *columns: str | pl.Expr) -> pl.LazyFrame:
        return tables[table].filter(~pl.col(KEY).is_in(rich)).select(KEY, *columns)

    person = pl.concat_str("first", "last", "suffix", separator=" ", ignore_nulls=True)
    name = pl.when(pl.col("last").is_null()).then(pl.coalesce("group", "first")).otherwise(person)
    names = _add(plain("authors", name.alias("authors")), found.authors)
    texts = _add(plain("sections", "label", _tidy("text")), found.sections)
    return [
        _first(_add(plain("article", "title"), found.titles), "title"),
        _first(
            _add(plain("article", "vernacular"), found.vernacular_titles),
            "vernacular",
            "vernacular_title",
        ),
        _first(_add(plain("sections", "copyright"), found.copyrights), "copyright"),
        _join_sections(texts),
        _read_other_abstracts(records, tables["other_abstracts"]),
        _listed(names, "authors"),
    ]


def _find_rich(flat: Sequence[bytes | None]) -> list[int]:
    """Records with texts that are more than letters.

    xml2arrow cannot tell: of a name that is markup and nothing else it leaves nothing.
    """
    return [n for n, one in enumerate(flat) if one is None or has_rich_rest(one)]


def _add(plain: pl.LazyFrame, rich: Sequence[tuple[object, ...]]) -> pl.LazyFrame:
    """The rows of plain texts and of those that were read again."""
    if not rich:
        return plain
    return pl.concat([plain, pl.LazyFrame(rich, schema=plain.collect_schema(), orient="row")])


def _join_sections(sections: pl.LazyFrame) -> pl.LazyFrame:
    """A text of a line per section, labels before their text, and the list of the labels."""
    is_label, label = _label()
    lines = sections.filter(pl.col("text") != "").select(
        KEY, _line(), pl.when(is_label).then(label).alias("sections")
    )
    return lines.group_by(KEY, maintain_order=True).agg(
        pl.col("text").str.join("\n"), pl.col("sections").drop_nulls()
    )


def _label() -> tuple[pl.Expr, pl.Expr]:
    """Whether a section has a label, and the label."""
    label = pl.col("label").str.strip_chars().fill_null("")
    return ~label.str.to_uppercase().is_in(NO_LABEL), label


def _line() -> pl.Expr:
    """A section's text after its label."""
    is_label, label = _label()
    text = pl.col("text")
    return pl.when(is_label).then(label + ": " + text).otherwise(text).alias("text")


def _read_other_abstracts(records: Sequence[bytes], told: pl.LazyFrame) -> pl.LazyFrame:
    """Translations and the like, one by one: few records have some."""
    numbers = told.select(KEY).unique().sort(KEY).collect(engine=ENGINE)[KEY]
    names = ("language", "kind", "text")
    schema = {KEY: pl.UInt32, **dict.fromkeys(names, pl.String)}
    rows = read_other_abstracts(records, numbers)
    others = pl.LazyFrame(rows, schema=schema, orient="row").group_by(KEY, maintain_order=True)
    return others.agg(pl.struct(names).alias("other_abstracts"))


def _read_facts(tables: Tables) -> list[pl.LazyFrame]:
    """Everything else that an element says by itself."""
    medline, article = tables["medline"], tables["article"]
    return [
        article.select(KEY, has_article=pl.lit(value=True)).unique(KEY),
        _read_pmids(medline),
        _first(article, "journal"),
        _read_years(article),
        _listed(article, "language", "languages"),
        _listed(tables["headings"], "heading", "mesh"),
        _listed(tables["types"], "type", "publication_types"),
        _read_dois(article, tables["ids"]),
        _read_pmcids(medline, tables["ids"]),
        _read_comments(tables["comments"]),
    ]


def _read_pmids(medline: pl.LazyFrame) -> pl.LazyFrame:
    """PMID, null for what is none, as it is stated, and version; 1 where none is stated."""
    pmid = pl.col("pmid").str.strip_chars()
    version = pl.when(pl.col("version").str.contains(NUMBER)).then("version").otherwise(pl.lit("1"))
    return medline.filter(pmid != "").select(
        KEY, pl.when(pmid.str.contains(NUMBER)).then(pmid), pmid.alias("stated"),
        version.cast(pl.Int32).alias("version"),
    ).unique(KEY, keep="first", maintain_order=True)  # fmt: skip


def _read_years(article: pl.LazyFrame) -> pl.LazyFrame:
    """The year of publication: Year, the first year of MedlineDate, or the electronic date."""
    places = ("year", "medline_date", "electronic_year")
    years = [pl.col(place).str.extract(YEAR).drop_nulls().first() for place in places]
    return article.group_by(KEY).agg(pl.coalesce(years).cast(pl.Int32).alias("year"))


def _read_dois(article: pl.LazyFrame, ids: pl.LazyFrame) -> pl.LazyFrame:
    """The DOI of the article's own location, else of its list of identifiers."""
    is_valid = (pl.col("location_kind") == "doi") & (pl.col("location_valid").fill_null("Y") != "N")
    located = article.filter(is_valid).select(
        KEY, pl.col("location").str.strip_chars().alias("doi")
    )
    listed = ids.filter(pl.col("kind") == "doi").select(
        KEY, pl.col("id").str.strip_chars().alias("doi")
    )
    return _first(pl.concat([located, listed]), "doi")


def _read_pmcids(medline: pl.LazyFrame, ids: pl.LazyFrame) -> pl.LazyFrame:
    """PMCIDs of the list of identifiers, else in the way of older files."""
    listed = ids.filter(pl.col("kind") == "pmc").select(
        KEY, pl.col("id").str.strip_chars().alias("pmcid")
    )
    old = medline.filter(pl.col("other_id_source") == "NLM").select(
        KEY, pl.col("other_id").str.extract(r"^\s*(PMC\S*)").alias("pmcid")
    )
    return _first(pl.concat([listed, old]), "pmcid")


def _read_comments(comments: pl.LazyFrame) -> pl.LazyFrame:
    """How other articles speak of this one, and which it retracts or doubts."""
    relation, other = pl.col("relation"), pl.col("other").str.strip_chars()
    is_named = other.is_not_null() & (other != "")
    return comments.group_by(KEY, maintain_order=True).agg(
        relation.drop_nulls().alias("relations"),
        other.filter(is_named & (relation == "RetractionOf")).alias("retracts"),
        other.filter(is_named & (relation == "ExpressionOfConcernFor")).alias("doubts"),
    )


def _states() -> list[pl.Expr]:
    """Whether an article is retracted, in doubt, or a notice about another."""

    def has(column: str, values: list[str]) -> pl.Expr:
        found = pl.col(column).list.set_intersection(pl.lit(values))
        return (found.list.len() > 0).fill_null(value=False)

    is_notice = has("publication_types", NOTICE_TYPES) | has("relations", ["RetractionOf"])
    says_so = pl.col("title").str.contains(RETRACTED_TITLE).fill_null(value=False) & ~is_notice
    is_retracted = has("publication_types", RETRACTED_TYPES) | has("relations", RETRACTED_BY)
    return [
        (is_retracted | says_so).alias("retracted"),
        has("relations", ["ExpressionOfConcernIn"]).alias("concern"),
        is_notice.alias("is_notice"),
    ]
