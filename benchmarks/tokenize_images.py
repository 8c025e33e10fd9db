"""How fast images become codes, beside the reference's encoder, on the same cores in one run.

    pip install --no-deps taming-transformers-rom1504==0.0.6 einops
    python benchmarks/tokenize_images.py --threads 2 --write

Both have the same random weights at the released width (f8, 8,192 codes) and the same images; the
contenders take turns, and times are medians:

- taming: encoder and Gumbel quantizer of taming-transformers as published, which draws its codes
- taming, argmax: the same encoder, and the likeliest code of its logits; what ours is held against
- ours: ``encode_images`` of the tokenizer as the stage loads it

The second table is the whole stage's work on one worker (Parquet, decoding, resizing, encoding,
Parquet), scaled to 600,000 figures of 800 x 600 pixels.

(The reference is named a package here, not a dependency: it asks for torchvision and Lightning,
which its encoder does not use. This file is not called tokenize.py, for Python has a module of that
name, and a script's folder is searched first.)
"""

from __future__ import annotations

import argparse
import io
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from results import show
from torch import Tensor, nn

from components.dataset.codes import Place
from components.dataset.encodings import Encoding, Transform, encode_unit, make_key
from components.lineage import hash_bytes
from components.records import ImageRecord, write_records
from components.tokenization.image import encode_images, load_encoder, save_tokenizer
from components.tokenization.vqgan import Vqgan, VqganConfig

SIZES = {128: (1, 4, 8), 256: (1, 2, 4)}  # pixels: images at a time
NUM_IMAGES, CORES = 600_000, (16, 256)
FIGURE_PX, NUM_FIGURES = (800, 600), 64
TIE = 1e-4  # logits this close, relative to their range, may be ordered either way by rounding


class Taming(nn.Module):
    """The parts of taming's GumbelVQ that codes pass through, under its names."""

    def __init__(self, config: VqganConfig) -> None:
        try:
            from taming.modules.diffusionmodules.model import Encoder
            from taming.modules.vqvae.quantize import GumbelQuantize
        except ImportError as error:
            raise SystemExit(f"{error}: see the pip command at the top of this file") from None
        super().__init__()
        self.encoder = Encoder(
            ch=config.channels, out_ch=3, ch_mult=config.multipliers, in_channels=3,
            num_res_blocks=config.num_blocks, attn_resolutions=[32], resolution=256,
            z_channels=config.latent, double_z=False,
        )  # fmt: skip
        self.quant_conv = nn.Conv2d(config.latent, config.latent, 1)
        self.quantize = GumbelQuantize(config.latent, config.latent, n_embed=config.num_codes)

    def logits(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, K, h, w)."""
        found: Tensor = self.quantize.proj(self.quant_conv(self.encoder(images)))
        return found

    def draw(self, images: Tensor) -> Tensor:
        """Codes as GumbelVQ.encode gives them: a sample."""
        return self.quantize(self.quant_conv(self.encoder(images)))[2][2]

    def likeliest(self, images: Tensor) -> Tensor:
        """The codes without the noise."""
        return self.logits(images).argmax(1)


def check_codes(reference: Taming, images: Tensor, ours: Tensor) -> int:
    """Number of cells whose code is another; SystemExit where that is no tie."""
    logits = reference.logits(images)
    best = logits.amax(1)
    behind = best - logits.gather(1, ours[:, None])[:, 0]
    if bool((behind > TIE * (best - logits.amin(1))).any()):
        raise SystemExit("the codes differ")
    return int((logits.argmax(1) != ours).sum())


def measure(
    contenders: dict[str, Callable[[Tensor], Tensor]], images: Tensor, repeats: int
) -> dict[str, float]:
    """Median seconds of each contender; they take turns, and the first turn does not count."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(repeats + 1):
        for name, encode in contenders.items():
            start = time.perf_counter()
            encode(images)
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(found[1:]) for name, found in times.items()}


