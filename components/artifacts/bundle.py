"""What an artifact holds: the files of a product, and what somebody needs who has nothing else."""

from __future__ import annotations

from pathlib import Path

from components.artifacts.manifest import Kind
from components.cards import CARDS, load_card
from components.config import Params
from components.errors import UserError, damaged
from components.evaluation.calibration import CALIBRATION
from components.lineage import MANIFEST, QUARANTINE, hash_file
from components.report.model_card import write_model_card
from components.serving.asking import ASKING, VOCABULARY
from components.serving.project import (
    OWN_VOCABULARY,
    check_vocabulary,
    describe_asking,
    find_calibration,
)
from components.serving.versions import PRODUCT
from components.tokenization.vocabulary import BPE_FILE, LAYOUT_FILE
from components.tracing.products import DATA, Product

KINDS: dict[str, Kind] = {
    "pretrain": "model",
    "finetune": "model",
    "instruct": "model",
    "ingest_pubmed": "corpus",
    "prepare": "corpus",
    "prepare_biomed_vital": "corpus",
    "evaluate": "predictions",
    "evaluate_zero_shot": "predictions",
    "probe": "predictions",
    "report": "report",
}
MODEL_CARD, DATA_CARD = "README.md", "card.yaml"
TOLD = (PRODUCT, MODEL_CARD, DATA_CARD, ASKING, CALIBRATION)  # words about a product, no records


def find_kind(product: Product) -> Kind:
    """What kind of artifact a product is; UserError for one of none."""
    if product.stage not in KINDS:
        raise UserError(
            f"{product.path} is nothing to publish: {product.stage} made it",
            next_command="name a model, data/articles, a folder of data/examples, "
            "data/instructions, a folder of data/predictions, or data/report",
        )
    return KINDS[product.stage]


def gather_files(product: Product, params: Params, scratch: Path) -> dict[str, Path]:
    """The files of an artifact, by their paths in it; what has to be written goes to ``scratch``.

    UserError where a file of the product is not what its manifest says.
    """
    folder, files = Path(product.path), _check_files(product)
    files.pop(QUARANTINE, None)  # origins name files of the holder's machine
    if KINDS[product.stage] != "model":
        kept = {k: path for k, path in files.items() if not k.startswith(f"{QUARANTINE}/")}
        return {**kept, PRODUCT: folder / MANIFEST}
    own = {name: path for name, path in files.items() if "/" not in name}  # no other seeds
    return {**own, PRODUCT: folder / MANIFEST, **_complete_model(product, params, scratch)}


def _check_files(product: Product) -> dict[str, Path]:
    folder = Path(product.path)
    files = {}
    for name, facts in product.manifest["files"].items():
        path = folder / name
        if not path.is_file() or hash_file(path) != facts["sha256"]:
            raise damaged(path, f"it is not the file that {folder / MANIFEST} speaks of")
        files[name] = path
    return files


def _complete_model(product: Product, params: Params, scratch: Path) -> dict[str, Path]:
    """Vocabulary, settings, calibration and cards, which make a folder that answers."""
    check_vocabulary(product.path, product.manifest)
    dataset = product.manifest["identity"].get("dataset", "")
    card = load_card(dataset) if dataset else None
    asking = describe_asking(product.manifest, card, params)
    (scratch / ASKING).write_text(asking.dump(), encoding="utf-8")
    cards = {name: load_card(name) for name in [*params.sources, *params.datasets]}
    words = write_model_card(Path(product.path), DATA, params, cards)
    (scratch / MODEL_CARD).write_text(words, encoding="utf-8")
    files = {
        ASKING: scratch / ASKING,
        MODEL_CARD: scratch / MODEL_CARD,
        f"{VOCABULARY}/{BPE_FILE}": OWN_VOCABULARY / BPE_FILE,
        f"{VOCABULARY}/{LAYOUT_FILE}": OWN_VOCABULARY / LAYOUT_FILE,
    }
    calibration = find_calibration(Path(product.path), product.manifest)
    files |= {CALIBRATION: calibration} if calibration else {}
    return files | ({DATA_CARD: CARDS / f"{dataset}.yaml"} if card else {})
