"""Options that every task with a GPT-2 on an encoder's features shares; no task of its own."""

from __future__ import annotations

from dataclasses import dataclass

from clipcap_ext.errors import UsageError
from clipcap_ext.options import option
from clipcap_ext.train.captioner_config import CaptionerConfig

SIZES = ("n_layer", "n_head", "n_embd", "n_positions")


@dataclass(frozen=True, kw_only=True)
class LanguageModelConfig(CaptionerConfig):
    """The encoder in front, the sizes of a GPT-2 from scratch; a task adds where its GPT-2 and its words come
    from."""

    gpt2: str = option("gpt2", "A GPT-2 folder or Hub name to start from, or scratch.")
    n_layer: int = option(0, "Layers of a GPT-2 from scratch.", low=0)
    n_head: int = option(0, "Heads of a GPT-2 from scratch.", low=0)
    n_embd: int = option(0, "Width of a GPT-2 from scratch.", low=0)
    n_positions: int = option(0, "Positions of a GPT-2 from scratch.", low=0)
    dropout: float = option(0.1, "Dropout in GPT-2: embeddings, attention and residuals.", low=0, high=0.9)
    tokenizer: str = option(
        "gpt2", "GPT-2's own vocabulary, or one learnt on the training texts.", choices=("gpt2", "captions")
    )
    vocab_size: int = option(50257, "Entries of a vocabulary learnt on the texts.", low=258)
    end_stop: bool = option(False, "Give every caption the final full stop that decoding stops at.")
    label_smoothing: float = option(0.0, "Part of the target spread over the vocabulary.", low=0, high=0.9)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.gpt2 == "scratch" and (len(self.sizes_given) < len(SIZES) or self.tokenizer == "gpt2"):
            raise UsageError(f"gpt2=scratch needs {', '.join(SIZES)}, each above 0, and tokenizer=captions.")

    @property
    def sizes_given(self) -> list[str]:
        """Those of SIZES that are above 0."""
        return [name for name in SIZES if getattr(self, name)]
