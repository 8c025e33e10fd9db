"""The sample world: small raw files in the official formats, whose truth is known.

A reader cannot tell them from the real thing. The files serve the demonstration and the tests:
they show that the pipeline learns what can be learnt, not how good a model is at medicine.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from components.errors import UserError
from components.sample.biomed_vital import make_biomed_vital
from components.sample.boxed import make_deeplesion, make_oia_ddr
from components.sample.cbis_ddsm import make_cbis_ddsm_calc, make_cbis_ddsm_mass
from components.sample.dialogues import make_healthcaremagic, make_icliniq
from components.sample.iu_xray import make_iu_xray
from components.sample.medicat import make_medicat
from components.sample.medmcqa import make_medmcqa
from components.sample.medmnist import (
    make_bloodmnist,
    make_breastmnist,
    make_dermamnist,
    make_octmnist,
    make_organcmnist,
    make_pathmnist,
    make_pneumoniamnist,
)
from components.sample.mednli import make_mednli
from components.sample.medpix import make_medpix
from components.sample.medqa import make_medqa
from components.sample.meqsum import make_meqsum
from components.sample.mimic_films import make_mimic_cxr_report
from components.sample.mimic_mortality import make_mimic_iii_mortality
from components.sample.mimic_reports import make_mimic_cxr_summary, make_mimic_iii_summary
from components.sample.nlm_films import make_mc_cxr, make_sz_cxr
from components.sample.pathvqa import make_pathvqa
from components.sample.peir_gross import make_peir_gross
from components.sample.pmc_oa import make_pmc_oa
from components.sample.pubmed import make_pubmed
from components.sample.pubmedqa import make_pubmedqa
from components.sample.roco import make_roco
from components.sample.seer import make_seer_treatment
from components.sample.settings import SampleSettings
from components.sample.slake import make_slake, make_slake_zh
from components.sample.temporal import make_cine, make_vital_signs
from components.sample.trec_ct import make_trec_ct
from components.sample.unlabelled import (
    make_chexpert,
    make_cytoimagenet,
    make_isic_2020,
    make_retinal_fundus,
)
from components.sample.unpaired_texts import make_blue_pubmed, make_mimic_iii_notes
from components.sample.vqa_med import make_vqa_med_2019
from components.sample.vqa_rad import make_vqa_rad

__all__ = ["MAKERS", "SampleSettings", "make_source"]

Maker = Callable[[Path, SampleSettings], list[Path]]
MAKERS: dict[str, Maker] = {
    "pubmed": make_pubmed,
    "pmc_oa": make_pmc_oa,
    "biomed_vital": make_biomed_vital,
    "vqa_rad": make_vqa_rad,
    "slake": make_slake,
    "slake_zh": make_slake_zh,
    "pathvqa": make_pathvqa,
    "iu_xray": make_iu_xray,
    "pneumoniamnist": make_pneumoniamnist,
    "vqa_med_2019": make_vqa_med_2019,
    "peir_gross": make_peir_gross,
    "mimic_cxr_report": make_mimic_cxr_report,
    "roco": make_roco,
    "cbis_ddsm_mass": make_cbis_ddsm_mass,
    "cbis_ddsm_calc": make_cbis_ddsm_calc,
    "sz_cxr": make_sz_cxr,
    "mc_cxr": make_mc_cxr,
    "pathmnist": make_pathmnist,
    "dermamnist": make_dermamnist,
    "octmnist": make_octmnist,
    "breastmnist": make_breastmnist,
    "bloodmnist": make_bloodmnist,
    "organcmnist": make_organcmnist,
    "medpix": make_medpix,
    "mednli": make_mednli,
    "meqsum": make_meqsum,
    "pubmedqa": make_pubmedqa,
    "medmcqa": make_medmcqa,
    "medqa": make_medqa,
    "healthcaremagic": make_healthcaremagic,
    "icliniq": make_icliniq,
    "mimic_cxr_summary": make_mimic_cxr_summary,
    "mimic_iii_summary": make_mimic_iii_summary,
    "mimic_iii_mortality": make_mimic_iii_mortality,
    "trec_ct": make_trec_ct,
    "seer_treatment": make_seer_treatment,
    "medicat": make_medicat,
    "deeplesion": make_deeplesion,
    "oia_ddr": make_oia_ddr,
    "chexpert": make_chexpert,
    "cytoimagenet": make_cytoimagenet,
    "isic_2020": make_isic_2020,
    "retinal_fundus": make_retinal_fundus,
    "blue_pubmed": make_blue_pubmed,
    "mimic_iii_notes": make_mimic_iii_notes,
    "cine": make_cine,
    "vital_signs": make_vital_signs,
}


def make_source(name: str, folder: Path, settings: SampleSettings) -> list[Path]:
    """Write the raw files of one source into ``folder``; returns their paths, sorted.

    The same settings give the same bytes, whatever else was made before. Raises UserError for a
    source that the sample world does not have.
    """
    if name not in MAKERS:
        raise UserError(
            f"the sample world has no source named {name!r}",
            why=f"it makes: {', '.join(sorted(MAKERS))}",
            next_command="set acquire.mode to local or download in params.yaml",
        )
    return sorted(MAKERS[name](folder, settings))
