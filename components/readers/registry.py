"""Which reader a card's ``reader`` names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from components.cards import Card
from components.errors import UserError
from components.readers.core_mortality import read_core_mortality_rows
from components.readers.cytoimagenet import read_cytoimagenet_rows
from components.readers.deep_lesion import read_deep_lesion_rows
from components.readers.dialogues import read_dialogue_rows
from components.readers.files import ALL
from components.readers.image_names import read_named_image_rows
from components.readers.medicat import read_medicat_rows
from components.readers.mimic_cxr_images import read_mimic_cxr_image_rows
from components.readers.mimic_cxr_reports import read_mimic_cxr_report_rows
from components.readers.mimic_notes import read_mimic_note_rows, read_mimic_report_rows
from components.readers.multiple_choice import read_multiple_choice_rows
from components.readers.npz import read_npz_rows
from components.readers.openi_csv import read_openi_rows
from components.readers.pictures import OPTIONS as PICTURE
from components.readers.pubmedqa import read_pubmedqa_rows
from components.readers.roco import read_roco_rows
from components.readers.seer import read_seer_rows
from components.readers.table import FIELDS, read_table_rows
from components.readers.text_lines import read_text_line_rows
from components.readers.trec_trials import read_trec_trial_rows
from components.readers.voc_xml import read_voc_rows
from components.records import SPLITS, RawRow, Reject

Reader = Callable[[Card, Path], Iterator[RawRow | Reject]]
IMAGES = "images"  # the role of image files, which records name
READERS: dict[str, Reader] = {
    "table": read_table_rows,
    "npz": read_npz_rows,
    "openi": read_openi_rows,
    "roco": read_roco_rows,
    "image_names": read_named_image_rows,
    "mimic_cxr_images": read_mimic_cxr_image_rows,
    "pubmedqa": read_pubmedqa_rows,
    "multiple_choice": read_multiple_choice_rows,
    "dialogues": read_dialogue_rows,
    "mimic_cxr_reports": read_mimic_cxr_report_rows,
    "mimic_reports": read_mimic_report_rows,
    "core_mortality": read_core_mortality_rows,
    "trec_trials": read_trec_trial_rows,
    "seer": read_seer_rows,
    "deep_lesion": read_deep_lesion_rows,
    "voc_xml": read_voc_rows,
    "cytoimagenet": read_cytoimagenet_rows,
    "medicat": read_medicat_rows,
    "text_lines": read_text_line_rows,
    "mimic_notes": read_mimic_note_rows,
}

# The roles of files that each reader needs: one of these sets, whole. Of IMAGES it needs none.
_ONE_SPLIT = tuple(frozenset({role}) for role in (*SPLITS, ALL))
ROLES: dict[str, tuple[frozenset[str], ...]] = {
    "table": _ONE_SPLIT,
    "npz": (frozenset({ALL}),),
    "openi": (frozenset({"reports", IMAGES}), frozenset({"reports", IMAGES, "projections"})),
    "roco": tuple(need | {"licences"} for need in _ONE_SPLIT),
    "image_names": (frozenset({IMAGES}),),
    "mimic_cxr_images": (
        frozenset({"reports", "splits", IMAGES}),
        frozenset({"reports", "splits", IMAGES, "metadata"}),
    ),
    "pubmedqa": (frozenset({"records", "test"}),),
    "multiple_choice": _ONE_SPLIT,
    "dialogues": _ONE_SPLIT,
    "mimic_cxr_reports": (frozenset({"reports", "splits"}),),
    "mimic_reports": (frozenset({"notes"}),),
    "seer": (frozenset({"export", "dictionary"}), frozenset({"export"})),
    "trec_trials": (frozenset({"topics", "judgements", "trials"}),),
    "core_mortality": (frozenset({"notes", "admissions", *SPLITS}),),
    "deep_lesion": (frozenset({"lesions"}),),
    "voc_xml": (frozenset({"boxes", IMAGES}),),
    "cytoimagenet": (frozenset({ALL}),),
    "medicat": (frozenset({"train"}),),
    "text_lines": (frozenset({"train"}),),
    "mimic_notes": (frozenset({"notes"}),),
}
# What a card may tell each reader; the table reader also the column of each of its task's fields.
TABLES, SELECTING = ("table", "roco"), ("keep", "test")
TABLE = frozenset(
    {
        "image",
        "frames",
        "signal",
        "keep",
        "category",
        "group",
        "modality",
        "test",
        "answer_separator",
        "attributes",
        "sheet",
    }
    | {"columns", "columns_train", "columns_validation", "columns_test", "delimiter"}
)
OWN_FIELDS = ("modality", "category")  # of a record, by which scores are taken apart, too
OPTIONS: dict[str, frozenset[str]] = {
    "table": PICTURE | TABLE,
    "npz": frozenset({"edition"}),
    "openi": frozenset({"sections"}),
    "roco": PICTURE | TABLE | {"licences"},
    "image_names": PICTURE | {"label"},
    "mimic_cxr_images": PICTURE | {"sections"},
    "pubmedqa": frozenset(),
    "multiple_choice": frozenset({"category"}),
    "dialogues": frozenset(),
    "mimic_cxr_reports": frozenset(),
    "mimic_reports": frozenset(),
    "core_mortality": frozenset({"hypothesis"}),
    "trec_trials": frozenset({"fold"}),
    "seer": frozenset({"facts", "label", "outside", "hypothesis", "group", "fold", "attributes"}),
    "deep_lesion": frozenset({"labels"}),
    "voc_xml": frozenset({"labels"}),
    "cytoimagenet": frozenset(),
    "medicat": frozenset(),
    "text_lines": frozenset(),
    "mimic_notes": frozenset(),
}


def check_reader(card: Card) -> None:
    """UserError where the card names no known reader, or a role or option that nobody reads."""
    where = f"data/cards/{card.name}.yaml"
    if card.reader not in READERS:
        raise UserError(
            f"{where}: no reader named {card.reader!r}", why=f"known: {', '.join(sorted(READERS))}"
        )
    _check_roles(card, where)
    fields = FIELDS.get(card.task, ()) if card.reader == "table" else ()
    allowed = sorted({*OPTIONS[card.reader], *fields})
    unknown = sorted(set(card.options) - set(allowed))
    if unknown:
        raise UserError(
            f"{where}: the reader {card.reader} knows no options {unknown}",
            why=f"allowed: {', '.join(allowed) or 'none'}",
        )
    _check_table(card, where)
    wrong = [n for n, column in card.attribute_columns.items() if not column or n in OWN_FIELDS]
    if wrong:
        raise UserError(
            f"{where}: options.attributes has {', '.join(wrong)}",
            why="each is a name and the column that tells it, such as sex=Patient Sex; "
            f"{' and '.join(OWN_FIELDS)} are told by options of their own",
        )


def _check_table(card: Card, where: str) -> None:
    if card.reader in TABLES and card.task not in FIELDS:
        raise UserError(
            f"{where}: the reader {card.reader} reads no records of the task {card.task}",
            why=f"it reads {', '.join(FIELDS)}",
        )
    for option in SELECTING:
        if "=" not in card.options.get(option, "="):
            raise UserError(
                f"{where}: options.{option} is {card.options[option]!r}",
                why="it is a column and the value that chooses a record, such as language=en",
            )


def _check_roles(card: Card, where: str) -> None:
    needs, given = ROLES[card.reader], set(card.files)
    known = frozenset({IMAGES}).union(*needs)
    if given <= known and any(need <= given for need in needs):
        return
    wanted = " or ".join(" and ".join(sorted(need)) for need in needs)
    strange = sorted(given - known)
    raise UserError(
        f"{where}: files has the roles {sorted(given)}"
        + (f"; the reader {card.reader} knows no {strange}" if strange else ""),
        why=f"it needs {wanted}; {IMAGES} may be there too",
    )


def read_rows(card: Card, root: Path) -> Iterator[RawRow | Reject]:
    """Rows and Rejects of a data set whose raw files lie under ``root``.

    Of rows with the same id the first counts, and the others are Rejects. Raises UserError where
    the card names no known reader, or a file is missing or unreadable.
    """
    check_reader(card)
    rows = READERS[card.reader](card, root)
    return rows if card.task == "infill_text" else _refuse_repeats(rows)


def _refuse_repeats(rows: Iterable[RawRow | Reject]) -> Iterator[RawRow | Reject]:
    """Rows, each id once. Not for running text: its ids count lines, more than memory holds."""
    first: dict[str, str] = {}
    for row in rows:
        if isinstance(row, RawRow) and row.id in first:
            yield Reject(row.origin, "same-id", f"{row.id} is what {first[row.id]} is called")
            continue
        if isinstance(row, RawRow):
            first[row.id] = row.origin
        yield row
