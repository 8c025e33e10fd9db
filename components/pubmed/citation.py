"""PubMed citations as columns: their texts, what they are, and whether they may be used.

``citation.yaml`` says where each field stands in NLM's DTD.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import polars as pl
from xml2arrow import Xml2ArrowError, XmlToArrowParser

from components.pubmed.inflate import Damaged
from components.pubmed.rich_text import RichTexts, flatten, has_rich_names, read_rich_texts

Tables = dict[str, pl.DataFrame]
FIELDS = Path(__file__).with_name("citation.yaml")
KEY = "citation"  # number of the record within the part that is read at once
YEAR = r"\b((?:1[5-9]|20)\d{2})\b"
NUMBER = r"^[0-9]{1,9}$"  # what a 32-bit column holds
RETRACTED_TITLE = r"^\W*(?:RETRACTED\b|(?i:retracted(?: article| paper)?\s*[:\]]))"
RETRACTED_TYPES = ["Retracted Publication"]
NOTICE_TYPES = ["Retraction of Publication", "Retraction Notice"]
RETRACTED_BY = ["RetractionIn", "RetractedandRepublishedIn"]
NO_LABEL = ["", "UNLABELLED", "UNLABELED"]
UNEVEN = r"\s{2,}|[^\S ]"  # white space that is no single space


def parse_citations(records: Sequence[bytes]) -> pl.DataFrame:
    """A row for each whole PubmedArticle, in order; pmid is null where there is none or no article.

    Columns: pmid, version, title, vernacular_title, text, sections, copyright, other_abstracts,
    authors, journal, year, languages, mesh, publication_types, doi, pmcid, retracted, concern,
    is_notice, retracts, doubts. The text has a line per section, labels before their text. An
    article is retracted when its type, its comments or its title say so. A retraction notice is
    not itself retracted: it is marked as a notice, and ``retracts`` names what it retracts.
    Raises Damaged for a record that is broken.
    """
    flat = [flatten(record) for record in records]
    whole = (f or r for f, r in zip(flat, records, strict=True))
    tables = _parse(b"".join([b"<set>", *whole, b"</set>"]))
    if len(tables["records"]) != len(records):
        raise Damaged("broken-citation", "no PMID")
    rows = tables["records"].select(KEY)
    has_article = pl.col(KEY).is_in(tables["article"][KEY].unique().implode())
    rows = rows.with_columns(has_article=has_article)
    for columns in (*_read_texts(records, flat, tables), *_read_facts(tables)):
        rows = rows.join(columns, on=KEY, how="left", maintain_order="left")
    return rows.with_columns(_states()).drop(KEY, "relations")


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
    return {name: pl.DataFrame(batch).rename({f"<{KEY}>": KEY}) for name, batch in batches.items()}


def _first(table: pl.DataFrame, column: str, name: str = "") -> pl.DataFrame:
    """The first value of a column by record that is not empty."""
    found = table.select(KEY, pl.col(column).alias(name or column))
    there = found.filter(pl.col(name or column) != "")
    return there.unique(KEY, keep="first", maintain_order=True)


def _listed(table: pl.DataFrame, column: str, name: str = "") -> pl.DataFrame:
    """All values of a column by record, in order."""
    found = table.select(KEY, pl.col(column).alias(name or column)).drop_nulls()
    return found.group_by(KEY, maintain_order=True).agg(pl.all())


def _tidy(column: str) -> pl.Expr:
    """A text with single spaces between words; null where nothing is left."""
    text = pl.col(column).str.replace_all(UNEVEN, " ").str.strip_chars()
    return pl.when(text != "").then(text).alias(column)


def _read_texts(
    records: Sequence[bytes], flat: Sequence[bytes | None], tables: Tables
) -> list[pl.DataFrame]:
    """Titles, abstracts and authors: as xml2arrow gives them where that is all, else re-read."""
    rich = _find_rich_texts(flat, tables)
    rich_authors = _find_rich_authors(records, tables["authors"])
    found = read_rich_texts(records, rich, rich_authors)
    article, sections = (
        tables[name].filter(~pl.col(KEY).is_in(rich)) for name in ("article", "sections")
    )
    authors = tables["authors"].filter(~pl.col(KEY).is_in(rich_authors))
    vernacular = pl.DataFrame(schema={KEY: pl.UInt32, "vernacular_title": pl.String})
    person = pl.concat_str("first", "last", "suffix", separator=" ", ignore_nulls=True)
    name = pl.when(pl.col("last").is_null()).then(pl.coalesce("group", "first")).otherwise(person)
    names = _add(authors.select(KEY, name.alias("authors")), found.authors)
    return [
        _first(_add(article.select(KEY, _tidy("title")), found.titles), "title"),
        _first(_add(vernacular, found.vernacular_titles), "vernacular_title"),
        _first(_add(sections.select(KEY, _tidy("copyright")), found.copyrights), "copyright"),
        _join_sections(_add(sections.select(KEY, "label", _tidy("text")), found.sections)),
        _listed(names.select(KEY, _tidy("authors")), "authors"),
        _list_other_abstracts(found),
    ]


def _find_rich_texts(flat: Sequence[bytes | None], tables: Tables) -> list[int]:
    """Records with rich texts, or with texts that are read in the other way only."""
    rich = {number for number, record in enumerate(flat) if record is None}
    rich.update(tables["medline"].filter(pl.col("other_abstract").is_not_null())[KEY])
    rich.update(tables["article"].filter(pl.col("vernacular").is_not_null())[KEY])
    return sorted(rich)


def _find_rich_authors(records: Sequence[bytes], authors: pl.DataFrame) -> list[int]:
    """Records with markup in the name of a group or a person."""
    may_be = authors.filter(pl.col("last").is_null() | pl.col("suffix").is_not_null())
    return [n for n in may_be[KEY].unique().sort() if has_rich_names(records[n])]


def _add(plain: pl.DataFrame, rich: Sequence[tuple[object, ...]]) -> pl.DataFrame:
    """The rows of plain texts and of those that were read again."""
    return plain.vstack(pl.DataFrame(rich, schema=plain.schema, orient="row"))


def _join_sections(sections: pl.DataFrame) -> pl.DataFrame:
    """A text of a line per section, labels before their text, and the list of the labels."""
    label = pl.col("label").str.strip_chars().fill_null("")
    is_label = ~label.str.to_uppercase().is_in(NO_LABEL)
    lines = sections.filter(pl.col("text") != "").select(
        KEY,
        pl.when(is_label).then(label).alias("sections"),
        pl.when(is_label).then(label + ": " + pl.col("text")).otherwise("text").alias("text"),
    )
    return lines.group_by(KEY, maintain_order=True).agg(
        pl.col("text").str.join("\n"), pl.col("sections").drop_nulls()
    )


def _list_other_abstracts(found: RichTexts) -> pl.DataFrame:
    names = {KEY: pl.UInt32, "language": pl.String, "kind": pl.String, "text": pl.String}
    rows = pl.DataFrame(found.other_abstracts, schema=names, orient="row")
    return rows.group_by(KEY, maintain_order=True).agg(
        pl.struct("language", "kind", "text").alias("other_abstracts")
    )


def _read_facts(tables: Tables) -> list[pl.DataFrame]:
    """Everything else that an element says by itself."""
    medline, article = tables["medline"], tables["article"]
    return [
        _read_pmids(medline),
        _first(article.with_columns(_tidy("journal")), "journal"),
        _read_years(article),
        _listed(article.with_columns(_tidy("language")), "language", "languages"),
        _listed(tables["headings"].with_columns(_tidy("heading")), "heading", "mesh"),
        _listed(tables["types"].with_columns(_tidy("type")), "type", "publication_types"),
        _read_dois(article, tables["ids"]),
        _read_pmcids(medline, tables["ids"]),
        _read_comments(tables["comments"]),
    ]


def _read_pmids(medline: pl.DataFrame) -> pl.DataFrame:
    """PMID and version; version 1 where none is stated."""
    pmid = pl.col("pmid").str.strip_chars()
    version = pl.when(pl.col("version").str.contains(NUMBER)).then("version").otherwise(pl.lit("1"))
    return medline.filter(pmid.str.contains(NUMBER)).select(
        KEY, pmid, version.cast(pl.Int32).alias("version")
    ).unique(KEY, keep="first")  # fmt: skip


def _read_years(article: pl.DataFrame) -> pl.DataFrame:
    """The year of publication: Year, the first year of MedlineDate, or the electronic date."""
    places = ("year", "medline_date", "electronic_year")
    years = [pl.col(place).str.extract(YEAR).drop_nulls().first() for place in places]
    return article.group_by(KEY).agg(pl.coalesce(years).cast(pl.Int32).alias("year"))


def _read_dois(article: pl.DataFrame, ids: pl.DataFrame) -> pl.DataFrame:
    """The DOI of the article's own location, else of its list of identifiers."""
    is_valid = (pl.col("location_kind") == "doi") & (pl.col("location_valid").fill_null("Y") != "N")
    located = article.filter(is_valid).select(
        KEY, pl.col("location").str.strip_chars().alias("doi")
    )
    listed = ids.filter(pl.col("kind") == "doi").select(
        KEY, pl.col("id").str.strip_chars().alias("doi")
    )
    return _first(pl.concat([located, listed]), "doi")


def _read_pmcids(medline: pl.DataFrame, ids: pl.DataFrame) -> pl.DataFrame:
    """PMCIDs of the list of identifiers, else in the way of older files."""
    listed = ids.filter(pl.col("kind") == "pmc").select(
        KEY, pl.col("id").str.strip_chars().alias("pmcid")
    )
    old = medline.filter(pl.col("other_id_source") == "NLM").select(
        KEY, pl.col("other_id").str.extract(r"^\s*(PMC\S*)").alias("pmcid")
    )
    return _first(pl.concat([listed, old]), "pmcid")


def _read_comments(comments: pl.DataFrame) -> pl.DataFrame:
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
