"""The options of training a small CLIP; no model is built here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from clipcap_ext.engine.clip.imagenet import LITE_MEAN, LITE_STD, LITES
from clipcap_ext.engine.clip.preprocess import Preprocess
from clipcap_ext.engine.towers.efficientnet_lite import LITE0
from clipcap_ext.options import option
from clipcap_ext.train.config import TrainConfig


@dataclass(frozen=True, kw_only=True)
class ContrastiveConfig(TrainConfig):
    """Options of training a small CLIP."""

    task: ClassVar[str] = "contrastive"
    monitors: ClassVar[dict[str, bool]] = {
        "val_loss": False,
        "t2i_r1": True,
        "t2i_r10": True,
        "i2t_r10": True,
    }

    image_model: str = option(LITE0, "timm's name of the image tower.")
    image_init: str = option(
        "imagenet", "imagenet (EfficientNet-Lite0 and Lite2 only) or random.", choices=("imagenet", "random")
    )
    image_size: int = option(224, "Side of the square the photos are resized to.", low=16, high=1024)
    resize_mode: str = option("squash", "How a photo becomes a square.", choices=("squash", "shortest"))
    train_size: int = option(
        0,
        "Side the cropped photos are shrunk to in training alone, a cheaper step; 0 is image_size.",
        low=0,
        high=1024,
    )
    embed_dim: int = option(256, "Length of the features both towers end in.", low=2)
    image_drop: float = option(0.0, "Dropout before the image projection.", low=0, high=0.9)
    drop_path: float = option(0.0, "Stochastic depth of the image tower.", low=0, high=0.9)
    image_lr: float = option(
        1e-4, "Highest learning rate of the image tower's trunk; lr is for the rest.", low=0
    )
    freeze_image_epochs: int = option(0, "First epochs in which the image trunk stays as it is.", low=0)
    freeze_blocks: int = option(
        0, "First blocks of the image trunk (and its stem) that are never trained: a cheaper step.", low=0
    )
    batch_norm: str = option(
        "frozen",
        "Batch norms of the trunk: kept, and with them an EfficientNet-Lite's depthwise filters; or trained.",
        choices=("frozen", "train"),
    )
    text_width: int = option(256, "Width of the text tower.", low=8)
    text_layers: int = option(4, "Layers of the text tower.", low=1)
    text_heads: int = option(4, "Heads of the text tower.", low=1)
    text_init: str = option(
        "random", "Token table: random, or MiniLM's embeddings of the tokens.", choices=("random", "minilm")
    )
    context_length: int = option(40, "Longest text in tokens, start and end included.", low=4)
    vocab_size: int = option(
        4000, "Entries of the text vocabulary, learnt on the training captions.", low=258
    )
    token_dropout: float = option(
        0.0, "Part of a caption's tokens left out each time it is seen.", low=0, high=0.9
    )
    captions_per_image: int = option(2, "Captions of an image in one batch, all of them positives.", low=1)
    texts: str = option(
        "",
        "Captions of other photos: a .csv or .csv.gz with image, split and caption. Two of one are a pair.",
    )
    text_pairs: int = option(2, "Pairs of texts in a batch for each of its photos.", low=1)
    texts_weight: float = option(0.5, "Weight of their loss beside that of the photos.", low=0)
    temperature: float = option(
        0.07, "Starting temperature of the similarities; it is learnt.", low=0.01, high=1
    )
    label_smoothing: float = option(0.0, "Part of the target spread over the other pairs.", low=0, high=0.9)
    crop_min: float = option(
        0.6, "Smallest part of the area a random crop keeps; 1 is off.", low=0.05, high=1
    )
    flip: float = option(0.5, "Probability of mirroring a photo.", low=0, high=1)
    jitter: float = option(0.0, "Strength of random brightness, contrast and saturation.", low=0, high=0.9)

    @property
    def preprocess(self) -> Preprocess:
        """How the encoder sees a photo, in training and ever after."""
        if self.image_model in LITES:
            mean, std = LITE_MEAN, LITE_STD
        else:
            mean = std = (0.5, 0.5, 0.5)
        return Preprocess(size=self.image_size, mean=mean, std=std, resize_mode=self.resize_mode)

    def model_cfg(self, vocab_size: int) -> dict[str, Any]:
        """open_clip's words for the model; `vocab_size` is the number of entries found, start and end
        included."""
        vision = {
            "timm_model_name": self.image_model, "timm_model_pretrained": False, "timm_pool": "avg",
            "timm_proj": "linear", "timm_drop": self.image_drop, "timm_drop_path": self.drop_path or None,
            "image_size": self.image_size,
        }  # fmt: skip
        text = {
            "context_length": self.context_length, "vocab_size": vocab_size, "width": self.text_width,
            "heads": self.text_heads, "layers": self.text_layers,
        }  # fmt: skip
        return {"embed_dim": self.embed_dim, "vision_cfg": vision, "text_cfg": text}
