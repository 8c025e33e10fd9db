"""Names, keys and values of the official files, compared with the real ones where they are."""

from __future__ import annotations

import hashlib
import io
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openpyxl import load_workbook
from PIL import Image

from components.sample.medmnist import choose_edition
from tests.components.sample.conftest import SMALL, Make, names, read_json, read_lines

MEDMNIST = ("path", "derma", "oct", "breast", "blood", "organc")
# the files of each source, and how many of them: None for several
LAYOUTS: dict[str, dict[str, int | None]] = {
    "biomed_vital": {
        r"BioMed-VITAL-instructions-(60|80|150|210)K\.json": 4,
        r"images/\d{8}_F\d\.jpg": 12,
    },
    "healthcaremagic": {r"healthcaremagic_dialogue_[1-4]\.txt": 4},
    "icliniq": {r"icliniq_dialogue\.txt": 1},
    "iu_xray": {
        r"ecgen-radiology/\d+\.xml": 20,
        r"NLMCXR_png/CXR\d+_IM-\d{4}-[12]001\.png": 24,
        r"indiana_projections\.csv": 1,
    },
    "medmcqa": {r"(train|dev|test)\.json": 3},
    "medqa": {r"questions/US/4_options/phrases_no_exclude_(train|dev|test)\.jsonl": 3},
    "mednli": {r"mli_(train|dev|test)_v1\.jsonl": 3},
    "medpix": {
        r"MedPix-2-0/(Descriptions|Case_topic)\.json": 2,
        r"MedPix-2-0/splitted_dataset/(data|descriptions)_(train|dev|test)\.jsonl": 6,
        r"MedPix-2-0/images/MPX\d+_synpic\d+\.png": 24,
    },
    "meqsum": {r"MeQSum_ACL2019_BenAbacha_Demner-Fushman\.xlsx": 1},
    "mimic_cxr_summary": {
        r"files/p1\d/p1\d{7}/s5\d{7}\.txt": 40,
        r"mimic-cxr-2\.0\.0-split\.csv\.gz": 1,
    },
    "mimic_iii_mortality": {
        r"(NOTEEVENTS|ADMISSIONS)\.csv\.gz": 2,
        r"mimic_(train|val|test)\.csv": 3,
    },
    "mimic_iii_summary": {r"NOTEEVENTS\.csv\.gz": 1},
    **{f"{name}mnist": {rf"{name}mnist\.npz": 1} for name in MEDMNIST},
    "pathvqa": {r"(train|test)\.json": 2, r"images/(train|test)/pathvqa_\d{5}\.jpg": None},
    "pmc_oa": {
        r"PMC\d{8}\.\d/(PMC\d{8}\.\d\.(xml|json)|sample-\d+-g\d{3}\.jpg)": None,
        r"PMC\d{8}/sample-\d+(\.nxml|-g\d{3}\.jpg)": None,
    },
    "mimic_cxr_report": {
        r"files/p1\d/p1\d{7}/s5\d{7}\.txt": None,
        r"files/p1\d/p1\d{7}/s5\d{7}/[0-9a-f]{8}(-[0-9a-f]{8}){4}\.jpg": 24,
        r"mimic-cxr-2\.0\.0-(split|metadata)\.csv\.gz": 2,
    },
    "roco": {
        r"data/(train|validation|test)/radiology/(captions|keywords|cuis|licences)\.txt": 12,
        r"data/(train|validation|test)/radiology/images/ROCO_\d{5}\.jpg": 24,
    },
    **{
        f"cbis_ddsm_{kind}": {
            rf"{kind}_case_description_(train|test)_set\.csv": 2,
            rf"CBIS-DDSM/{kind.title()}-(Training|Test)_P_\d{{5}}_[A-Z]+_(CC|MLO)_1/.*\.dcm": 48,
        }
        for kind in ("mass", "calc")
    },
    "sz_cxr": {r"ChinaSet_AllFiles/(CXR_png|ClinicalReadings)/CHNCXR_\d{4}_[01]\.(png|txt)": 48},
    "mc_cxr": {r"MontgomerySet/(CXR_png|ClinicalReadings)/MCUCXR_\d{4}_[01]\.(png|txt)": 48},
    "peir_gross": {r"(train|test)_images\.tsv": 2, r"peir_gross_images/\d{8}\.jpg": 24},
    "pneumoniamnist": {r"pneumoniamnist\.npz": 1},
    "pubmed": {
        r"baseline/(medline16n0001|pubmed26n000[12])\.xml\.gz(\.md5)?": 6,
        r"updatefiles/pubmed26n0003\.xml\.gz(\.md5)?": 2,
    },
    "pubmedqa": {r"data/(ori_pqal|test_ground_truth)\.json": 2},
    "seer_treatment": {r"seer_treatment\.(csv|dic)": 2},
    "slake": {r"(train|validate|test)\.json": 3, r"imgs/xmlab\d+/source\.jpg": 24},
    "slake_zh": {r"(train|validate|test)\.json": 3, r"imgs/xmlab\d+/source\.jpg": 24},
    "vqa_med_2019": {
        r"ImageClef-2019-VQA-Med-(Training|Validation)/All_QA_Pairs_(train|val)\.txt": 2,
        r"VQAMed2019Test/VQAMed2019_Test_Questions_w_Ref_Answers\.txt": 1,
        r".*/(Train|Val|VQAMed2019_Test)_[iI]mages/synpic\d{5}\.jpg": 24,
    },
    "trec_ct": {
        r"topics2022\.xml": 1,
        r"qrels2022\.txt": 1,
        r"ClinicalTrials\.2021-04-27\.part1\.zip": 1,
    },
    "medicat": {
        r"s2_full_figures_oa_nonroco_combined_medical_top4_public\.jsonl": 1,
        r"figures/[0-9a-f]{40}_\d-Figure1-1\.png": 24,
    },
    "deeplesion": {r"DL_info\.csv": 1, r"Images_png/\d{6}_\d\d_\d\d/\d{3}\.png": 24},
    "oia_ddr": {
        r"lesion_detection/(train|valid|test)/007-\d{4}-100\.xml": 24,
        r"lesion_segmentation/(train|valid|test)/image/007-\d{4}-100\.jpg": 24,
    },
    "chexpert": {r"train\.csv": 1, r"train/patient\d{5}/study1/view1_frontal\.jpg": 24},
    "cytoimagenet": {r"metadata\.csv": 1, r"cytoimagenet/[a-z_-]+/[a-z_-]+-[01]{8}\.png": 24},
    "isic_2020": {
        r"ISIC_2020_Training_GroundTruth_v2\.csv": 1,
        r"train/ISIC_\d{7}\.jpg": 24,
    },
    "retinal_fundus": {r"trainLabels\.csv": 1, r"train/\d+_(left|right)\.jpeg": 24},
    "blue_pubmed": {r"pubmed_uncased_sentence_nltk\.txt": 1},
    "mimic_iii_notes": {r"NOTEEVENTS\.csv\.gz": 1},
    "vqa_rad": {r"(train|test)set\.json": 2, r"images/synpic\d{5}\.jpg": 24},
}


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_files_lie_where_the_official_ones_do(make: Make, name: str) -> None:
    counts: Counter[str] = Counter()
    for file in names(make(name)):
        (pattern,) = [pattern for pattern in LAYOUTS[name] if re.fullmatch(pattern, file)]
        counts[pattern] += 1
    for pattern, number in LAYOUTS[name].items():
        assert counts[pattern] == number if number else counts[pattern] > 2, pattern


