"""The configuration of a causal language model as a checkpoint keeps it, judged and built by the transformers
that is here; no weights are read, and no code that comes with a model is run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from clipcap_ext.errors import CheckpointError, UsageError, printable
from clipcap_ext.foreign_json import shown

KIND = "model_type"
# What is true of a folder, a machine or a run, not of the model.
LEFT_OUT = ("auto_map", "_name_or_path", "_model_name_or_path", "torch_dtype", "dtype",
            "_attn_implementation", "attn_implementation", "_attn_implementation_internal")  # fmt: skip
MOST = {"vocab_size": 10**7, "hidden_size": 10**5, "intermediate_size": 10**6, "num_hidden_layers": 1000,
        "num_attention_heads": 1000, "n_embd": 10**5, "n_layer": 1000, "n_inner": 10**6,
        "n_positions": 10**7, "max_position_embeddings": 10**7}  # fmt: skip
WEIGHT_FILLS = {Tensor.normal_, Tensor.uniform_}


def kept_config(config: Any) -> dict[str, Any]:
    """What a checkpoint keeps of a configuration of transformers, plain JSON."""
    plain = json.loads(config.to_json_string(use_diff=False))
    kept = {name: value for name, value in plain.items() if name not in LEFT_OUT}
    return {KIND: config.model_type, **kept, "architectures": [architecture_of(config.model_type)]}


def check_causal_config(kept: Mapping[str, Any]) -> None:
    """UsageError for a configuration that no language model has; whether this transformers knows the
    architecture is said when it is built."""
    if not isinstance(kept.get(KIND), str):
        raise UsageError(f'lm names no language model: its "{KIND}" is {shown(kept.get(KIND))}.')
    for name, most in MOST.items():
        value = kept.get(name)
        if value is not None and (type(value) is not int or not 1 <= value <= most):
            raise UsageError(f"lm's {name} is a whole number from 1 to {most}, not {shown(value)}.")
    if kept.get("quantization_config") is not None:
        raise UsageError("lm is quantised, and captioning reads plain weights alone: dequantise it first.")
    _ = stop_ids(kept)


def stop_ids(kept: Mapping[str, Any]) -> tuple[int, ...]:
    """The ids that end a text, the one that is taught first; UsageError where there is none."""
    given = kept.get("eos_token_id")
    ids = given if isinstance(given, list) else [given]
    if not ids or any(type(one) is not int or one < 0 for one in ids):
        raise UsageError(f"lm names no token that ends a text: its eos_token_id is {shown(given)}.")
    return tuple(ids)


def architecture_of(kind: str) -> str:
    """transformers' class of a causal language model of that kind; CheckpointError if there is none here."""
    import transformers
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    names = dict(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)
    if kind not in names:
        raise CheckpointError(
            f"transformers {transformers.__version__}, which is installed here, has no causal language model "
            f"of the architecture {printable(kind)[:60]!r}."
        )
    return names[kind]


def build_causal(kept: Mapping[str, Any]) -> nn.Module:
    """The model on the CPU, in evaluation mode, its weights not filled but its constants there.

    CheckpointError names the architecture and the version of transformers that wrote it where the one
    installed here cannot build it.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    kind = kept[KIND]
    try:
        architecture_of(kind)
    except CheckpointError as error:
        written_by = kept.get("transformers_version")
        needed = f" It was written by transformers {printable(str(written_by))[:20]}." if written_by else ""
        raise CheckpointError(
            f"{error}{needed} Update transformers (in a WebUI, which keeps its own version: caption in a "
            "separate environment) or take another model."
        ) from error
    said = {name: value for name, value in _as_read_here(kept).items() if name not in (KIND, *LEFT_OUT)}
    with torch.device("cpu"), _Unfilled():
        config = AutoConfig.for_model(kind, **said)
        return AutoModelForCausalLM.from_config(config, trust_remote_code=False).eval()


def _as_read_here(kept: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration in the words of the transformers installed here: before 5 the rotary parameters had
    others, and would have been passed over in silence."""
    import transformers

    rotary = kept.get("rope_parameters")
    if not isinstance(rotary, dict) or int(transformers.__version__.split(".")[0]) >= 5:
        return dict(kept)
    if any(isinstance(value, dict) for value in rotary.values()):
        raise CheckpointError(
            f"The rotary parameters of this {kept[KIND]} differ by layer, which transformers "
            f"{transformers.__version__} cannot be told: it needs transformers 5 or newer."
        )
    plain = rotary.get("rope_type", "default") == "default"
    scaling = {name: value for name, value in rotary.items() if name != "rope_theta"}
    return {
        **{name: value for name, value in kept.items() if name != "rope_parameters"},
        "rope_theta": rotary.get("rope_theta", 10000.0),
        "rope_scaling": None if plain else scaling,
    }


class _Unfilled(TorchFunctionMode):
    """Draws no random weights: they are replaced at once, and memory that is not written is not taken."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return args[0] if func in WEIGHT_FILLS else func(*args, **(kwargs or {}))
