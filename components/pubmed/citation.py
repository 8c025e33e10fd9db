"""One PubMed citation: its text, what it is, and whether it may be used.

Element names are those of NLM's PubMed DTD (2016 to 2026).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from components.pubmed.markup import squeeze
from components.pubmed.nodes import Node, each, node_text
from components.records import Reject

YEAR = re.compile(r"\b(1[5-9]|20)\d{2}\b")
NUMBER = re.compile(r"[0-9]{1,9}")  # what a 32-bit column holds
RETRACTED_TITLE = re.compile(r"^\W*(RETRACTED\b|(?i:retracted( article| paper)?\s*[:\]]))")
RETRACTED_TYPES = frozenset({"Retracted Publication"})
NOTICE_TYPES = frozenset({"Retraction of Publication", "Retraction Notice"})
RETRACTED_BY = frozenset({"RetractionIn", "RetractedandRepublishedIn"})
RETRACTS = frozenset({"RetractionOf"})
NO_LABEL = frozenset({"", "UNLABELLED", "UNLABELED"})


@dataclass(frozen=True, slots=True)
class Citation:
    """A citation. ``retracts`` and ``doubts`` name the PMIDs that it, as a notice, speaks of.

    ``abstract`` holds (label, text) in order, the label empty where there is none;
    ``other_abstracts`` (language, kind, text): translations and plain-language summaries.
    """

    pmid: str
    version: int
    title: str
    vernacular_title: str
    abstract: list[tuple[str, str]]
    other_abstracts: list[tuple[str, str, str]]
    authors: list[str]
    journal: str
    year: int
    languages: list[str]
    mesh: list[str]
    publication_types: list[str]
    doi: str
    pmcid: str
    copyright: str
    retracted: bool
    concern: bool
    is_notice: bool
    retracts: list[str]
    doubts: list[str]
    origin: str

    def text(self) -> str:
        """The abstract, a line per section, labels before their text."""
        lines = (f"{label}: {text}" if label else text for label, text in self.abstract)
        return "\n".join(lines)


def read_pmid(node: Node) -> tuple[str, int]:
    """PMID and version of a PMID element; version 1 where none is stated, "" for no PMID."""
    version = node.attribute("Version").value() or "1"
    return node.child_value().strip(), int(version) if NUMBER.fullmatch(version) else 1


def parse_citation(node: Node, name: str) -> Citation | Reject:
    """The citation of a PubmedArticle or a bare MedlineCitation; a Reject without PMID or article.

    An article is retracted when its type, its comments or its title say so. A retraction notice
    is not itself retracted: it is marked as a notice, and names what it retracts.
    """
    medline = node if node.name() == "MedlineCitation" else node.child("MedlineCitation")
    pmid, version = read_pmid(medline.child("PMID"))
    article = medline.child("Article")
    if not NUMBER.fullmatch(pmid) or not article:
        detail = f"PMID {pmid} has no Article" if NUMBER.fullmatch(pmid) else "no PMID"
        return Reject(f"{name}#{pmid or 'unknown'}", "broken-citation", detail)
    types = _values(article.child("PublicationTypeList"), "PublicationType")
    title = node_text(article.child("ArticleTitle"))
    comments = list(_read_comments(medline))
    relations = {relation for relation, _ in comments}
    retracts = [other for relation, other in comments if relation in RETRACTS]
    is_notice = bool(NOTICE_TYPES.intersection(types) or retracts)
    abstract, ids = article.child("Abstract"), _read_ids(node)
    return Citation(
        pmid=pmid,
        version=version,
        title=title,
        vernacular_title=node_text(article.child("VernacularTitle")),
        abstract=_read_abstract(abstract),
        other_abstracts=[
            (o.attribute("Language").value(), o.attribute("Type").value(), _join(_read_abstract(o)))
            for o in each(medline, "OtherAbstract")
        ],
        authors=_read_authors(article.child("AuthorList")),
        journal=squeeze(article.child("Journal").child_value("Title")),
        year=_read_year(article),
        languages=_values(article, "Language"),
        mesh=[
            squeeze(heading.child_value("DescriptorName"))
            for heading in each(medline.child("MeshHeadingList"), "MeshHeading")
        ],
        publication_types=types,
        doi=_read_doi(article) or ids.get("doi", ""),
        pmcid=ids.get("pmc", "") or _read_old_pmcid(medline),
        copyright=node_text(abstract.child("CopyrightInformation")),
        retracted=bool(RETRACTED_TYPES.intersection(types) or RETRACTED_BY & relations)
        or (RETRACTED_TITLE.match(title) is not None and not is_notice),
        concern="ExpressionOfConcernIn" in relations,
        is_notice=is_notice,
        retracts=[other for other in retracts if other],
        doubts=[o for relation, o in comments if relation == "ExpressionOfConcernFor" and o],
        origin=f"{name}#{pmid}.{version}",
    )


def _values(parent: Node, name: str) -> list[str]:
    return [node.child_value().strip() for node in each(parent, name)]


def _read_abstract(abstract: Node) -> list[tuple[str, str]]:
    parts = []
    for node in each(abstract, "AbstractText"):
        text = node_text(node)
        if text:
            label = node.attribute("Label").value().strip()
            parts.append(("" if label.upper() in NO_LABEL else label, text))
    return parts


def _join(parts: list[tuple[str, str]]) -> str:
    return "\n".join(text for _, text in parts)


def _read_comments(medline: Node) -> Iterator[tuple[str, str]]:
    """(relation, the other article's PMID or "") of each comment or correction."""
    for node in each(medline.child("CommentsCorrectionsList"), "CommentsCorrections"):
        yield node.attribute("RefType").value(), node.child_value("PMID").strip()


def _read_authors(authors: Node) -> list[str]:
    """Persons by their names, groups by theirs."""
    names = []
    for author in each(authors, "Author"):
        last, first = author.child_value("LastName"), author.child_value("ForeName")
        if last:
            suffix = author.child_value("Suffix")
            names.append(squeeze(f"{first} {last} {suffix}"))
        elif group := node_text(author.child("CollectiveName")) or squeeze(first):
            names.append(group)
    return names


def _read_year(article: Node) -> int:
    """The year of publication: Year, the first year of MedlineDate, or the electronic date."""
    date = article.child("Journal").child("JournalIssue").child("PubDate")
    places = ((date, "Year"), (date, "MedlineDate"), (article.child("ArticleDate"), "Year"))
    for place, name in places:
        found = YEAR.search(place.child_value(name))
        if found:
            return int(found.group())
    return 0


def _read_doi(article: Node) -> str:
    for node in each(article, "ELocationID"):
        kind, valid = node.attribute("EIdType").value(), node.attribute("ValidYN").value()
        if kind == "doi" and valid != "N":
            return str(node.child_value()).strip()
    return ""


def _read_ids(node: Node) -> dict[str, str]:
    """The article's own identifiers by kind; those of its references are elsewhere."""
    listed = node.child("PubmedData").child("ArticleIdList")
    found: dict[str, str] = {}
    for one in each(listed, "ArticleId"):
        found.setdefault(one.attribute("IdType").value(), one.child_value().strip())
    return found


def _read_old_pmcid(medline: Node) -> str:
    for node in each(medline, "OtherID"):
        words = node.child_value().split()
        if node.attribute("Source").value() == "NLM" and words and words[0].startswith("PMC"):
            return str(words[0])
    return ""