@pytest.mark.parametrize(
    ("name", "file", "real"),
    [
        ("vqa_rad", "trainset.json", "vqa_rad"),
        ("vqa_rad", "testset.json", "vqa_rad"),
        ("slake", "train.json", "slake"),
        ("slake", "validate.json", "slake"),
        ("pathvqa", "train.json", "pathvqa"),
        ("medpix", "MedPix-2-0/Descriptions.json", "medpix2"),
        ("medpix", "MedPix-2-0/Case_topic.json", "medpix2"),
        ("medpix", "MedPix-2-0/splitted_dataset/descriptions_train.jsonl", "medpix2"),
        ("pubmedqa", "data/ori_pqal.json", "pubmedqa"),
    ],
)
def test_records_have_the_keys_of_real_ones(
    make: Make, shared_data: Path, name: str, file: str, real: str
) -> None:
    made, official = read_json(make(name) / file), read_json(shared_data / real / file)
    if isinstance(made, dict):
        made, official = list(made.values()), list(official.values())
    assert {tuple(sorted(record)) for record in made} <= {
        tuple(sorted(record)) for record in official
    }
    for column in ("answer_type", "q_lang", "Type", "final_decision", "phrase_type"):
        values = {record[column].strip() for record in made if column in record}
        assert values <= {record[column] for record in official if column in record}


def test_medmcqa_hides_the_labels_of_its_test_file_alone(make: Make) -> None:
    folder = make("medmcqa")
    hidden = {"cop", "exp"}
    keys = {file: set(read_lines(folder / file)[0]) for file in names(folder)}
    assert keys["train.json"] == keys["dev.json"] == keys["test.json"] | hidden
    assert keys["test.json"] == {
        "question", "opa", "opb", "opc", "opd", "subject_name", "topic_name", "id", "choice_type",
    }  # fmt: skip
    ids = [row["id"] for file in keys for row in read_lines(folder / file)]
    assert len(set(ids)) == len(ids) == SMALL.num_texts


def test_mednli_keeps_the_columns_of_its_parses(make: Make) -> None:
    (keys,) = {tuple(sorted(row)) for row in read_lines(make("mednli") / "mli_dev_v1.jsonl")}
    assert keys == (
        "gold_label", "pairID", "sentence1", "sentence1_binary_parse", "sentence1_parse",
        "sentence2", "sentence2_binary_parse", "sentence2_parse",
    )  # fmt: skip


