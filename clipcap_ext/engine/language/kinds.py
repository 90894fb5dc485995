"""The kinds of language model that a checkpoint may hold, by the name of their part in its config and
weights; how each is judged, built and read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipcap_ext.engine.checkpoint.caption_vocabulary import CaptionVocabulary
from clipcap_ext.engine.checkpoint.json_tokenizer import load_json_tokenizer
from clipcap_ext.engine.checkpoint.tokenizer import load_tokenizer
from clipcap_ext.engine.language.causal_config import build_causal, check_causal_config, stop_ids
from clipcap_ext.engine.language.causal_language import CausalLanguage
from clipcap_ext.engine.language.gpt2 import build_gpt2, check_gpt2_sizes, empty_gpt2
from clipcap_ext.engine.language.gpt2_language import Gpt2Language
from clipcap_ext.engine.language.language_model import LanguageModel

Kept = Mapping[str, Any]  # what config.json says of the language model, in its kind's own words


@dataclass(frozen=True)
class LanguageKind:
    """check: UsageError for what no such model has. build: with random weights; empty: to be filled with a
    checkpoint's. vocabulary: read from a checkpoint folder."""

    check: Callable[[Kept], None]
    build: Callable[[Kept], LanguageModel]
    empty: Callable[[Kept], LanguageModel]
    vocabulary: Callable[[Path, Kept], CaptionVocabulary]


LANGUAGES: dict[str, LanguageKind] = {
    "gpt2": LanguageKind(
        check_gpt2_sizes,
        lambda sizes: Gpt2Language(build_gpt2(sizes)),
        lambda sizes: Gpt2Language(empty_gpt2(sizes)),
        lambda folder, _: load_tokenizer(folder),
    ),
    "lm": LanguageKind(
        check_causal_config,
        lambda kept: CausalLanguage(build_causal(kept)),
        lambda kept: CausalLanguage(build_causal(kept)),
        lambda folder, kept: load_json_tokenizer(folder, stop_ids(kept)),
    ),
}
