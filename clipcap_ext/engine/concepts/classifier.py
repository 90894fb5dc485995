"""The end of a classifier that shares its first stages with the image tower: pixels to concept
probabilities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from clipcap_ext.engine.checkpoint.safefile import read_float32, write_safetensors
from clipcap_ext.engine.concepts.concept_table import TABLE_FILE, ConceptTable, read_table, write_table
from clipcap_ext.engine.precision.int8 import rounded_int8
from clipcap_ext.engine.towers.efficientnet_lite import CLASSES, STAGES, EfficientNetLite
from clipcap_ext.engine.towers.filling import fill_tower
from clipcap_ext.errors import CheckpointError

CLASSIFIER_FILE = "concepts.safetensors"
WEIGHT, SCALE = "classifier.weight", "classifier.scale"


class ConceptReader(nn.Module):
    """Stages from number `shared` on of timm's EfficientNet `model`, its pooling and its classes, as words.

    What the image tower's own first `shared` stages gave is its input, so these must be the classifier's.
    """

    def __init__(self, model: str, shared: int, table: ConceptTable) -> None:
        super().__init__()
        whole = _classifier(model)
        self.table, self.shared = table, shared
        self.stages = whole.blocks[shared:]
        self.conv_head, self.bn2, self.classifier = whole.conv_head, whole.bn2, whole.classifier
        rows = torch.zeros(
            len(table.concepts), self.classifier.out_features, device="cpu"
        )  # never without values
        for row, concept in zip(rows, table.concepts, strict=True):
            row[list(concept.classes)] = 1
        self.register_buffer("members", rows, persistent=False)
        self.members: Tensor

    def forward(self, shared: Tensor) -> Tensor:
        """What the shared stages gave (B, C, H, W) -> (B, concepts): each word's summed class probability."""
        hidden = self.bn2(self.conv_head(self.stages(shared)))
        classes = self.classifier(hidden.mean((2, 3))).float().softmax(-1)
        return classes @ self.members.T.float()


def _classifier(model: str) -> Any:
    if model in STAGES:
        return EfficientNetLite(model, CLASSES)
    import timm

    return timm.create_model(model, pretrained=False)


def encode_with_concepts(visual: Any, reader: ConceptReader, images: Tensor) -> tuple[Tensor, Tensor]:
    """An image tower over images (B, 3, H, W) -> (its features, the reader's probabilities)."""
    trunk = visual.trunk
    shared = trunk.bn1(trunk.conv_stem(images))
    for stage in trunk.blocks[: reader.shared]:
        shared = stage(shared)
    own = shared
    for stage in trunk.blocks[reader.shared :]:
        own = stage(own)
    own = trunk.bn2(trunk.conv_head(own))
    return visual.head(trunk.forward_head(own)), reader(shared)


def read_concepts(folder: Path) -> ConceptReader | None:
    """The concept reader of an encoder folder, None if it has none; CheckpointError if its files do not
    fit."""
    if not (folder / TABLE_FILE).is_file():
        return None
    table = read_table(folder / TABLE_FILE)

    def build() -> ConceptReader:
        try:
            return ConceptReader(str(table.source["model"]), int(table.source["shared_stages"]), table)
        except (KeyError, IndexError, ValueError, TypeError, RuntimeError, AttributeError) as error:
            raise CheckpointError(f"{folder / TABLE_FILE} describes no classifier: {error!r}") from error

    weights = folder / CLASSIFIER_FILE
    return fill_tower(build, _read_weights(weights), str(weights), "Copy or download the encoder again.")


def _read_weights(path: Path) -> dict[str, Tensor]:
    state = read_float32(path)
    scale, weight = state.pop(SCALE, None), state.get(WEIGHT)
    if scale is None or weight is None:
        return state
    if scale.shape != weight.shape[:1]:
        raise CheckpointError(
            f"{path} does not fit: {WEIGHT} has shape {tuple(weight.shape)}, {SCALE} {tuple(scale.shape)}. "
            "Copy or download the encoder again."
        )
    return {**state, WEIGHT: weight.float() * scale[:, None]}


def save_concepts(folder: Path, reader: ConceptReader) -> None:
    """Write concepts.json and concepts.safetensors into an encoder folder: float16, but the weights of the
    classes, a quarter of all, in 8 bits with a scale for each class."""
    rounded = rounded_int8(reader.classifier.weight)
    kept = {name: tensor.half() for name, tensor in floats(reader).items()}
    kept |= {WEIGHT: rounded["weight"], SCALE: rounded["scale"]}
    write_safetensors(folder / CLASSIFIER_FILE, kept)
    write_table(folder / TABLE_FILE, reader.table)


def floats(module: nn.Module) -> dict[str, Tensor]:
    """The weights that a file keeps."""
    return {name: tensor for name, tensor in module.state_dict().items() if tensor.is_floating_point()}