def test_biomed_vital_has_flags_turns_and_both_keys_for_images(make: Make) -> None:
    folder = make("biomed_vital", num_images=120)
    records = read_json(folder / "BioMed-VITAL-instructions-210K.json")
    assert {"image", "imgs"} == {key for record in records for key in record if key[:2] == "im"}
    lost, flags = [], Counter[int | None]()
    for number, record in enumerate(records, 1):
        names = record.get("image") or record["imgs"]
        first = names[0] if isinstance(names, list) else names
        lost += [] if (folder / "images" / first).is_file() else [number]
        assert isinstance(names, list) == (number % 16 == 0)
        flags[sum(record["domain"].values()) if "domain" in record else None] += 1
        speakers = [turn["from"] for turn in record["conversations"]]
        assert speakers == (["human", "gpt"] * len(speakers))[: len(speakers)]
    assert lost == [30]
    assert set(flags) == {None, 0, 1, 2} and flags[1] > 50


def test_meqsum_is_one_sheet_of_three_columns(make: Make) -> None:
    book = load_workbook(next(make("meqsum").glob("*.xlsx")), read_only=True)
    rows = list(book["QS"].iter_rows(values_only=True))
    book.close()
    assert (book.sheetnames, rows[0]) == (["QS"], ("File", "CHQ", "Summary"))
    assert len(rows) == SMALL.num_texts + 1
    assert all(all(isinstance(cell, str) and cell.strip() for cell in row) for row in rows)


@pytest.mark.parametrize(
    ("name", "px", "file", "shape"),
    [
        ("pneumoniamnist", 16, "pneumoniamnist.npz", (28, 28)),
        ("pneumoniamnist", 100, "pneumoniamnist_64.npz", (64, 64)),
        ("pathmnist", 64, "pathmnist_64.npz", (64, 64, 3)),
    ],
)
def test_medmnist_archives(
    make: Make, name: str, px: int, file: str, shape: tuple[int, ...]
) -> None:
    with np.load(make(name, image_px=px) / file, allow_pickle=False) as arrays:
        found = {key: arrays[key] for key in arrays}
    assert {(key, array.shape[1:], str(array.dtype)) for key, array in found.items()} == {
        (f"{split}_{kind}", size, "uint8")
        for split in ("train", "val", "test")
        for kind, size in (("images", shape), ("labels", (1,)))
    }
    assert sum(len(found[f"{split}_labels"]) for split in ("train", "val", "test")) == 24


def test_editions_are_the_official_sides() -> None:
    chosen = [choose_edition(px) for px in (8, 28, 63, 64, 128, 200, 1000)]
    assert chosen == [28, 28, 28, 64, 128, 128, 224]


def test_pictures_have_the_size_and_the_odd_modes_of_real_sets(make: Make) -> None:
    modes: dict[str, set[Any]] = {}
    for name in ("vqa_rad", "pathvqa", "medpix", "iu_xray"):
        folder = make(name, name)
        for file in names(folder):
            if file.endswith((".png", ".jpg")):
                image = Image.open(io.BytesIO((folder / file).read_bytes()))
                assert image.size == (16, 16)
                modes.setdefault(name, set()).add((image.format, image.mode))
    assert modes == {
        "vqa_rad": {("JPEG", "RGB")},
        "pathvqa": {("JPEG", "RGB"), ("JPEG", "CMYK")},
        "medpix": {("PNG", "RGB"), ("PNG", "RGBA")},
        "iu_xray": {("PNG", "L")},
    }


def test_no_picture_stands_on_two_sides_of_a_split(make: Make) -> None:
    for name, parts, column in (
        ("vqa_rad", ("trainset.json", "testset.json"), "image_name"),
        ("slake", ("train.json", "validate.json", "test.json"), "img_name"),
        ("pathvqa", ("train.json", "test.json"), "image_path"),
    ):
        folder = make(name, name)
        shown = [{row[column] for row in read_json(folder / part)} for part in parts]
        assert all(shown)
        assert sum(map(len, shown)) == len(set().union(*shown))


def test_md5_files_are_nlms_and_right(make: Make) -> None:
    folder = make("pubmed")
    files = [name for name in names(folder) if name.endswith(".md5")]
    assert len(files) == 4
    for name in files:
        path = folder / name.removesuffix(".md5")
        digest = hashlib.md5(path.read_bytes()).hexdigest()
        assert (folder / name).read_text() == f"MD5({path.name})= {digest}\n"


def test_md5_of_pmc_metadata_is_right(make: Make) -> None:
    folder = make("pmc_oa", num_images=8)
    records = list(folder.rglob("*.json"))
    assert len(records) == 5  # four articles, one of them in two versions
    for record in map(read_json, records):
        place = f"{record['pmcid']}.{record['version']}"
        for url in (record["xml_url"], *record["media_urls"]):
            file, _, digest = url.partition("?md5=")
            path = folder / place / file.rpartition("/")[2]
            assert file == f"s3://pmc-oa-opendata/{place}/{path.name}"
            assert hashlib.md5(path.read_bytes()).hexdigest() == digest
