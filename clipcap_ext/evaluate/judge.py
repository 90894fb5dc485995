"""The CLIP that judges captions for CLIPScore, named by the user; never the one that ranked them. It scores
nothing itself."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from clipcap_ext.corpus import Corpus, encode_corpus
from clipcap_ext.engine.checkpoint.config import EncoderConfig
from clipcap_ext.engine.clip.encoder import ClipEncoder
from clipcap_ext.engine.clip.similarity import exact_cosines, unit_rows
from clipcap_ext.engine.encoder_names import load_named_encoder, process_device
from clipcap_ext.errors import ScoringError
from clipcap_ext.evaluate.dataset import EvaluationSplit
from clipcap_ext.evaluate.encoders import encode_texts
from clipcap_ext.evaluate.leakage import training_overlap
from clipcap_ext.evaluate.request import EvaluationRequest

SAME_TOWER = "CLIPScore is by the encoder whose features the captions were made from: it may be kind to them."


class ClipJudge:
    """A CLIP that looks at photos and reads captions, each once, however many systems are scored."""

    def __init__(self, name: str, encoder: ClipEncoder, corpus: Corpus, batch_size: int = 16) -> None:
        """corpus: the images, a photo a caption. ScoringError if the encoder has no text tower."""
        if not encoder.reads_text:
            raise ScoringError(f"{name} has no text tower, so it cannot give CLIPScore: choose a CLIP.")
        self.name, self.fingerprint = name, encoder.fingerprint
        self.encoder, self._corpus, self._batch_size = encoder, corpus, batch_size
        self._images: dict[str, np.ndarray] = {}
        self._texts: dict[str, np.ndarray] = {}

    def check_independence(self, encoder: EncoderConfig | None, fingerprint: str, ranked: bool) -> str:
        """ScoringError if this tower ranked the captions; a note to print, else empty, if they were made from
        it. encoder and its fingerprint: the captioner's."""
        mine = self.encoder.config
        same = encoder is not None and (mine.model, mine.pretrained) == (encoder.model, encoder.pretrained)
        if not same and self.encoder.fingerprint != fingerprint:
            return ""
        if ranked:
            raise ScoringError(
                f"CLIPScore by {self.name} says nothing of these captions: the same encoder chose them among "
                "others. Name another encoder, or rank by logprob."
            )
        return SAME_TOWER

    def cosines(
        self, photos: Sequence[str], texts: Sequence[str], groups: Sequence[Sequence[str]]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Of n texts: each one's cosine with its photo (n,), and with the nearest of its group of texts (n,).

        photos: image_ids of the corpus. ScoringError for one that cannot be opened.
        """
        seen = self._look(photos)  # (n, clip_dim)
        self._read([*texts, *(text for group in groups for text in group)])
        texts_seen = np.stack([self._texts[text] for text in texts])  # (n, clip_dim)
        heard = [np.stack([self._texts[text] for text in group]) for group in groups]
        return paired_cosines(seen, texts_seen), nearest_cosines(texts_seen, heard)

    def _look(self, image_ids: Sequence[str]) -> np.ndarray:
        missing = [image_id for image_id in image_ids if image_id not in self._images]
        if missing:
            with tempfile.TemporaryDirectory() as cache:
                table = encode_corpus(
                    self.encoder, self._corpus.subset(missing), cache, batch_size=self._batch_size
                )
            if table.problems:
                raise ScoringError(f"CLIPScore needs every image; {table.problems[0]}")
            seen = table.features[:, 0, : self.encoder.clip_dim]
            self._images |= dict(zip(table.image_ids, seen.numpy(), strict=True))
        return np.stack([self._images[image_id] for image_id in image_ids])

    def _read(self, texts: Sequence[str]) -> None:
        new = sorted(set(texts) - self._texts.keys())
        if new:
            self._texts |= dict(zip(new, encode_texts(self.encoder, new).numpy(), strict=True))


def load_judge(request: EvaluationRequest, split: EvaluationSplit) -> tuple[ClipJudge | None, list[str]]:
    """What gives CLIPScore, if it is asked for, and what is to be said of it. UsageError without photos."""
    if not request.clip_score:
        return None, []
    split.check_photos("--clip-score")
    encoder, folders = load_named_encoder(request.clip_score, process_device(request.device, 0))
    seen = training_overlap(folders, split.corpus.examples).image_ids
    note = f"The encoder of CLIPScore was trained on {len(seen)} of these {len(split.corpus)} images."
    name = Path(request.clip_score).name if not encoder.config.pretrained else request.clip_score
    return ClipJudge(name, encoder, split.corpus, request.batch_size), [note] if seen else []


def paired_cosines(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Of features (n, d) and (n, d) of any norm, row by row: (n,)."""
    return (unit_rows(rows) * unit_rows(others)).sum(axis=1)


def nearest_cosines(rows: np.ndarray, groups: Sequence[np.ndarray]) -> np.ndarray:
    """Of features (n, d), each with the nearest of its own group (r, d); any norm: (n,)."""
    return np.array([exact_cosines(group, row[None]).max() for group, row in zip(groups, rows, strict=True)])
