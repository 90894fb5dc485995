"""GPT-2 as transformers' GPT2LMHeadModel names and computes it, without transformers: for weights that were
trained already, which it starts without. What trains new ones is gpt2.py's."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from clipcap_ext.engine.towers.filling import empty_embedding

DROPOUTS = {"embd_pdrop": 0.1, "attn_pdrop": 0.1, "resid_pdrop": 0.1}  # where the sizes do not say
ROOM = 16  # tokens for which a layer's memory has room whenever it is made anew


class LayerMemory:
    """Keys and values of one layer, each (rows, heads, tokens, n_embd / heads), with room for more, so that a
    token is written behind the others instead of all of them being copied."""

    def __init__(self) -> None:
        self._held: tuple[Tensor, Tensor] | None = None
        self.tokens = 0

    def with_new(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Keep the keys and values of new tokens; those of all so far."""
        before, self.tokens = self.tokens, self.tokens + keys.shape[2]
        if torch.is_grad_enabled():  # what is differentiated may not be written over
            self._held = self._joined(keys, values, before)
            return self._held
        if self._held is None or self._held[0].shape[2] < self.tokens:
            self._held = (self._with_room(keys, 0, before), self._with_room(values, 1, before))
        for held, new in zip(self._held, (keys, values), strict=True):
            held[:, :, before : self.tokens] = new
        return self._held[0][:, :, : self.tokens], self._held[1][:, :, : self.tokens]

    def select(self, rows: Tensor) -> None:
        """Keep, repeat or reorder rows."""
        if self._held is not None:
            keys, values = self._held
            self._held = (keys.index_select(0, rows), values.index_select(0, rows))

    def _joined(self, keys: Tensor, values: Tensor, before: int) -> tuple[Tensor, Tensor]:
        if self._held is None:
            return keys, values
        old_keys, old_values = (held[:, :, :before] for held in self._held)
        return torch.cat((old_keys, keys), dim=2), torch.cat((old_values, values), dim=2)

    def _with_room(self, new: Tensor, which: int, before: int) -> Tensor:
        rows, heads, _, width = new.shape
        wider = new.new_empty(rows, heads, self.tokens + ROOM, width)
        if self._held is not None:
            wider[:, :, :before] = self._held[which][:, :, :before]
        return wider


class Memory:
    """The key-value cache of all layers. It is written on: what was read behind it once is in it."""

    def __init__(self, layers: int) -> None:
        self.layers = [LayerMemory() for _ in range(layers)]

    @property
    def tokens(self) -> int:
        """How many it holds."""
        return self.layers[0].tokens

    def reorder_cache(self, rows: Tensor) -> None:
        """Keep, repeat or reorder rows, by the name that transformers' caches have for it."""
        for layer in self.layers:
            layer.select(rows)


class Read(NamedTuple):
    """Hidden states (rows, T, n_embd), and the cache, None where none was to be kept."""

    last_hidden_state: Tensor
    past_key_values: Memory | None


class Said(NamedTuple):
    """Logits (rows, T, V), and the cache, None where none was to be kept."""

    logits: Tensor
    past_key_values: Memory | None


