"""Peak memory of training on feature shards and of making them, as the data set grows

Training: one epoch of a tiny ClipCap on synthetic features (512 numbers, one caption a picture), validation
and export included, from shards and with the same corpus in memory. Making: synthetic shards of small JPEGs
through an encoder that costs nothing but gives long features, so that keeping them would show. Each figure is
of a process of its own.
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from PIL import Image

from benchmarks.measure import publish, table
from clipcap_ext.corpus import Corpus, Example, FeatureTable
from clipcap_ext.corpus.feature_folder import FeatureFolder, Manifest, Row
from clipcap_ext.corpus.making import make_features
from clipcap_ext.corpus.parts.finding import find_parts
from clipcap_ext.engine.checkpoint.config import EncoderConfig
from clipcap_ext.engine.clip.encoder import ClipEncoder
from clipcap_ext.train.clipcap.config import CaptioningConfig
from clipcap_ext.train.task import Task

SHARDS, ROWS, CLIP_DIM = 8, 1000, 512  # of the smallest feature folder: 8,000 pictures, 16 MB
BUFFER = 4000
TARS, PHOTOS, LONG = 8, 100, 16384  # of the smallest data set to encode, and how long its features are
WORDS = [
    f"{a}{b}"
    for a in ("ba", "do", "ki", "lu", "me", "no", "pa", "ri")
    for b in ("ck", "ll", "mp", "nt", "st")
]
CONFIG = CaptioningConfig(
    epochs=1, batch_size=500, lr=1e-3, encoder="synthetic", encoder_weights="none", prefix_length=2,
    gpt2="scratch",
    n_layer=1, n_head=2, n_embd=16, n_positions=24, tokenizer="captions", vocab_size=400, max_tokens=20,
    holdout=100, buffer=BUFFER, log_every=100, device="cpu",
)  # fmt: skip


class LongColours:
    """An encoder in shape only: the picture's own bytes, repeated to LONG numbers."""

    fingerprint, clip_dim, config = "long-colours", LONG, EncoderConfig("long-colours", "")

    def preprocess(self, image: Image.Image) -> torch.Tensor:
        return torch.from_numpy(np.asarray(image.resize((16, 16)), dtype=np.float32) / 255).permute(2, 0, 1)

    def encode_image(self, batch: torch.Tensor) -> torch.Tensor:
        return batch.flatten(1).repeat(1, LONG // 768 + 1)[:, :LONG].clone()


def write_features(path: Path, times: int) -> None:
    """Random features and captions in SHARDS * times shards."""
    names = tuple(f"{i:06}.tar" for i in range(SHARDS * times))
    encoder = EncoderConfig("synthetic", "none")
    folder = FeatureFolder.create(path, Manifest(encoder, "synthetic", CLIP_DIM, 1, names))
    for number in range(len(names)):
        rng = np.random.default_rng(number)
        features = torch.from_numpy(rng.standard_normal((ROWS, 1, CLIP_DIM), dtype=np.float32))
        chosen = rng.integers(len(WORDS), size=(ROWS, 9))
        rows = [
            Row(str(i), f"{number * ROWS + i:016x}", (" ".join(WORDS[w] for w in words[: 5 + i % 5]),))
            for i, words in enumerate(chosen.tolist())
        ]
        folder.write(number, "", features, rows, ())


def write_tars(path: Path, times: int) -> None:
    """Random JPEGs of 64 x 64 in TARS * times tars."""
    path.mkdir()
    for number in range(TARS * times):
        rng = np.random.default_rng(number)
        with tarfile.open(path / f"{number:04}.tar", "w") as archive:
            for i in range(PHOTOS):
                file = io.BytesIO()
                Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(file, "JPEG")
                for suffix, content in (("jpg", file.getvalue()), ("txt", b"a caption")):
                    member = tarfile.TarInfo(f"{i:06}.{suffix}")
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))


def train(folder: Path, out: Path, streamed: bool) -> None:
    """One epoch, from shards or with all of it in memory."""
    from accelerate import Accelerator

    from clipcap_ext.train.loop.loop import Trainer

    out.mkdir()
    Trainer(task_of(folder, streamed), out, Accelerator(cpu=True)).run()


def task_of(folder: Path, streamed: bool) -> Task[Any]:
    """The task of either kind."""
    from clipcap_ext.train.clipcap.streamed import StreamedClipCapTask
    from clipcap_ext.train.clipcap.task import ClipCapTask

    if streamed:
        return StreamedClipCapTask.build(CONFIG, folder, lambda line: None)
    (train, train_features), (val, val_features) = whole(FeatureFolder.open(folder))
    return ClipCapTask(CONFIG, train, train_features, val, val_features)


def whole(folder: FeatureFolder) -> list[tuple[Corpus, FeatureTable]]:
    """A folder's training and validation part in memory; the first 100 pictures validate."""
    shards = range(len(folder.manifest.parts))
    features = torch.cat([folder.features(shard) for shard in shards])
    rows = [row for shard in shards for row in folder.rows(shard)]
    examples = tuple(Example(row.fingerprint, Path(row.key), row.captions) for row in rows)
    parts = []
    held = CONFIG.held_out(len(examples))
    for chosen in (slice(held, None), slice(0, held)):
        corpus = Corpus("synthetic", examples[chosen])
        parts.append((corpus, FeatureTable(tuple(corpus.image_ids), features[chosen])))
    return parts


def child(kind: str, folder: Path, out: Path) -> None:
    """Do one piece of work in this process and tell its peak memory in MiB."""
    torch.set_num_threads(1)
    if kind == "make":
        make_features(cast(ClipEncoder, LongColours()), find_parts([str(folder)]), out)
    else:
        train(folder, out, kind == "stream")
    print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def peak(kind: str, folder: Path, out: Path) -> str:
    """Peak memory of a process of its own."""
    words = [sys.executable, __file__, "--child", kind, str(folder), str(out)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    return f"{float(done.stdout.splitlines()[-1]):.0f} MiB"


def megabytes(folder: Path) -> str:
    return f"{sum(path.stat().st_size for path in folder.rglob('*') if path.is_file()) / 1e6:.0f} MB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--child", nargs=3, metavar=("KIND", "FOLDER", "OUT"), help="used by the script itself"
    )
    parser.add_argument("--small", action="store_true", help="two sizes, to try the script; writes nothing")
    arguments = parser.parse_args()
    if arguments.child:
        return child(arguments.child[0], *map(Path, arguments.child[1:]))
    rows, made = [], []
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        for times in (1, 2) if arguments.small else (1, 4, 16):
            folder = place / f"features-{times}"
            write_features(folder, times)
            peaks = [peak(kind, folder, place / f"{kind}-{times}") for kind in ("stream", "memory")]
            rows.append([f"{times}x: {SHARDS * ROWS * times} pictures", megabytes(folder), *peaks])
        for times in (1, 2) if arguments.small else (1, 4):
            folder, out = place / f"tars-{times}", place / f"made-{times}"
            write_tars(folder, times)
            told = peak("make", folder, out)
            made.append([f"{times}x: {TARS * PHOTOS * times} pictures", megabytes(out), told])
    text = table(
        [f"training, buffer of {BUFFER} captions", "features on disk", "from shards", "all in memory"], rows
    )
    text += "\n\n" + table(["making features", "features on disk", "peak memory"], made)
    print(text) if arguments.small else publish("streaming", text)


if __name__ == "__main__":
    main()
