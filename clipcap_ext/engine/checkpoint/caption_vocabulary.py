"""What a captioner asks of its vocabulary of word pieces, whichever kind it is; no kind is known here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol


class CaptionVocabulary(Protocol):
    """Text to ids and back, and how a caption ends: that is the vocabulary's, for not every script has a
    full stop."""

    @property
    def vocab_size(self) -> int:
        """How many ids there are."""
        ...

    @property
    def stop_ids(self) -> frozenset[int]:
        """Every token that ends a caption."""
        ...

    def encode(self, text: str) -> list[int]:
        """Ids of `text`, nothing added."""
        ...

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode` of many texts."""
        ...

    def caption_ids(self, captions: Sequence[str]) -> list[list[int]]:
        """Captions as they are learnt."""
        ...

    def caption(self, ids: Sequence[int]) -> str:
        """The caption that was decoded as `ids`."""
        ...

    def save(self, folder: Path) -> None:
        """Write its files into `folder`."""
        ...
