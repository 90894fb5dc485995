"""Images of which only the features are kept: a feature folder as a corpus, and captions made from it; it
opens no photo."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.captioning import Captioner, Looked
from clipcap_ext.corpus import Corpus, Example
from clipcap_ext.corpus.feature_folder import FeatureFolder, Row
from clipcap_ext.corpus.layouts.conceptual import split_of
from clipcap_ext.errors import CorpusError, UsageError
from clipcap_ext.evaluate.generation import WIDE, Progress

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class StoredFeatures:
    """The features of a corpus' images. places: image_id -> its shard and its row there."""

    folder: FeatureFolder
    places: Mapping[str, tuple[int, int]]

    def check_made_for(self, captioner: Captioner) -> None:
        """UsageError unless `captioner` looks through the encoder that made them, and needs nothing else."""
        made, encoder = self.folder.manifest, captioner.encoder
        if not encoder.clip_dim:
            raise UsageError(
                f"{captioner.name} looks at pictures itself, and {self.folder.path} holds only features of "
                "them: score it on the photos."
            )
        if encoder.concept_words:
            raise UsageError(
                f"{captioner.name} also reads what a classifier sees in a photo, which {self.folder.path} "
                "does not hold: score it on the photos."
            )
        if encoder.fingerprint != made.fingerprint:
            name = "/".join(part for part in (made.encoder.model, made.encoder.pretrained) if part)
            raise UsageError(
                f"{self.folder.path} holds features of the encoder {name} ({made.fingerprint[:8]}, normalize "
                f"{str(made.encoder.normalize).lower()}), and {captioner.name} looks through another one "
                f"({encoder.fingerprint[:8]}): make them again with this model as --encoder, or name the "
                "photos."
            )

    def rows(self, image_ids: Sequence[str]) -> Iterator[Tensor]:
        """Each image's features (clip_dim,), those of the plain look; one shard at a time is in memory."""
        held, features = -1, None
        for image_id in image_ids:
            shard, row = self.places[image_id]
            if features is None or shard != held:
                held, features = shard, self.folder.features(shard)[:, 0]  # (n, clip_dim)
            yield features[row]


def read_stored(path: Path) -> tuple[Corpus, StoredFeatures]:
    """The images of a feature folder, each under the key that its data set gave it, and their features.

    The rows of a table are in the split that its file's name says. CorpusError if a shard is missing or
    damaged, or there is no image.
    """
    folder = FeatureFolder.open(path)
    folder.infos()
    rows = list(_rows(folder))
    counts = Counter(row.key for _, _, row in rows)
    examples, places = [], {}
    for shard, number, row in rows:
        part = folder.manifest.parts[shard]
        image_id = row.key if counts[row.key] == 1 else f"{part}/{number}/{row.key}"
        table, suffix, _ = part.partition(".tsv:")
        split = split_of(table + suffix) if suffix else None
        examples.append(Example(image_id, path / image_id, row.captions, split, fingerprint=row.fingerprint))
        places[image_id] = (shard, number)
    if not examples:
        raise CorpusError(f"{path} holds the features of no picture.")
    return Corpus(path.resolve().name, tuple(examples)), StoredFeatures(folder, places)


def _rows(folder: FeatureFolder) -> Iterator[tuple[int, int, Row]]:
    for shard in range(len(folder.manifest.parts)):
        for number, row in enumerate(folder.rows(shard)):
            yield shard, number, row


def caption_stored(
    captioner: Captioner,
    stored: StoredFeatures,
    examples: Sequence[Example],
    options: DecodingOptions,
    batch_size: int,
    progress: Progress,
) -> dict[str, str]:
    """image_id -> caption, each seeded by its photo's fingerprint, else its id, where words are drawn."""
    captions: dict[str, str] = {}
    rows = stored.rows([example.image_id for example in examples])
    wide = max(batch_size, WIDE)  # nothing is encoded, and captions are decoded faster together
    for start in range(0, len(examples), wide):
        batch = examples[start : start + wide]
        seen = zip(batch, islice(rows, len(batch)), strict=True)
        device = captioner.encoder.device
        looked = [
            Looked(features.to(device), example.fingerprint or example.image_id) for example, features in seen
        ]
        made = captioner.caption_looked(looked, options)
        captions.update(
            (example.image_id, caption.text) for example, caption in zip(batch, made, strict=True)
        )
        progress(start + len(batch), len(examples))
    return captions
