"""The words that the evidence check knows: findings, modalities, denial, doubt.

Each finding is what a reply may call it, and what else in a caption speaks for it. Patterns are
matched in lower case at the borders of words.
"""

from __future__ import annotations

# Name: (what asserts it, what supports it as well).
FINDINGS: dict[str, tuple[str, str]] = {
    "abscess": (r"abscess\w*", r"collections?|pus|purulent"),
    "aneurysm": (r"(?:pseudo)?aneurysm\w*", r"dilat\w+"),
    "ascites": (r"ascites", r"free fluid|peritoneal fluid"),
    "atelectasis": (r"atelecta\w+", r"collaps\w+"),
    "atrophy": (r"atroph\w+", r"volume loss"),
    "bronchiectasis": (r"bronchiecta\w+", r"dilat\w+ bronch\w+"),
    "calcification": (r"calcif\w+", r"calcul\w+|stones?|lith\w*"),
    "cardiomegaly": (r"cardiomegaly|enlarged heart", r"cardiac enlargement|cardiothoracic"),
    "cavitation": (r"cavitat\w+|cavitary", r"cavit\w+"),
    "consolidation": (r"consolidat\w+", r"pneumoni\w+|opaci\w+|infiltrat\w+|air ?space"),
    "cyst": (r"cysts?|cystic\w*|pseudocyst\w*", r"\w*cyst\w*"),
    "demyelination": (r"demyelinat\w+", r"multiple sclerosis"),
    "dislocation": (r"dislocat\w+|sublux\w+", r"displac\w+"),
    "dysplasia": (r"dysplas\w+", r"\w*dysplas\w+"),
    "edema": (r"o?edema\w*", r"swell\w*|swollen|o?edematous"),
    "effusion": (r"effusions?", r"\w+thorax|empyema|fluid"),
    "embolism": (r"\w*embol\w+", r"thromb\w+|filling defects?|occlu\w+"),
    "emphysema": (r"emphysem\w+", r"\w*emphysem\w+|bulla\w*"),
    "fibrosis": (r"fibro(?:sis|tic)", r"\w*fibro(?:sis|tic|us)|scar\w*|honeycomb\w*"),
    "fracture": (r"fractur\w+", r"broken|break"),
    "granuloma": (r"granulom\w+", r"sarcoid\w*|tubercul\w+"),
    "hemorrhage": (
        r"ha?emorrhag\w+|bleed\w*|bled|ha?ematoma\w*",
        r"\w*ha?ematoma\w*|blood|extravasat\w+|microbleed\w*",
    ),
    "hernia": (r"hernia\w*", r"\w*hernia\w*|protru\w+"),
    "hydrocephalus": (r"hydrocephal\w+", r"ventric\w+"),
    "hydronephrosis": (r"hydronephro\w+", r"hydroureter\w*|dilat\w+"),
    "hyperplasia": (r"hyperplas\w+", r"\w*hyperplas\w+"),
    "infarction": (r"infarct\w*", r"isch\w+|stroke|occlu\w+"),
    "inflammation": (
        r"inflamm\w+",
        r"\w+itis|infect\w*|neutrophil\w*|lymphocyt\w*|infiltrat\w+|stranding",
    ),
    "ischemia": (r"ischa?emi\w+", r"infarct\w*|stroke|hypoperfus\w+"),
    "lymph node enlargement": (
        r"(?:lymph)?adenopath\w+|enlarged lymph nodes?",
        r"lymph\w*|(?:enlarged|regional|swollen) nodes?",
    ),
    "malignancy": (
        r"malignan\w+|cancer\w*|carcinom\w+|sarcom\w+",
        r"\w*carcinom\w+|\w*sarcom\w+|lymphom\w+|\w*blastoma\w*|melanom\w+|gliom\w+|leuk\w+"
        r"|metasta\w+|tumou?rs?|neoplas\w+|myelom\w+",
    ),
    "mass": (
        r"mass(?:es)?|tumou?rs?|neoplas\w+",
        r"\w{3,}omas?|\w{3,}omata|cancer\w*|lesions?|nodul\w+|cysts?|metasta\w+|polyps?|abscess\w*"
        r"|growths?",
    ),
    "metastasis": (r"metasta\w+", r"secondar(?:y|ies)|disseminat\w+"),
    "mitosis": (r"mito(?:sis|ses|tic)\w*", r"prolifer\w+"),
    "necrosis": (r"necro\w+", r"\w*necro\w+|gangren\w+"),
    "nodule": (r"nodul\w+", r"\w*nodul\w+|mass(?:es)?|lesions?|tumou?rs?|granulom\w+|metasta\w+"),
    "perforation": (r"perforat\w+", r"ruptur\w+|free (?:air|gas)|pneumoperitoneum"),
    "pneumonia": (r"pneumoni(?:a|tis)", r"pneumoni\w+|covid\w*"),
    "pneumothorax": (r"pneumothora\w+", r"\w*pneumothora\w+"),
    "rupture": (r"ruptur\w+", r"tears?|torn|perforat\w+"),
    "sclerosis": (r"sclero(?:sis|tic)", r"\w*sclero\w+"),
    "stenosis": (r"steno(?:sis|ses|tic)", r"strictur\w+|narrow\w*|constrict\w+|obstruct\w+"),
    "thrombosis": (
        r"thromb(?:us|i|os[ie]s|otic)",
        r"\w*thromb\w+|clots?|filling defects?|occlu\w+|embol\w+",
    ),
    "ulcer": (r"ulcer\w*", r"\w*ulcer\w*|eros\w+"),
}
MODALITIES: dict[str, str] = {
    "ct": r"(?:\w+-)?(?:cts?|cta)|computed tomograph\w+|tomogra\w+",
    "mr": r"mri|mra|mr|magnetic resonance|t[12]|t[12]-?\s?weighted|flair",
    "xray": r"x-?\s?rays?|\w*radiogra\w+|roentgen\w*|plain films?|film|cxr",
    "ultrasound": r"ultraso\w+|sonogra\w+|echocardiogra\w+|doppler",
    "pet": r"pet|pet-?/?ct|positron emission \w+|scintigra\w+",
    "angiography": r"\w*angiogra\w+",
    "histology": (
        r"h\s?&\s?e|ha?ematoxylin|\w*histolog\w+|histopatholog\w+|\w*micrograph\w*|microscop\w+"
        r"|immunohistochem\w+|stain\w*|biops\w+|cytolog\w+|smears?"
    ),
    "endoscopy": r"\w*endoscop\w+|colonoscop\w+|bronchoscop\w+|gastroscop\w+",
}
# Not where something lies in the picture, and not what remains or comes at once.
NO_SIDE = (
    r"\s+(?:images?|pictures?|panels?|figures?|columns?|(?:\w+\s+)?(?:areas?|sides?|parts?|corners?"
    r"|portions?|half) of the (?:\w+\s+)?(?:images?|pictures?|panels?|figures?|scans?|x-?rays?)"
    r"|untreated|behind|alone|unchanged|away|now|after|before)"
)
SIDES: dict[str, tuple[str, str]] = {
    "left": (rf"(?<!top )(?<!bottom )left(?!{NO_SIDE})", r"bilateral\w*|both"),
    "right": (rf"(?<!top )(?<!bottom )right(?!{NO_SIDE})", r"bilateral\w*|both"),
    "bilateral": (
        r"bilateral\w*|both (?:sides|lungs|kidneys|eyes)",
        r"both|left.*right|right.*left",
    ),
}
# What denies a word that follows (NegEx: Chapman et al., J Biomed Inform 34, 2001), as far as its
# clause reaches (ConText: Harkema et al., J Biomed Inform 42, 2009). What only looks like denial is
# NegEx's too: "no change in the effusion" says that there is one, as does "is not resolved".
DENIED_BEFORE = (
    r"no(?! (?:(?:significant|interval|new) )*(?:change|increase|decrease|resolution)\b| doubt\b)"
    r"|not(?! only\b)|without(?! (?:any )?(?:doubt|change)\b)|absen(?:ce|t)(?: of)?|lacks?|lacking"
    r"|neither|nor|(?:free|clear) of|(?<!no )(?<!partial )resolution of|rules? out|ruled out"
    r"|negative for|excludes?"
    r"|excluding|rather than|instead of|cannot|n't|unlikely|fails? to"
)
DENIED_AFTER = (
    r"(?:is|are|was|were|appears?|seems?) (?:not(?! (?:\w+ )?(?:resolved|cleared|gone|changed)\b)"
    r"|absent|ruled out|excluded|unlikely|gone)"
    r"|(?:not|cannot be|could not be) (?:seen|present|visible|evident|observed|identified|detected"
    r"|appreciated)|absent"
    r"|(?<!not )(?<!not yet )(?<!not fully )(?<!not completely )(?<!not entirely )(?<!partially )"
    r"(?<!partly )(?<!incompletely )(?:resolved|cleared)"
)
DOUBTED_AFTER = (
    r"may|might|could|would|should|can (?:lead|cause|result|occur|indicate|help|show|be caused)"
    r"|(?:is|are) (?:possible|suspected|likely)"
)
# What puts all that follows it in a sentence in doubt, or makes it knowledge in general.
DOUBT = (
    r"may|might|can|could|would|should|if|whether|possib\w+|potential\w*|probabl\w+|likely"
    r"|suggest\w*|suspicio\w+|suspect\w*|presum\w+|typical\w*|usual\w*|general\w*|commonly|often"
    r"|sometimes|such as|for example|e\.g\.|like|various|further|additional (?:tests?|imaging)"
    r"|to (?:assess|evaluate|determine|rule|confirm|identify|diagnose|detect|monitor)"
    r"|consistent with|indicative of|characteristic of|associated with|compared (?:to|with)"
    r"|history of"
)
# A sentence that explains a word says nothing of the image.
EXPLAINS = (
    r"refers? to|means|is defined|(?:is|are) characterized by|(?:this|these) types? of|stands for"
    r"|known as|(?:is|are) used|is an? (?:type|kind|combination|rare|form|condition|disease"
    r"|disorder|procedure|technique|method|term|medical)"
)
