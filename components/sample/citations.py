"""A paper as a PubMed citation: the elements of NLM's DTD, in its order."""

from __future__ import annotations

from dataclasses import dataclass, field

from lxml import etree

from components.sample.markup import Element, add
from components.sample.papers import MONTHS, Paper

TYPE_IDS = {
    "Journal Article": "D016428",
    "Retracted Publication": "D016441",
    "Retraction of Publication": "D016440",
    "Expression of Concern": "D000075742",
    "Multicenter Study": "D016448",
}


@dataclass(frozen=True, slots=True)
class Corrected:
    """A tie to another citation: RefType, its PMID, and what it is called."""

    kind: str
    pmid: str
    source: str


@dataclass(frozen=True, slots=True)
class Card:
    """What a citation says beside the paper itself."""

    paper: Paper
    version: int = 1
    abstract: str = "structured"  # or "plain", or "none"
    language: str = "eng"
    medline_date: bool = False
    collective: str = ""
    types: tuple[str, ...] = ("Journal Article",)
    ties: tuple[Corrected, ...] = field(default=())
    title: str = ""


def build_citation(card: Card) -> Element:
    """The MedlineCitation element."""
    paper = card.paper
    citation = etree.Element("MedlineCitation", Status="MEDLINE", Owner="NLM")
    add(citation, "PMID", paper.pmid, Version=str(card.version))
    _add_date(citation, "DateCompleted", paper.year, paper.month, 15)
    _add_date(citation, "DateRevised", paper.year + 1, paper.month, 1 + card.version)
    citation.append(_build_article(card))
    journal = add(citation, "MedlineJournalInfo")
    add(journal, "Country", paper.journal.country)
    add(journal, "MedlineTA", paper.journal.short)
    add(journal, "NlmUniqueID", paper.journal.nlm_id)
    add(journal, "ISSNLinking", paper.journal.issn)
    add(citation, "CitationSubset", "IM")
    if card.ties:
        ties = add(citation, "CommentsCorrectionsList")
        for tie in card.ties:
            item = add(ties, "CommentsCorrections", RefType=tie.kind)
            add(item, "RefSource", tie.source)
            add(item, "PMID", tie.pmid, Version="1")
    _add_mesh(citation, paper)
    if card.language != "eng" and card.abstract != "none":
        other = add(citation, "OtherAbstract", Type="Publisher", Language=card.language)
        add(other, "AbstractText", f"Étude de {paper.disease.name} chez des patients âgés.")
    return citation


def wrap_citation(citation: Element, card: Card) -> Element:
    """The PubmedArticle element around a citation, with history and identifiers."""
    paper = card.paper
    article = etree.Element("PubmedArticle")
    article.append(citation)
    data = add(article, "PubmedData")
    history = add(data, "History")
    for status in ("pubmed", "medline", "entrez"):
        date = add(history, "PubMedPubDate", PubStatus=status)
        _fill_date(date, str(paper.year), str(paper.month), "2")
    add(data, "PublicationStatus", "ppublish")
    ids = add(data, "ArticleIdList")
    add(ids, "ArticleId", paper.pmid, IdType="pubmed")
    if paper.pmcid:
        add(ids, "ArticleId", paper.pmcid, IdType="pmc")
    add(ids, "ArticleId", paper.doi, IdType="doi")
    return article


def _build_article(card: Card) -> Element:
    paper = card.paper
    article = etree.Element("Article", PubModel="Print")
    article.append(_build_journal(card))
    title = card.title or paper.title
    add(article, "ArticleTitle", title if card.language == "eng" else f"[{title}]")
    add(add(article, "Pagination"), "MedlinePgn", f"{paper.number}-{paper.number % 10 + 3}")
    add(article, "ELocationID", paper.doi, EIdType="doi", ValidYN="Y")
    if card.abstract != "none":
        article.append(_build_abstract(card))
    authors = add(article, "AuthorList", CompleteYN="Y")
    for last, initials in paper.authors:
        author = add(authors, "Author", ValidYN="Y")
        add(author, "LastName", last)
        add(author, "ForeName", " ".join(initials))
        add(author, "Initials", initials)
    if card.collective:
        add(add(authors, "Author", ValidYN="Y"), "CollectiveName", card.collective)
    add(article, "Language", card.language)
    types = add(article, "PublicationTypeList")
    for kind in card.types:
        add(types, "PublicationType", kind, UI=TYPE_IDS[kind])
    if card.language != "eng":
        add(article, "VernacularTitle", f"Étude clinique: {paper.disease.name}.")
    return article


def _build_journal(card: Card) -> Element:
    paper = card.paper
    journal = etree.Element("Journal")
    add(journal, "ISSN", paper.journal.issn, IssnType="Print")
    issue = add(journal, "JournalIssue", CitedMedium="Print")
    add(issue, "Volume", str(paper.year - 1990))
    add(issue, "Issue", str(paper.month))
    date = add(issue, "PubDate")
    if card.medline_date:
        first = min(paper.month, 11)
        add(date, "MedlineDate", f"{paper.year} {MONTHS[first - 1]}-{MONTHS[first]}")
    else:
        add(date, "Year", str(paper.year))
        add(date, "Month", MONTHS[paper.month - 1])
    add(journal, "Title", paper.journal.title)
    add(journal, "ISOAbbreviation", paper.journal.short)
    return journal


def _build_abstract(card: Card) -> Element:
    abstract = etree.Element("Abstract")
    if card.abstract == "plain":
        text = " ".join(section.markup for section in card.paper.sections)
        abstract.append(etree.fromstring(f"<AbstractText>{text}</AbstractText>"))
        return abstract
    for section in card.paper.sections:
        part = etree.fromstring(f"<AbstractText>{section.markup}</AbstractText>")
        part.set("Label", section.label)
        part.set("NlmCategory", section.category)
        abstract.append(part)
    if card.paper.number % 3 == 0:
        holder = f"Copyright © {card.paper.year} {card.paper.journal.title}."
        add(abstract, "CopyrightInformation", holder)
    return abstract


def _add_mesh(citation: Element, paper: Paper) -> None:
    headings = add(citation, "MeshHeadingList")
    for name, major in ((paper.disease.name.title(), "Y"), ("Humans", "N")):
        heading = add(headings, "MeshHeading")
        number = sum(map(ord, name))
        add(heading, "DescriptorName", name, UI=f"D9{number:05d}", MajorTopicYN=major)
        if major == "Y":
            add(heading, "QualifierName", "drug therapy", UI="Q000188", MajorTopicYN="N")


def _add_date(parent: Element, tag: str, year: int, month: int, day: int) -> None:
    _fill_date(add(parent, tag), str(year), f"{month:02d}", f"{day:02d}")


def _fill_date(date: Element, year: str, month: str, day: str) -> None:
    for tag, text in (("Year", year), ("Month", month), ("Day", day)):
        add(date, tag, text)