@torch.no_grad()
def compare(folder: Path, repeats: int) -> list[str]:
    """Lines of the table: seconds an image of each contender, and ours over theirs."""
    ours, reference = load_encoder(folder, "cpu"), Taming(VqganConfig()).eval()
    state = ours.state_dict()
    reference.load_state_dict({name: state[name] for name in reference.state_dict()})
    contenders: dict[str, Callable[[Tensor], Tensor]] = {
        "taming": reference.draw,
        "taming, argmax": reference.likeliest,
        "ours": lambda images: encode_images(ours, images),
    }
    lines = [
        f"| image | at a time | {' | '.join(contenders)} | images/s of ours | "
        "times taming | times taming, argmax | cells of another code |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for px, counts in SIZES.items():
        for num in counts:
            images = torch.rand(num, 3, px, px, generator=torch.Generator().manual_seed(px)) * 2 - 1
            differing = check_codes(reference, images, encode_images(ours, images))
            found = measure(contenders, images, repeats)
            cells = " | ".join(f"{seconds / num:.3f} s" for seconds in found.values())
            gains = " | ".join(f"{found[n] / found['ours']:.2f}" for n in list(found)[:2])
            total = num * (px // 8) ** 2
            rate = num / found["ours"]
            lines.append(f"| {px} px | {num} | {cells} | {rate:.2f} | {gains} | "
                         f"{differing} of {total:,} |")  # fmt: skip
    return lines


def make_figures(path: Path) -> list[Place]:
    """A Parquet file of smooth JPEG images in the size of a journal's figures."""
    chance, records = np.random.default_rng(0), []
    for number in range(NUM_FIGURES):
        small = Image.fromarray(chance.integers(0, 256, (60, 80, 3), dtype=np.uint8))
        buffer = io.BytesIO()
        small.resize(FIGURE_PX, Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
        content = buffer.getvalue()
        records.append(
            ImageRecord(hash_bytes(content), content, "JPEG", *FIGURE_PX, "", f"#{number}")
        )
    write_records(path, ImageRecord, records)
    return [Place(record.id, "", path.as_posix(), 0) for record in records]


def plan(folder: Path, threads: int) -> list[str]:
    """Lines of the table: images a second of one worker, and hours for all on some cores."""
    places = make_figures(folder / "images.parquet")
    heads = " | ".join(f"{cores} cores" for cores in CORES)
    lines = [
        f"| codes of | images/s, one worker of {threads} threads | the same worker for all | "
        f"{heads} |",
        "|---|---|---|" + "---|" * len(CORES),
    ]
    for px, counts in SIZES.items():
        encoding = Encoding(folder, Transform(px, "centre", None), counts[-1], "cpu", threads)
        kept = folder / make_key(folder, encoding.transform)
        encode_unit(places[: counts[-1]], encoding, kept)  # loads the weights
        start = time.perf_counter()
        rejects = encode_unit(places, encoding, kept)
        rate = len(places) / (time.perf_counter() - start)
        assert not rejects
        hours = NUM_IMAGES / rate / 3600
        spread = " | ".join(f"{hours * threads / cores:.1f} h" for cores in CORES)
        lines.append(f"| the middle {px} px of {2 * px} | {rate:.2f} | {hours:.0f} h | {spread} |")
    return lines


def table(threads: int, repeats: int) -> str:
    """Both tables as Markdown."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_tokenizer(Vqgan(VqganConfig()), folder)
        compared, planned = compare(folder, repeats), plan(folder, threads)
    now = datetime.now().astimezone().date().isoformat()
    load = os.getloadavg()[0]
    head = [
        f"### Images to codes, full width, cpu, {threads} threads, {now}",
        "",
        f"`python benchmarks/tokenize_images.py --threads {threads} --repeats {repeats}`, "
        f"{os.cpu_count()} cores ({platform.processor() or platform.machine()}), torch "
        f"{torch.__version__}, float32, medians of {repeats}; seconds are an image's.",
        "",
    ]
    middle = ["", f"{NUM_IMAGES:,} figures of {FIGURE_PX[0]} x {FIGURE_PX[1]} pixels:", ""]
    print(f"load at the end: {load:.1f}")
    return "\n".join([*head, *compared, *middle, *planned, ""])


def main() -> None:
    """Time, print and, with --write, keep the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="append to RESULTS.md")
    given = parser.parse_args()
    show(table(given.threads, given.repeats), given.write)


if __name__ == "__main__":
    main()
