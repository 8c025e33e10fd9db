"""IU X-ray as Open-i hands it out: ecgen-radiology/<n>.xml and NLMCXR_png/CXR<n>_....png.

The report follows from what was drawn. One report in five has two films of the same chest; the
second is called a lateral one by indiana_projections.csv, though it is drawn as the first.
"""

from __future__ import annotations

import random
from pathlib import Path
from xml.sax.saxutils import escape

from components.sample.drawing import draw_scene
from components.sample.encode import start_chance, start_dice, write_image, write_text
from components.sample.scenes import Scene, imagine_scenes
from components.sample.settings import SampleSettings
from components.sample.words import place_lesions, start_upper

VIEWS = ("Frontal", "Lateral")


def make_iu_xray(folder: Path, settings: SampleSettings) -> list[Path]:
    """Write the reports and ``num_images`` films; returns every file's path."""
    chance, dice = start_chance(settings.seed, "iu_xray"), start_dice(settings.seed, "iu_xray")
    scenes = imagine_scenes(["x-ray"], settings.num_images, chance, normal=0.15)
    paths: list[Path] = []
    views: list[str] = []
    num_left, number = settings.num_images, 0
    while num_left:
        number += 1
        num_films = 2 if number % 5 == 0 and num_left > 1 else 1
        num_left -= num_films
        scene = scenes[number - 1]
        study = f"CXR{number}_IM-{chance.randrange(1, 2500):04d}"
        names = [f"{study}-{view}001" for view in (1, 2)[:num_films]]
        for name, view in zip(names, VIEWS, strict=False):
            views.append(f"{number},{name.removeprefix(f'CXR{number}_')}.dcm.png,{view}")
            pixels = draw_scene(scene, settings.image_px, dice)
            paths.append(write_image(folder / "NLMCXR_png" / f"{name}.png", pixels))
        report = _write_report(number, scene, names, chance)
        paths.append(write_text(folder / "ecgen-radiology" / f"{number}.xml", report))
    table = "\n".join(["uid,filename,projection", *views]) + "\n"
    return [*paths, write_text(folder / "indiana_projections.csv", table)]


def word_findings(scene: Scene) -> str:
    """The FINDINGS section: lesions, then the heart."""
    heart = "enlarged" if scene.big_heart else "normal in size"
    return f"{start_upper(place_lesions(scene))}. The heart is {heart}."


def word_impression(scene: Scene) -> str:
    """The IMPRESSION section: what matters most."""
    found = [f"lesion of the {scene.lesions.side} lung"] if scene.lesions else []
    found += ["large heart"] if scene.big_heart else []
    return start_upper(" and ".join(found) or "normal chest") + "."


def _write_report(number: int, scene: Scene, names: list[str], chance: random.Random) -> str:
    sections = {
        "COMPARISON": chance.choice(("None.", "None available.", "XXXX.")),
        "INDICATION": chance.choice(("Cough.", "Chest pain.", "Routine examination.")),
        "FINDINGS": word_findings(scene),
        "IMPRESSION": word_impression(scene),
    }
    texts = "\n".join(
        f'          <AbstractText Label="{label}">{escape(text)}</AbstractText>'
        for label, text in sections.items()
    )
    images = "\n".join(_describe_image(number, name, view) for view, name in enumerate(names, 1))
    major = "lung/lesion" if scene.lesions else "normal"
    return f"""<?xml version="1.0" encoding="utf-8"?>
<eCitation>
   <meta type="rr"/>
   <uId id="CXR{number}"/>
   <pmcId id="{number}"/>
   <docSource>CXR</docSource>
   <IUXRId id="{number}"/>
   <licenseType>open-access</licenseType>
   <licenseURL>http://creativecommons.org/licenses/by-nc-nd/4.0/</licenseURL>
   <ccLicense>byncnd</ccLicense>
   <articleURL/>
   <articleDate>2013-08-01</articleDate>
   <articleType>XR</articleType>
   <publisher>Sample Hospital</publisher>
   <title>Sample Hospital Chest X-ray Collection</title>
   <MedlineCitation Owner="Sample" Status="supplied by publisher">
      <Article PubModel="Electronic">
        <Journal/>
        <ArticleTitle>Chest films, PA and lateral</ArticleTitle>
        <Abstract>
{texts}
        </Abstract>
        <Affiliation>Sample Hospital</Affiliation>
        <PublicationTypeList>
          <PublicationType>Radiology Report</PublicationType>
        </PublicationTypeList>
      </Article>
   </MedlineCitation>
   <MeSH>
      <major>{major}</major>
   </MeSH>
{images}
</eCitation>
"""


def _describe_image(number: int, name: str, view: int) -> str:
    return f"""   <parentImage id="{name}">
      <figureId>F{view}</figureId>
      <caption>Chest film, view {view}</caption>
      <panel type="single">
         <url>/hadoop/storage/radiology/extract/CXR{number}/{name}.jpg</url>
         <imgModality>7</imgModality>
         <region type="panel">
            <globalImageFeatures/>
         </region>
      </panel>
   </parentImage>"""
