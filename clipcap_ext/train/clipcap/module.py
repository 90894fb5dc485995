"""ClipCap as a thing to train: its loss at labelled positions only, and where its language model comes
from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from clipcap_ext.engine.checkpoint.caption_vocabulary import CaptionVocabulary
from clipcap_ext.engine.checkpoint.config import read_config
from clipcap_ext.engine.checkpoint.folder import TRAINED_ON_FILE
from clipcap_ext.engine.checkpoint.tokenizer import load_tokenizer, train_bpe
from clipcap_ext.engine.clipcap.checkpoint import load_clipcap, load_vocabulary
from clipcap_ext.engine.clipcap.copying import Openings
from clipcap_ext.engine.clipcap.model import ClipCapConfig, ClipCapModel
from clipcap_ext.engine.language.gpt2 import Gpt2
from clipcap_ext.engine.language.gpt2_language import Gpt2Language
from clipcap_ext.engine.sbg.checkpoint import load_sbg
from clipcap_ext.errors import CheckpointError, UsageError
from clipcap_ext.train.clipcap.config import CaptioningConfig
from clipcap_ext.train.clipcap.own_language import read_language_folder

IGNORED_TOKEN = 0  # the published loss takes id 0 for padding, wherever it stands


class CaptioningModule(nn.Module):
    """A ClipCap whose forward is the summed negative log-likelihood (nats) of a batch of captions."""

    def __init__(self, clipcap: ClipCapModel, config: CaptioningConfig) -> None:
        super().__init__()
        self.clipcap = clipcap
        self.frozen = config.trained == "mapper"
        self._smoothing = config.label_smoothing
        self._ignore_zero = config.ignore_token_zero
        if self.frozen:
            clipcap.language.module.requires_grad_(False)

    def train(self, mode: bool = True) -> CaptioningModule:
        """Training mode; a frozen language model stays in evaluation mode, without dropout."""
        super().train(mode)
        if self.frozen:
            self.clipcap.language.module.eval()
        return self

    def forward(
        self, image_features: Tensor, input_ids: Tensor, lengths: Tensor, starts: Tensor | None = None,
        **openings: Tensor,
    ) -> Tensor:  # fmt: skip
        """image_features (B, clip_dim); input_ids (B, T), padded on the right; lengths (B,) -> summed loss.

        starts (B,): where captions begin, behind their evidence; found: the parts of Openings at labelled
        positions. Label smoothing counts in training only: a validation loss is the plain one.
        """
        places = torch.arange(input_ids.shape[1], device=input_ids.device)
        labelled = places < lengths[:, None]  # (B, T)
        if starts is not None:
            labelled = labelled & (places >= starts[:, None])
        if self._ignore_zero:
            labelled = labelled & (input_ids != IGNORED_TOKEN)
        prefix = self.clipcap.prefix_embeds(image_features)
        logits = self.label_logits(prefix, input_ids, labelled, Openings(**openings) if openings else None)
        smoothing = self._smoothing if self.training else 0.0
        return functional.cross_entropy(
            logits, input_ids[labelled], label_smoothing=smoothing, reduction="sum"
        )

    def label_logits(
        self, prefix: Tensor, input_ids: Tensor, labelled: Tensor, openings: Openings | None = None
    ) -> Tensor:
        """prefix (B, prefix_length, n_embd), input_ids (B, T), labelled (B, T) -> logits (labels,
        vocab_size), float32, with the openings `found` at them raised.

        They are computed at labelled positions alone.
        """
        token_embeds = self.clipcap.language.embed(input_ids)
        # The last token is only ever a label.
        embeds = torch.cat((prefix, token_embeds[:, :-1]), dim=1)
        heard = self.clipcap.language.label_logits(embeds, labelled)
        gate = self.clipcap.copy_gate
        if gate is None or openings is None:
            return heard.logits
        return gate.raised(heard.logits, heard.hidden, openings, self.clipcap.copy_embeddings)


def build_clipcap(
    config: CaptioningConfig, clip_dim: int, captions: Iterable[str]
) -> tuple[ClipCapModel, CaptionVocabulary]:
    """The model and its tokenizer: GPT-2 from scratch or from a folder, the vocabulary its own or learnt.

    captions: the training captions as they will be learnt.
    """
    if config.start:
        return _load_start(config, clip_dim)
    if config.lm:
        return _with_own_language(config, clip_dim)
    tokenizer = train_bpe(captions, config.vocab_size) if config.tokenizer == "captions" else None
    if config.gpt2 == "scratch":
        assert tokenizer is not None
        sizes = {name: getattr(config, name) for name in ("n_positions", "n_embd", "n_layer", "n_head")}
        return ClipCapModel(
            _architecture(config, clip_dim, gpt2={**sizes, "vocab_size": tokenizer.vocab_size})
        ), tokenizer
    folder = gpt2_folder(config.gpt2)
    pretrained = pretrained_gpt2(folder)
    state = pretrained.state_dict()
    if tokenizer is None:
        tokenizer = load_tokenizer(folder)
    else:  # the embeddings are cut to the new vocabulary, as transformers' resize_token_embeddings does
        held = len(state["lm_head.weight"])
        if tokenizer.vocab_size > held:
            raise UsageError(
                f"The vocabulary learnt on the captions has {tokenizer.vocab_size} entries, and {folder} "
                f"embeds {held}: set vocab_size={held} or less."
            )
        for name in ("transformer.wte.weight", "lm_head.weight"):
            state[name] = state[name][: tokenizer.vocab_size]
    keys = ("n_positions", "n_embd", "n_layer", "n_head")
    sizes = {
        **{key: getattr(pretrained.config, key) for key in keys},
        "vocab_size": len(state["lm_head.weight"]),
    }
    model = ClipCapModel(_architecture(config, clip_dim, gpt2=sizes))
    model.language.module.load_state_dict(state)
    return model, tokenizer


def _load_start(config: CaptioningConfig, clip_dim: int) -> tuple[ClipCapModel, CaptionVocabulary]:
    """The checkpoint `start` with the configuration's dropout; UsageError where another shape is asked
    for."""
    folder = Path(config.start)
    model = load_clipcap(folder, read_config(folder))
    asked = {**config.mapper_shape, "prefix_length": config.prefix_length, "clip_dim": clip_dim}
    asked |= {name: getattr(config, name) for name in config.sizes_given}
    held = {**model.config.language_config, **model.config.to_dict()}
    differing = [
        f"{name} {held.get(name)}, not {value}" for name, value in asked.items() if held.get(name) != value
    ]
    if differing:
        raise UsageError(f"start={folder} has {', '.join(differing)}: set the options to what it has.")
    wanted = ClipCapModel(_architecture(config, clip_dim, gpt2=model.config.gpt2, lm=model.config.lm))
    if model.config.evidence and not config.evidence:
        raise UsageError(f"start={folder} reads evidence: set evidence=true.")
    # a new copy gate keeps its own weights
    wanted.load_state_dict({**wanted.state_dict(), **model.state_dict()})
    return wanted, load_vocabulary(folder, model)


def _with_own_language(config: CaptioningConfig, clip_dim: int) -> tuple[ClipCapModel, CaptionVocabulary]:
    """The language model in `lm`, its own tokenizer, and a new mapper; UsageError where they do not fit."""
    read = read_language_folder(Path(config.lm))
    model = ClipCapModel(_architecture(config, clip_dim, lm=read.config))
    model.language.module.load_state_dict(read.state)
    if read.tokenizer.vocab_size > len(model.language.embeddings):
        raise UsageError(
            f"The tokenizer in {config.lm} has {read.tokenizer.vocab_size} entries and its model embeds "
            f"{len(model.language.embeddings)}: they do not belong together."
        )
    return model, read.tokenizer


def gpt2_folder(name: str) -> Path:
    """The folder of a GPT-2: `name` itself, or the Hub's copy of it; CheckpointError if neither is to be
    had."""
    if Path(name).is_dir():
        return Path(name)
    from huggingface_hub import snapshot_download

    try:
        wanted = ["config.json", "model.safetensors", "vocab.json", "merges.txt"]
        return Path(snapshot_download(name, allow_patterns=wanted))
    except Exception as error:  # the Hub's client raises many kinds
        raise CheckpointError(
            f"GPT-2 {name!r} is neither a folder nor to be had from the Hub ({type(error).__name__}). Set "
            "gpt2=FOLDER (config.json, model.safetensors, vocab.json, merges.txt) or gpt2=scratch with its "
            "sizes."
        ) from error


def pretrained_gpt2(folder: Path) -> Gpt2:
    """The GPT-2 in a folder of transformers or in a ClipCap's or SBG's checkpoint; CheckpointError if it
    cannot be read."""
    from transformers import GPT2LMHeadModel

    if (folder / TRAINED_ON_FILE).is_file():  # a checkpoint of ours
        config = read_config(folder)
        if config.kind == "sbg":
            return load_sbg(folder, config)[0]
        language = load_clipcap(folder, config).language
        if isinstance(language, Gpt2Language):
            return language.module
        raise CheckpointError(f"{folder} holds no GPT-2: start={folder} goes on with its language model.")
    try:
        return GPT2LMHeadModel.from_pretrained(str(folder), local_files_only=True)
    except Exception as error:  # transformers raises many kinds
        raise CheckpointError(
            f"{folder} does not hold a GPT-2 that transformers can read: {error}"
        ) from error


def _architecture(
    config: CaptioningConfig, clip_dim: int, gpt2: Mapping[str, Any] | None = None,
    lm: Mapping[str, Any] | None = None,
) -> ClipCapConfig:  # fmt: skip
    """With a GPT-2 of these sizes and the configuration's dropout, or with another model as it is."""
    shape = {"clip_dim": clip_dim, "prefix_length": config.prefix_length, **config.mapper_fields}
    if lm:
        return ClipCapConfig(**shape, lm=lm)
    dropout = dict.fromkeys(("embd_pdrop", "attn_pdrop", "resid_pdrop"), config.dropout)
    return ClipCapConfig(**shape, gpt2={**(gpt2 or {}), **dropout}, evidence=config.evidence_words)
