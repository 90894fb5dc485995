"""GPT-2's byte-level BPE over {vocab.json, merges.txt}, read and trained; a thin face of the tokenizers
package.

The two plain files are the form that every version of `tokenizers` reads and writes alike; tokenizer.json is
not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from clipcap_ext.caption_text import clean_caption
from clipcap_ext.errors import CheckpointError

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from tokenizers.models import Model

END_OF_TEXT = "<|endoftext|>"
FILES = ("vocab.json", "merges.txt")


class BpeTokenizer:
    """Text to ids and back; ids are exactly GPT-2's where the files are."""

    def __init__(self, backend: Tokenizer) -> None:
        self._backend = backend

    def encode(self, text: str) -> list[int]:
        """Ids of `text`, nothing added; `<|endoftext|>` inside it becomes its one id."""
        return self._backend.encode(text, add_special_tokens=False).ids

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode` of many texts."""
        return [
            encoding.ids for encoding in self._backend.encode_batch(list(texts), add_special_tokens=False)
        ]

    def decode(self, ids: Sequence[int]) -> str:
        """Text of `ids`; ids beyond the vocabulary and special tokens are left out."""
        return self._backend.decode(list(ids), skip_special_tokens=True)

    def caption_ids(self, captions: Sequence[str]) -> list[list[int]]:
        """Captions as they are learnt: their full stop, where they have one, is their end."""
        return self.encode_batch(captions)

    def caption(self, ids: Sequence[int]) -> str:
        """The caption that was decoded as `ids`, cleaned up as the paper does."""
        return clean_caption(self.decode(ids))

    @property
    def vocab_size(self) -> int:
        """How many ids there are."""
        return self._backend.get_vocab_size()

    @cached_property
    def end_of_text_id(self) -> int | None:
        """The id of `<|endoftext|>`, None where the vocabulary lacks it."""
        return self._backend.token_to_id(END_OF_TEXT)

    @cached_property
    def stop_ids(self) -> frozenset[int]:
        """Every token that ends a caption: those that contain a full stop, and `<|endoftext|>`."""
        vocabulary = self._backend.get_vocab()
        return frozenset(i for token, i in vocabulary.items() if "." in token or token == END_OF_TEXT)

    def save(self, folder: Path) -> None:
        """Write vocab.json and merges.txt into `folder`."""
        self._backend.model.save(str(folder))


def load_tokenizer(folder: Path | str) -> BpeTokenizer:
    """Read a folder with vocab.json and merges.txt; CheckpointError if they are missing or malformed."""
    from tokenizers.models import BPE

    folder = Path(folder)
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise CheckpointError(f"No tokenizer in {folder}: {' and '.join(missing)} not found there.")
    try:
        model = BPE.from_file(*(str(folder / name) for name in FILES))
        special = END_OF_TEXT in json.loads((folder / FILES[0]).read_text(encoding="utf-8"))
    except Exception as error:  # the Rust side raises plain Exception
        raise CheckpointError(f"The tokenizer in {folder} cannot be read: {error}") from error
    return BpeTokenizer(_backend(model, special))


def train_bpe(texts: Iterable[str], vocab_size: int) -> BpeTokenizer:
    """Train a byte-level BPE with at most `vocab_size` entries, `<|endoftext|>` among them."""
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel
    from tokenizers.trainers import BpeTrainer

    backend = _backend(BPE(), special=False)
    trainer = BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(texts, trainer)
    return BpeTokenizer(backend)


def _backend(model: Model, special: bool) -> Tokenizer:
    from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers

    backend = Tokenizer(model)
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    if special:
        backend.add_special_tokens([AddedToken(END_OF_TEXT)])
    return backend
