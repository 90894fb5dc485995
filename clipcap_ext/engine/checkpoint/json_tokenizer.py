"""A language model's own tokenizer in one tokenizer.json, of any kind and script; a thin face of the
tokenizers package. Not GPT-2's two plain files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from clipcap_ext.errors import CheckpointError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

JSON_FILE = "tokenizer.json"


class JsonTokenizer:
    """A CaptionVocabulary (see caption_vocabulary.py): a caption ends at the model's own end token, which is
    learnt behind every caption; what it wrote before that stays as it is, but for white space."""

    def __init__(self, text: str, stops: Sequence[int], where: str = JSON_FILE) -> None:
        """text: of tokenizer.json, kept as it is; stops: the ids that end a text, the one that is taught
        first. CheckpointError if it cannot be read or lacks one of them."""
        self._text = text
        self._backend = _read(text, where)
        self._taught = stops[0]
        self.stop_ids = frozenset(stops)
        lacking = [stop for stop in stops if self._backend.id_to_token(stop) is None]
        if lacking:
            raise CheckpointError(
                f"{where} has no token {lacking[0]}, which ends this language model's texts: its files "
                "do not belong together."
            )

    def encode(self, text: str) -> list[int]:
        """Ids of `text`, nothing added."""
        return self._backend.encode(text, add_special_tokens=False).ids

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode` of many texts."""
        encoded = self._backend.encode_batch(list(texts), add_special_tokens=False)
        return [encoding.ids for encoding in encoded]

    def caption_ids(self, captions: Sequence[str]) -> list[list[int]]:
        """Captions as they are learnt, each with its end."""
        return [[*ids, self._taught] for ids in self.encode_batch(captions)]

    def caption(self, ids: Sequence[int]) -> str:
        """The caption that was decoded as `ids`, on one line."""
        said = [one for one in ids if one not in self.stop_ids]
        return " ".join(self._backend.decode(said, skip_special_tokens=True).split())

    @property
    def vocab_size(self) -> int:
        """How many ids there are, the highest one and all below it."""
        return max(self._backend.get_vocab(with_added_tokens=True).values()) + 1

    def save(self, folder: Path) -> None:
        """Write tokenizer.json into `folder`."""
        (folder / JSON_FILE).write_text(self._text, encoding="utf-8")


def load_json_tokenizer(folder: Path, stops: Sequence[int]) -> JsonTokenizer:
    """Read a folder's tokenizer.json; CheckpointError if it is missing or of a kind not known here."""
    path = folder / JSON_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"No tokenizer in {folder}: {path.name} cannot be read ({error}).") from error
    return JsonTokenizer(text, stops, str(path))


def _read(text: str, where: str) -> Tokenizer:
    import tokenizers

    try:
        backend = tokenizers.Tokenizer.from_str(text)
    except Exception as error:  # the Rust side raises plain Exception
        raise CheckpointError(
            f"{where} cannot be read by tokenizers {tokenizers.__version__}, which is installed here: "
            f"{error}. It is damaged, or was written for a newer version."
        ) from error
    backend.no_padding()
    backend.no_truncation()
    return backend
