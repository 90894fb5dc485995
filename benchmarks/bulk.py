"""Many picture files to features and to captions, against the encoder's own rate on pixels that are there

The bundled model, and ViT-B/32 and ViT-L/14 before GPT-2 small with random weights. Files are read by threads
while the encoder works, or in turns with it; every way sees the same files, one way after another.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.decoding import CAPTION_TOKENS, Numbers, as_loaded
from benchmarks.measure import publish, seconds, table
from benchmarks.precision import clear_model
from clipcap_ext import load_captioner
from clipcap_ext.batch.captioning import BATCH_SIZE, caption_files
from clipcap_ext.caption import Candidate, Caption, DecodingOptions
from clipcap_ext.captioning import Captioner, Captioning
from clipcap_ext.engine.checkpoint.config import EncoderConfig
from clipcap_ext.engine.clip.encoder import ClipEncoder
from clipcap_ext.engine.clip.loading import build_clip
from clipcap_ext.engine.clip.preprocess import Preprocess
from clipcap_ext.engine.clip.text import ClipTokens
from clipcap_ext.engine.clipcap.captioner import ClipCapCaptioner

BUNDLED = "tiny-flickr8k"
RANDOM = {"ViT-B-32": 1, "ViT-L-14": 4}  # and a part of how many of the files each is given
NOTHING = Caption("", "", (Candidate("", 0.0),))
TINY_CLIP = {
    "embed_dim": 768,
    "vision_cfg": {"layers": 2, "width": 32, "head_width": 16, "patch_size": 16, "image_size": 64},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}


def random_encoder(name: str, small: bool) -> ClipEncoder:
    """open_clip's model of that name with random weights, its features as wide as ViT-L/14's; or a small
    one."""
    import open_clip

    torch.manual_seed(0)
    config = TINY_CLIP if small else {**open_clip.get_model_config(name), "embed_dim": 768}
    clip = build_clip(config)
    size = config["vision_cfg"]["image_size"]  # type: ignore[index]
    return ClipEncoder(clip, Preprocess(size=size), ClipTokens(77), EncoderConfig("random", ""))


def random_captioner(
    name: str, small: bool, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32,
    precision: str = "exact",
) -> Any:  # fmt: skip
    """Such an encoder before a random GPT-2 small, which always says as many tokens as a caption has."""
    encoder = random_encoder(name, small).to(device, dtype)
    model = as_loaded(clear_model(small)).to(device=device, dtype=dtype)
    options = DecodingOptions(max_new_tokens=CAPTION_TOKENS, precision=precision)
    return ClipCapCaptioner("random", encoder, model, Numbers(), options)


def random_pixels(encoder: Any, count: int) -> Tensor:
    """What `count` pictures look like to it."""
    size = encoder.preprocess.size
    return torch.randn(count, 3, size, size)


def write_photos(folder: Path, count: int) -> list[Path]:
    """JPEGs of 640 x 480 with something in them."""
    chance = np.random.default_rng(0)
    made = []
    for number in range(count):
        coarse = Image.fromarray(chance.integers(0, 255, (48, 64, 3), dtype=np.uint8))
        made.append(folder / f"{number:05}.jpg")
        coarse.resize((640, 480), Image.Resampling.BICUBIC).save(made[-1], quality=90)
    return made


def steps(captioner: Captioner, say: bool, in_turns: bool) -> Captioning:
    """The captioner's steps, its words or only what it sees."""

    def nothing(looked: Sequence[object]) -> list[Caption]:
        return [NOTHING] * len(looked)

    return Captioning(
        captioner.look, captioner.caption_looked if say else nothing, captioner.prepare, in_turns
    )


def rates(
    captioner: Captioner, fast: Captioner | None, files: Sequence[Path], rounds: int
) -> dict[str, float]:
    """Pictures a second of each way, medians, in turns. fast: the captioner in 8 bits, where there is one."""
    encoder: Any = captioner.encoder
    pixels = random_pixels(encoder, BATCH_SIZE)

    def alone() -> None:
        for _ in range(0, len(files), BATCH_SIZE):
            encoder.encode_image(pixels)

    def through(say: bool, in_turns: bool, captioner: Captioner = captioner) -> None:
        done = list(caption_files(files, steps(captioner, say, in_turns)))
        assert all(one.caption is not None for one in done), done[0].problem

    ways: dict[str, Callable[[], None]] = {
        "encoder alone": alone, "files to features, read meanwhile": partial(through, False, False),
        "files to features, in turns": partial(through, False, True),
        "files to captions, read meanwhile": partial(through, True, False),
        "files to captions, in turns": partial(through, True, True),
    }  # fmt: skip
    if fast is not None:
        ways["files to captions, in turns, fast"] = partial(through, True, True, fast)
    taken: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(rounds + 1):
        for way, action in ways.items():
            spent = seconds(action)
            if turn or not rounds:
                taken[way].append(spent)
    return {way: len(files) / statistics.median(values) for way, values in taken.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--files", type=int, default=64)
    parser.add_argument("--only", choices=(BUNDLED, *RANDOM), help="one model; writes nothing")
    parser.add_argument("--small", action="store_true", help="small, to try the script; writes nothing")
    arguments = parser.parse_args()
    names = [arguments.only] if arguments.only else [BUNDLED, *RANDOM]
    rows = []
    with tempfile.TemporaryDirectory() as place:
        files = write_photos(Path(place), arguments.files)
        for name in names:
            wide = name in RANDOM
            captioner = random_captioner(name, arguments.small) if wide else load_captioner(name)
            fast = random_captioner(name, arguments.small, precision="fast") if wide else None
            found = rates(captioner, fast, files[:: RANDOM.get(name, 1)], arguments.rounds)
            title = f"{name}, GPT-2 small" if wide else name
            rows += [
                [title, way, f"{rate:.1f}", f"{rate / found['encoder alone']:.0%}"]
                for way, rate in found.items()
            ]
    text = table(["model", "JPEGs of 640 x 480", "pictures a second", "of the encoder"], rows)
    print(text) if arguments.small or arguments.only else publish("bulk", text)


if __name__ == "__main__":
    main()