class Conv1D(nn.Module):
    """A linear layer with its weights the other way round (in, out), as GPT-2 was published."""

    def __init__(self, given: int, made: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.empty(given, made)), nn.Parameter(torch.empty(made))

    def forward(self, rows: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        flat = torch.addmm(self.bias, rows.reshape(-1, rows.shape[-1]), self.weight)
        return flat.view(*rows.shape[:-1], -1)


class Attention(nn.Module):
    """Every token over itself and those before it."""

    def __init__(self, width: int, heads: int, dropouts: Mapping[str, float]) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropouts["attn_pdrop"]
        self.c_attn, self.c_proj = Conv1D(width, 3 * width), Conv1D(width, width)
        self.resid_dropout = nn.Dropout(dropouts["resid_pdrop"])

    def forward(self, hidden: Tensor, memory: LayerMemory | None, mask: Tensor | None) -> Tensor:
        """hidden (rows, T, width), mask (rows or 1, 1, T, all so far) or None where the first tokens are read
        -> the same shape; the tokens are then in the memory, too."""
        rows, length, width = hidden.shape
        parts = self.c_attn(hidden).view(rows, length, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # each (rows, heads, T, width of a head)
        if memory is not None:
            key, value = memory.with_new(key, value)
        dropout = self.dropout if self.training else 0.0
        seen = functional.scaled_dot_product_attention(
            query, key, value, mask, dropout, is_causal=mask is None and length > 1
        )
        seen = self.c_proj(seen.transpose(1, 2).reshape(rows, length, width))
        return self.resid_dropout(seen)


class Mlp(nn.Module):
    """Four times as wide, with the tanh form of GELU."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.c_fc, self.c_proj = Conv1D(width, 4 * width), Conv1D(4 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: Tensor) -> Tensor:
        """(..., width) of the same shape."""
        wide = functional.gelu(self.c_fc(hidden), approximate="tanh")
        return self.dropout(self.c_proj(wide))


class Block(nn.Module):
    """Attention and the wide layer, each behind its norm and beside its input."""

    def __init__(self, width: int, heads: int, dropouts: Mapping[str, float]) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = Attention(width, heads, dropouts)
        self.mlp = Mlp(width, dropouts["resid_pdrop"])

    def forward(self, hidden: Tensor, memory: LayerMemory | None, mask: Tensor | None) -> Tensor:
        """As Attention.forward."""
        hidden = hidden + self.attn(self.ln_1(hidden), memory, mask)
        return hidden + self.mlp(self.ln_2(hidden))


class Body(nn.Module):
    """All below the output weights."""

    def __init__(self, sizes: Mapping[str, Any]) -> None:
        super().__init__()
        width, dropouts = sizes["n_embd"], {name: sizes.get(name, most) for name, most in DROPOUTS.items()}
        self.wte = empty_embedding(sizes["vocab_size"], width)
        self.wpe = empty_embedding(sizes["n_positions"], width)
        self.drop = nn.Dropout(dropouts["embd_pdrop"])
        blocks = range(sizes["n_layer"])
        self.h = nn.ModuleList(Block(width, sizes["n_head"], dropouts) for _ in blocks)
        self.ln_f = nn.LayerNorm(width)

    def forward(
        self, input_ids: Tensor | None = None, *, inputs_embeds: Tensor | None = None,
        past_key_values: Memory | None = None, attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None, use_cache: bool = True,
    ) -> Read:  # fmt: skip
        """input_ids (rows, T) or inputs_embeds (rows, T, n_embd), behind the cache where there is one;
        attention_mask (rows, all so far), 1 for what is read; position_ids (rows or 1, T)."""
        embeds = self.wte(input_ids) if inputs_embeds is None else inputs_embeds
        memory = Memory(len(self.h)) if past_key_values is None and use_cache else past_key_values
        before = 0 if memory is None else memory.tokens
        if position_ids is None:
            position_ids = torch.arange(before, before + embeds.shape[1], device=embeds.device).unsqueeze(0)
        mask = _mask(attention_mask, before, embeds.shape[1], embeds.device)
        hidden = self.drop(embeds + self.wpe(position_ids))
        for number, block in enumerate(self.h):
            hidden = block(hidden, None if memory is None else memory.layers[number], mask)
        return Read(self.ln_f(hidden), memory if use_cache else None)


class OwnGpt2(nn.Module):
    """Gpt2 (see gpt2.py) of sizes in GPT2Config's own names; its output weights are its embeddings."""

    def __init__(self, sizes: Mapping[str, Any]) -> None:
        super().__init__()
        self.config = SimpleNamespace(**sizes)
        self.transformer = Body(sizes)
        self.lm_head = nn.Linear(sizes["n_embd"], sizes["vocab_size"], bias=False)
        self.lm_head.weight = self.transformer.wte.weight

    def forward(self, input_ids: Tensor | None = None, **inputs: Any) -> Said:
        """As Body.forward, with the logits of every position."""
        read = self.transformer(input_ids, **inputs)
        return Said(self.lm_head(read.last_hidden_state), read.past_key_values)

    @property
    def dtype(self) -> torch.dtype:
        """What it reckons in."""
        return self.transformer.wte.weight.dtype

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return self.transformer.wte.weight.device


def _mask(given: Tensor | None, before: int, new: int, device: torch.device) -> Tensor | None:
    """Which of all tokens so far each of the new ones sees, (rows or 1, 1, new, all); None where a token sees
    all before it, and nothing is read yet or only one is new.

    A token that is not read sees itself, for what sees nothing has no value at all.
    """
    if given is None and (new == 1 or not before):
        return None
    all_places = torch.arange(before + new, device=device)
    own = all_places[before:, None]  # (new, 1)
    seen = all_places <= own
    if given is None:
        return seen[None, None]
    return ((given.bool()[:, None] & seen) | (all_places == own))[:, None]
