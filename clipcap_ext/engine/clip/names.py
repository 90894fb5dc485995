"""transformers' names of CLIP's weights -> open_clip's, for its ViT models; the numbers stay as they are."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

# A tower's names there -> here; {n} is a layer.
TOP = {
    "logit_scale": "logit_scale",
    "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
    "text_model.embeddings.position_embedding.weight": "positional_embedding",
    "text_model.final_layer_norm.weight": "ln_final.weight",
    "text_model.final_layer_norm.bias": "ln_final.bias",
    "vision_model.embeddings.class_embedding": "visual.class_embedding",
    "vision_model.embeddings.patch_embedding.weight": "visual.conv1.weight",
    "vision_model.embeddings.position_embedding.weight": "visual.positional_embedding",
    "vision_model.pre_layrnorm.weight": "visual.ln_pre.weight",  # spelt so there
    "vision_model.pre_layrnorm.bias": "visual.ln_pre.bias",
    "vision_model.post_layernorm.weight": "visual.ln_post.weight",
    "vision_model.post_layernorm.bias": "visual.ln_post.bias",
}
# Linear layers without bias there, matrices used from the other side here.
TRANSPOSED = {"text_projection.weight": "text_projection", "visual_projection.weight": "visual.proj"}
LAYER = {
    "layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}  # fmt: skip
BLOCKS = {"text_model": "transformer.resblocks", "vision_model": "visual.transformer.resblocks"}
IN_LAYER = re.compile(r"(text_model|vision_model)\.encoder\.layers\.(\d+)\.(.+)\.(weight|bias)")


def open_clip_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A CLIPModel's state dict under open_clip's names; names it does not know stay, for a strict load to
    refuse."""
    ours: dict[str, Tensor] = {}
    for name, tensor in state.items():
        match = IN_LAYER.fullmatch(name)
        if name in TOP:
            ours[TOP[name]] = tensor
        elif name in TRANSPOSED:
            ours[TRANSPOSED[name]] = tensor.T
        elif name.endswith("embeddings.position_ids"):
            continue  # a counting buffer of old versions
        elif match is None or match[3] not in {
            *LAYER,
            "self_attn.q_proj",
            "self_attn.k_proj",
            "self_attn.v_proj",
        }:
            ours[name] = tensor
        elif match[3] in LAYER:
            ours[f"{BLOCKS[match[1]]}.{match[2]}.{LAYER[match[3]]}.{match[4]}"] = tensor
        elif match[3] == "self_attn.q_proj":  # the three are one matrix here
            parts = [name.replace("q_proj", f"{letter}_proj") for letter in "qkv"]
            ours[f"{BLOCKS[match[1]]}.{match[2]}.attn.in_proj_{match[4]}"] = torch.cat(
                [state[part] for part in parts]
            )
    return ours
