"""report: one HTML page with every figure of the run, and the tables that `dvc plots` draws."""

from __future__ import annotations

from pathlib import Path

from components.cards import load_card
from components.config import Params
from components.lineage import write_manifest
from components.report.budget import MAX_BYTES
from components.report.collect import collect_inputs
from components.report.page import build_report
from components.report.plots import write_plots
from components.stages.door import enter

ROOT, OUT = Path("data"), Path("data/report")


def run(params: Params) -> None:
    """Read everything that was made, and write the page and the tables of its plots."""
    cards = {name: load_card(name) for name in [*params.sources, *params.datasets]}
    inputs = collect_inputs(ROOT, params, cards)
    page = build_report(inputs)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "index.html").write_text(page, encoding="utf-8")
    write_plots(inputs, OUT / "plots")
    size = (OUT / "index.html").stat().st_size
    over = (
        ": more than a page of numbers should have; report fewer sets" if size > MAX_BYTES else ""
    )
    print(f"{OUT / 'index.html'}: {size / 1e6:.1f} MB{over}")
    write_manifest(
        OUT,
        stage="report",
        identity={},
        settings=params.report.model_dump(),
        inputs=[Path(name) for name in inputs.manifests],
        counts={"in": len(inputs.manifests), "out": len(inputs.manifests)},
    )


if __name__ == "__main__":
    enter("report", run)
