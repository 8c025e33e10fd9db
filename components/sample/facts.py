"""The facts of the sample world: two dozen diseases, and one sign, drug, test and so on of each.

Every source states or asks the same facts, so that what is read in one helps with another. They
are chosen so that an answer is unique, not so that they could guide care: do not use them for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Disease:
    """A disease of the sample world. Sign, drug and test each belong to this one only."""

    name: str
    organ: str
    sign: str
    drug: str
    test: str
    cause: str
    subject: str


DISEASES = tuple(
    Disease(*(part.strip() for part in line.split(",")))
    for line in """
pneumonia, lung, productive cough, amoxicillin, chest radiography, infection, Medicine
tuberculosis, lung, night sweats, isoniazid, sputum culture, infection, Microbiology
asthma, lung, wheezing, salbutamol, spirometry, allergy, Medicine
heart failure, heart, ankle swelling, furosemide, echocardiography, ischemia, Medicine
atrial fibrillation, heart, palpitations, apixaban, electrocardiography, degeneration, Medicine
stroke, brain, facial droop, alteplase, computed tomography, ischemia, Medicine
epilepsy, brain, seizures, levetiracetam, electroencephalography, heredity, Medicine
multiple sclerosis, brain, double vision, natalizumab, spinal tap, autoimmunity, Medicine
migraine, brain, throbbing headache, sumatriptan, headache diary, heredity, Pharmacology
parkinson disease, brain, resting tremor, levodopa, gait analysis, degeneration, Pharmacology
hepatitis b, liver, jaundice, tenofovir, viral serology, infection, Microbiology
cirrhosis, liver, ascites, spironolactone, elastography, toxins, Pathology
gallstones, gallbladder, biliary colic, ursodiol, abdominal ultrasound, metabolism, Surgery
peptic ulcer, stomach, epigastric pain, omeprazole, gastroscopy, infection, Surgery
crohn disease, bowel, chronic diarrhea, infliximab, colonoscopy, autoimmunity, Pathology
kidney stones, kidney, flank pain, tamsulosin, urinalysis, metabolism, Surgery
nephritis, kidney, foamy urine, prednisone, kidney biopsy, autoimmunity, Pathology
diabetes, pancreas, excessive thirst, metformin, fasting glucose, metabolism, Medicine
hypothyroidism, thyroid, cold intolerance, levothyroxine, thyrotropin level, autoimmunity, Medicine
gout, joints, swollen toe, allopurinol, uric acid level, metabolism, Biochemistry
arthritis, joints, morning stiffness, methotrexate, rheumatoid factor, autoimmunity, Pathology
osteoporosis, bones, brittle fractures, alendronate, bone densitometry, degeneration, Orthopaedics
psoriasis, skin, scaly plaques, calcipotriol, skin biopsy, autoimmunity, Skin
glaucoma, eye, tunnel vision, latanoprost, tonometry, degeneration, Ophthalmology
""".strip().splitlines()
)  # fmt: skip

# Statements of each fact, and the questions that ask for it; {d} is the disease, {v} the value.
STATEMENTS: Mapping[str, tuple[str, ...]] = {
    "drug": (
        "the first choice drug for {d} is {v}",
        "{v} is the first choice treatment of {d}",
        "{d} is treated with {v}",
    ),
    "sign": (
        "the typical sign of {d} is {v}",
        "{v} is the typical sign of {d}",
        "patients with {d} present with {v}",
    ),
    "test": (
        "the best test for {d} is {v}",
        "{v} is the best test for {d}",
        "{d} is diagnosed by {v}",
    ),
    "organ": (
        "{d} is a disease of the {v}",
        "the organ affected by {d} is the {v}",
        "{d} affects the {v}",
    ),
    "cause": (
        "the main cause of {d} is {v}",
        "{v} is the main cause of {d}",
        "{d} is caused by {v}",
    ),
}
QUESTIONS: Mapping[str, tuple[str, ...]] = {
    "drug": (
        "The first choice drug for {d} is",
        "Which drug is the first choice treatment of {d}?",
        "{d} is best treated with",
    ),
    "sign": (
        "The typical sign of {d} is",
        "Which of the following is the typical sign of {d}?",
        "A patient with {d} presents with",
    ),
    "test": (
        "The best test for {d} is",
        "Which test is best for {d}?",
        "{d} is best diagnosed by",
    ),
    "organ": (
        "The organ affected by {d} is the",
        "Which organ is affected by {d}?",
        "{d} is a disease of the",
    ),
    "cause": (
        "The main cause of {d} is",
        "Which of the following is the main cause of {d}?",
        "{d} is caused by",
    ),
}
RELATIONS = tuple(STATEMENTS)


def value_of(disease: Disease, relation: str) -> str:
    """What the facts table says about one relation of a disease."""
    return str(getattr(disease, relation))


def values_of(relation: str) -> list[str]:
    """Every value that a relation takes, once, in the order of the table."""
    return list(dict.fromkeys(value_of(disease, relation) for disease in DISEASES))


def state_fact(disease: Disease, relation: str, form: int) -> str:
    """A sentence that states a fact; ``form`` picks its wording. It ends with a full stop."""
    forms = STATEMENTS[relation]
    sentence = forms[form % len(forms)].format(d=disease.name, v=value_of(disease, relation))
    return f"{sentence[0].upper()}{sentence[1:]}."
