"""CLIPScore and RefCLIPScore (Hessel et al.) by a CLIP that is named; never by the one that ranked the
captions."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from clipcap_ext.corpus import Corpus, encode_corpus
from clipcap_ext.engine.checkpoint.config import EncoderConfig
from clipcap_ext.engine.clip.encoder import ClipEncoder
from clipcap_ext.engine.clip.similarity import exact_cosines, unit_rows
from clipcap_ext.errors import ScoringError
from clipcap_ext.evaluate.encoders import encode_texts
from clipcap_ext.metrics import MetricTable, Scores
from clipcap_ext.metrics.signature import signature_word, with_part
from clipcap_ext.metrics.table import mean_table

WEIGHT, PREFIX = 2.5, "A photo depicts "
CLIP, REF_CLIP = "CLIPScore", "RefCLIPScore"
SAME_TOWER = "CLIPScore is by the encoder whose features the captions were made from: it may be kind to them."


class ClipJudge:
    """A CLIP that scores captions. It sees each image and each text once, however many systems it scores."""

    def __init__(self, name: str, encoder: ClipEncoder, corpus: Corpus, batch_size: int = 16) -> None:
        """corpus: the images, a photo a caption. ScoringError if the encoder has no text tower."""
        if not encoder.reads_text:
            raise ScoringError(f"{name} has no text tower, so it cannot give CLIPScore: choose a CLIP.")
        self.name, self.encoder, self._corpus, self._batch_size = name, encoder, corpus, batch_size
        self._images: dict[str, np.ndarray] = {}
        self._texts: dict[str, np.ndarray] = {}

    def check_independence(self, encoder: EncoderConfig, fingerprint: str, ranked: bool) -> str:
        """ScoringError if this tower ranked the captions; a note to print, else empty, if they were made from
        it. encoder and its fingerprint: the captioner's."""
        mine = self.encoder.config
        same = (mine.model, mine.pretrained) == (encoder.model, encoder.pretrained)
        if not same and self.encoder.fingerprint != fingerprint:
            return ""
        if ranked:
            raise ScoringError(
                f"CLIPScore by {self.name} says nothing of these captions: the same encoder chose them among "
                "others. Name another encoder, or rank by logprob."
            )
        return SAME_TOWER

    def judged(
        self, scores: Scores, captions: Mapping[str, str], references: Mapping[str, Sequence[str]],
        images: Mapping[str, str] | None = None,
    ) -> Scores:  # fmt: skip
        """`scores` with both metrics beside the others, and this encoder in the signature.

        `images` says whose photo a key means, where a photo has several captions; else a key is an image_id.
        """
        tables = {**scores.tables, **self.tables(scores.image_ids, captions, references, images)}
        said = f"clipscore:w{WEIGHT}:{signature_word(self.name)}:{self.encoder.fingerprint[:8]}"
        return replace(scores, tables=tables, signature=with_part(scores.signature, said))

    def tables(
        self, image_ids: Sequence[str], captions: Mapping[str, str], references: Mapping[str, Sequence[str]],
        images: Mapping[str, str] | None = None,
    ) -> dict[str, MetricTable]:  # fmt: skip
        """Both metrics over images; texts are taken as they are, not tokenised."""
        seen = self._features_of([images[key] for key in image_ids] if images else image_ids)  # (n, clip_dim)
        self._read([*captions.values(), *(text for image_id in image_ids for text in references[image_id])])
        said = np.stack([self._texts[captions[image_id]] for image_id in image_ids])  # (n, clip_dim)
        heard = [np.stack([self._texts[text] for text in references[image_id]]) for image_id in image_ids]
        plain = clip_scores(seen, said)
        return {CLIP: mean_table(plain), REF_CLIP: mean_table(ref_clip_scores(plain, said, heard))}

    def _features_of(self, image_ids: Sequence[str]) -> np.ndarray:
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
            features = encode_texts(self.encoder, [PREFIX + text for text in new]).numpy()
            self._texts |= dict(zip(new, features, strict=True))


def clip_scores(images: np.ndarray, captions: np.ndarray) -> np.ndarray:
    """images, captions (n, d) of any norm -> (n,) from 0 to 2.5: the cosine, not below 0, times 2.5."""
    return WEIGHT * np.clip((unit_rows(images) * unit_rows(captions)).sum(axis=1), 0.0, 1.0)


def ref_clip_scores(plain: np.ndarray, captions: np.ndarray, references: Sequence[np.ndarray]) -> np.ndarray:
    """Harmonic means of CLIPScore (n,) and the cosine, not below 0, of each caption with its nearest
    reference.

    captions (n, d) and for each its references (r, d), of any norm.
    """
    found = [exact_cosines(refs, one[None]).max() for one, refs in zip(captions, references, strict=True)]
    nearest = np.maximum(found, 0.0)
    total = plain + nearest
    return np.divide(2 * plain * nearest, total, out=np.zeros_like(total), where=total > 0)
