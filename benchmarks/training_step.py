"""A training step as built here against one padded to the corpus maximum

Ours pads to the longest of a batch of like lengths and computes logits only where there is a label. The
other, as published, pads every caption to the longest of the corpus and computes logits everywhere. Same
model, same batches (their lengths follow Flickr8k's captions), forward, backward and AdamW; the losses must
be equal.
"""

from __future__ import annotations

import argparse
import statistics
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.measure import publish, seconds, table
from clipcap_ext.engine.clipcap.model import ClipCapConfig, ClipCapModel
from clipcap_ext.engine.language.gpt2 import is_gpt2
from clipcap_ext.train.clipcap.config import CaptioningConfig
from clipcap_ext.train.clipcap.module import CaptioningModule
from clipcap_ext.train.loop.batches import plan_epoch

# How many of Flickr8k's 40460 captions have 0, 1, 2, ... tokens of GPT-2's BPE.
LENGTHS = (
    0, 2, 8, 28, 154, 441, 962, 2167, 2931, 3486, 3944, 4228, 4101, 3857, 3351, 2765, 2088, 1684, 1179, 904,
    660, 476, 299, 243, 148, 105, 73, 52, 45, 21, 13, 17, 6, 6, 6, 3, 4, 0, 2, 0, 0, 0, 0, 1,
)  # fmt: skip
BATCH = 40
NO_DROPOUT = dict.fromkeys(
    ("embd_pdrop", "attn_pdrop", "resid_pdrop"), 0.0
)  # so that the losses can be equal


def padded_loss(model: ClipCapModel, features: Tensor, ids: Tensor, lengths: Tensor) -> Tensor:
    """The published step's loss, ids (B, corpus maximum): logits at all positions, padding ignored."""
    positions = torch.arange(ids.shape[1])
    real = positions < lengths[:, None]
    prefix = model.prefix_embeds(features)
    gpt2 = model.language.module
    assert is_gpt2(gpt2)
    embeds = torch.cat((prefix, gpt2.transformer.wte(ids)), dim=1)
    mask = torch.cat((real.new_ones(prefix.shape[:2]), real), dim=1).long()
    hidden = gpt2.transformer(inputs_embeds=embeds, attention_mask=mask, use_cache=False)[0]
    logits = gpt2.lm_head(hidden)[:, model.config.prefix_length - 1 : -1]
    labels = ids.masked_fill(~real, -100)
    return functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="sum")


def batches(count: int, vocabulary: int) -> list[tuple[Tensor, Tensor, Tensor]]:
    """`count` batches of the trainer's plan, spread evenly over lengths: features, ids (B, maximum),
    lengths."""
    corpus = np.repeat(np.arange(len(LENGTHS)), LENGTHS)
    plan = plan_epoch(corpus.tolist(), BATCH, seed=0, epoch=0, drop_last=True)
    by_length = sorted(plan, key=lambda items: corpus[items].mean())
    chosen = [by_length[int((i + 0.5) * len(by_length) / count)] for i in range(count)]
    made = []
    for items in chosen:
        lengths = torch.from_numpy(corpus[items])
        features = functional.normalize(torch.randn(BATCH, 768), dim=-1)
        made.append((features, torch.randint(1, vocabulary, (BATCH, len(LENGTHS) - 1)), lengths))
    return made


class Steps:
    """The two ways to take a step with one model and one optimizer."""

    def __init__(self, model: ClipCapModel) -> None:
        self.model = model
        self.module = CaptioningModule(model, CaptioningConfig()).train()
        self.optimizer = torch.optim.AdamW(
            model.parameters(), lr=0.0
        )  # nothing moves: both see the same weights

    def ours(self, features: Tensor, ids: Tensor, lengths: Tensor) -> float:
        longest = int(lengths.max())
        return self._step(self.module(features, ids[:, :longest], lengths), lengths)

    def padded(self, features: Tensor, ids: Tensor, lengths: Tensor) -> float:
        return self._step(padded_loss(self.model, features, ids, lengths), lengths)

    def _step(self, loss: Tensor, lengths: Tensor) -> float:
        mean = loss / lengths.sum()
        mean.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return float(mean.detach())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batches", type=int, default=5)
    parser.add_argument(
        "--small", action="store_true", help="a small GPT-2, to try the script; writes nothing"
    )
    arguments = parser.parse_args()
    torch.manual_seed(0)
    sizes = dict(ClipCapConfig().gpt2)
    if arguments.small:
        sizes |= {"vocab_size": 1000, "n_embd": 64, "n_layer": 2, "n_head": 2}
    steps = Steps(ClipCapModel(ClipCapConfig(gpt2={**sizes, **NO_DROPOUT})))
    work = batches(arguments.batches, sizes["vocab_size"])
    for batch in work:
        ours, padded = steps.ours(*batch), steps.padded(*batch)
        assert abs(ours - padded) < 1e-4 * padded, f"the losses differ: {ours} and {padded}"
    took: dict[str, list[float]] = {"ours": [], "padded": []}
    for _ in range(arguments.rounds):
        took["ours"].append(sum(seconds(partial(steps.ours, *batch)) for batch in work) / len(work))
        took["padded"].append(sum(seconds(partial(steps.padded, *batch)) for batch in work) / len(work))
    ours, padded = (statistics.median(values) for values in (took["ours"], took["padded"]))
    rows = [
        ["padded to the corpus maximum (43), logits everywhere", f"{padded:.2f}", "1.0"],
        ["padded to the batch's longest, logits at labels", f"{ours:.2f}", f"{padded / ours:.1f}"],
    ]
    text = table(["training step, GPT-2 small, prefix 10, batch 40", "seconds a step", "times as fast"], rows)
    print(text) if arguments.small else publish("training_step", text)


if __name__ == "__main__":
    main()
