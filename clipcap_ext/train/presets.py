"""The named recipes: each a configuration and the sentences that say where it departs from the published
one."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace

from clipcap_ext.errors import UsageError
from clipcap_ext.train.clipcap.config import CaptioningConfig
from clipcap_ext.train.config import TrainConfig
from clipcap_ext.train.contrastive.config import ContrastiveConfig
from clipcap_ext.train.merge_rnn.config import MergeConfig
from clipcap_ext.train.sbg.config import SbgConfig

ADAMW = (
    "AdamW is PyTorch's, which adds epsilon after the bias correction; the published code used transformers' "
    "former AdamW, which added it before."
)
BATCHES = "Batches hold captions of like length, shuffled by seed; the published code shuffles freely."
STREAMED = (
    "Shards come in random order and captions are shuffled within a buffer, in batches of like length; the "
    "published code shuffles all captions freely."
)
HELD_OUT = (
    "1000 training pictures are set aside for validation and best/ holds the epoch of the best validation "
    "loss; the published code keeps every one."
)
VALIDATION = (
    "250 training photos are set aside for validation; training stops after 3 epochs without a better "
    "validation loss and best/ holds the best epoch. The published code trains on all photos outside the "
    "test part, stops after 3 epochs without a better last batch and keeps the last epoch."
)
EPOCHS = "Up to 30 epochs, the nominal number; the published run made 29."

UNSAID = (
    "The encoder is that of the COCO run; which one the published run on Conceptual Captions had is not said."
)

_PAPER = CaptioningConfig(
    split="paper", holdout=250, epochs=30, batch_size=40, lr=2e-5, schedule="linear", warmup_steps=100,
    weight_decay=0.0, eps=1e-6, patience=3, encoder="ViT-L-14", encoder_weights="openai", normalize=True,
    mapper="mlp", prefix_length=10, gpt2="gpt2", tokenizer="gpt2", lowercase=True, ignore_token_zero=True,
    validate_images=250,
)  # fmt: skip
_COCO = CaptioningConfig(
    split="karpathy", epochs=10, batch_size=40, lr=2e-5, schedule="linear", warmup_steps=5000,
    weight_decay=0.0,
    eps=1e-6, encoder="RN50x4", encoder_weights="openai", normalize=False, mapper="transformer",
    prefix_length=40,
    clip_length=40, mapper_layers=8, mapper_heads=8, gpt2="gpt2", tokenizer="gpt2", trained="mapper",
    lowercase=False, ignore_token_zero=True, validate_images=1000,
)  # fmt: skip
_COCO_MLP = replace(
    _COCO, encoder="ViT-B-32", mapper="mlp", prefix_length=10, clip_length=0, mapper_layers=0, mapper_heads=0,
    trained="all",
)  # fmt: skip
_CONCEPTUAL = replace(_COCO_MLP, holdout=1000)
_TINY_CLIP_LITE0 = ContrastiveConfig(
    epochs=16, batch_size=128, lr=1e-3, image_lr=3e-4, warmup_steps=50, weight_decay=0.05, beta2=0.98,
    clip_norm=1.0,
    freeze_image_epochs=1, freeze_blocks=4, train_size=160, crop_min=0.5, jitter=0.2, image_drop=0.1,
    embed_dim=512,
    captions_per_image=2, token_dropout=0.1, text_init="minilm", text_width=192, text_layers=3, text_heads=3,
    vocab_size=4000, ema=0.995, precision="bf16", monitor="t2i_r10", log_every=10, save_every=50,
)  # fmt: skip
_TINY_CLIP = replace(
    _TINY_CLIP_LITE0, epochs=14, image_model="tf_efficientnet_lite2", image_size=260, train_size=192,
    texts="flickr30k/captions.csv.gz", text_pairs=1,
)  # fmt: skip
_TINY = CaptioningConfig(
    epochs=10, batch_size=128, lr=1.5e-3, schedule="cosine", warmup_steps=100, weight_decay=0.05,
    clip_norm=1.0,
    encoder="tiny-clip-flickr8k", encoder_weights="", normalize=True, views=3, feature_noise=0.1,
    mapper="mlp",
    prefix_length=4, mapper_dropout=0.1, gpt2="scratch", n_layer=3, n_head=4, n_embd=256, n_positions=80,
    dropout=0.2,
    tokenizer="captions", vocab_size=4000, end_stop=True, label_smoothing=0.1, ema=0.999, precision="bf16",
    monitor="cider", validate_images=500, num_beams=3, save_dtype="fp16",
)  # fmt: skip
_TINY_EVIDENCE = replace(
    _TINY, start="runs/tiny-flickr8k/best", evidence=True, swapped=0.18, photoless=0.17, plain=0.15,
    texts="flickr30k/captions.csv.gz", epochs=2, batch_size=80, lr=8e-4, warmup_steps=60, beta2=0.99,
    dropout=0.1, feature_noise=0.25, max_tokens=45, ema=0.997, precision="fp32", views=2, log_every=25,
    save_every=100,
)  # fmt: skip
_SBG = SbgConfig(
    split="paper", epochs=10, batch_size=8, lr=5e-5, schedule="linear", weight_decay=0.0, clip_norm=1.0,
    encoder="ViT-L-14", encoder_weights="openai", normalize=True, block=480, gpt2="gpt2", tokenizer="gpt2",
    num_candidates=5, temperature=1.0, top_k=50, validate_images=0,
)  # fmt: skip
_TINY_SBG = SbgConfig(
    epochs=3, batch_size=32, lr=2.5e-3, schedule="cosine", warmup_steps=60, weight_decay=0.05, clip_norm=1.0,
    encoder="tiny-clip-flickr8k", encoder_weights="", normalize=True, views=2, logit_scale=16.0,
    words_most=14, concepts_low=0.1, concepts_most=2, concepts_boost=2.5, swapped=0.4, photoless_limit=6000,
    words_template="a {} .", picture_template="a picture of a {} .", group_keywords=1, block=0,
    keyword_dropout=0.1,
    gpt2="scratch", n_layer=3, n_head=6, n_embd=192, n_positions=192, dropout=0.1, tokenizer="captions",
    vocab_size=5000, end_stop=True, max_tokens=40, label_smoothing=0.1, ema=0.995, precision="fp32",
    monitor="cider", validate_images=500, save_dtype="fp16", num_beams=8, num_candidates=8, rank_by="both",
    no_repeat_ngram_size=3,
)  # fmt: skip
_MERGE_RNN = MergeConfig(
    split="karpathy", epochs=100, batch_size=50, lr=1e-3, schedule="constant", weight_decay=0.0, patience=1,
    encoder="tf_efficientnet_lite0", encoder_weights="imagenet", normalize=True, layer_size=256, min_count=3,
    num_beams=3, length_penalty=0.0, max_new_tokens=20,
)  # fmt: skip
SBG_DEPARTURES = (
    "The label bank is made from the training captions by a tagger and WordNet's hypernyms; the published "
    "one was made from all captions, test captions included, and sorted by zero-shot classification "
    "(labels=FOLDER takes that one).",
    "Texts are run together as one stream; the published code drops what is left over in every 1000 texts.",
    "best/ holds the epoch of the best validation loss; the published code keeps the last epoch.",
)

MERGE_RNN_DEPARTURES = (
    "Image features are EfficientNet-Lite0's (ImageNet, 1280 pooled, of unit norm); the published ones are "
    "VGG-16's (ImageNet, 4096, of unit norm), to be had with encoder=vgg16 where timm can fetch its weights.",
    "Captions are cut into lower-case words by this package; the published ones came cut with Karpathy's "
    "data.",
    "Batches hold captions of like length, shuffled by seed, the last one not full; the published batches "
    "are full and come in one order.",
    "Beams go on until no living one can become the best; the published search stops when the likeliest of "
    "the three is complete. A caption has at least one word.",
)


@dataclass(frozen=True)
class Preset:
    """One recipe: what it makes, its configuration, and each departure from the recipe it is named after."""

    name: str
    summary: str
    config: TrainConfig
    departures: tuple[str, ...] = ()


def _paper_presets(data: str) -> tuple[Preset, ...]:
    """The paper's three ClipCaps on Flickr8k or Flickr30k."""
    title = data.capitalize()
    base = (ADAMW, BATCHES, VALIDATION, EPOCHS)
    own = (
        "The vocabulary learnt on the captions may come out smaller than 50257: there are no more pairs to "
        "merge. GPT-2's embeddings are then cut to it.",
    )
    learnt = replace(_PAPER, tokenizer="captions", vocab_size=50257)
    return (
        Preset(f"{data}-original", f"The paper's ClipCap on {title}: MLP mapper, GPT-2 tuned.", _PAPER, base),
        Preset(
            f"{data}-gradient", f"The same with gradients clipped at norm 1, on {title}.",
            replace(_PAPER, clip_norm=1.0), base,
        ),
        Preset(
            f"{data}-custom-tokenizer", f"The same with a BPE learnt on the captions of {title}.",
            learnt, base + own,
        ),
    )  # fmt: skip


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        *_paper_presets("flickr8k"),
        *_paper_presets("flickr30k"),
        Preset(
            "coco-transformer", "ClipCap's own paper on COCO: transformer mapper, prefix 40, GPT-2 frozen.",
            _COCO,
            (ADAMW, BATCHES,
            "best/ holds the epoch of the best validation loss; the published code keeps every one."),
        ),
        Preset(
            "coco-mlp", "ClipCap's own paper on COCO: MLP mapper, prefix 10, GPT-2 tuned.", _COCO_MLP,
            (ADAMW, BATCHES,
            "best/ holds the epoch of the best validation loss; the published code keeps every one."),
        ),
        Preset(
            "conceptual-captions",
            "ClipCap's own paper on Conceptual Captions: MLP mapper, GPT-2 tuned, on a feature folder.",
            _CONCEPTUAL, (ADAMW, STREAMED, HELD_OUT),
        ),
        Preset(
            "conceptual-captions-transformer",
            "The same with the transformer mapper, prefix 40, GPT-2 frozen.",
            replace(_COCO, holdout=1000), (ADAMW, STREAMED, HELD_OUT, UNSAID),
        ),
        Preset("sbg-flickr8k", "The paper's SBG on Flickr8k: GPT-2 on keywords and captions.", _SBG,
        SBG_DEPARTURES), Preset("sbg-flickr30k", "The paper's SBG on Flickr30k.", _SBG, SBG_DEPARTURES),
        Preset(
            "merge-rnn-flickr8k", "The tables' baseline on Flickr8k: an LSTM, the image merged behind it.",
            _MERGE_RNN, MERGE_RNN_DEPARTURES,
        ),
        Preset("merge-rnn-flickr30k", "The tables' baseline on Flickr30k.", _MERGE_RNN, MERGE_RNN_DEPARTURES),
        Preset("tiny-clip-flickr8k", "The bundled encoder: EfficientNet-Lite2 and a small text tower.",
        _TINY_CLIP),
        Preset("tiny-clip-lite0", "The encoder that the bundled captioner began with: EfficientNet-Lite0.",
        _TINY_CLIP_LITE0),
        Preset("tiny-flickr8k", "The bundled captioner: a small GPT-2 from scratch on the bundled encoder.",
        _TINY),
        Preset(
            "tiny-flickr8k-evidence",
            "The bundled captioner taught to say what the encoder's classifier saw, from tiny-flickr8k on.",
            _TINY_EVIDENCE,
        ),
        Preset("sbg-tiny", "The bundled SBG: the bundled encoder's keywords to a GPT-2 from scratch.",
        _TINY_SBG),
    )
}  # fmt: skip


def find_preset(name: str) -> Preset:
    """The preset of that name; a UsageError lists the names there are."""
    if name in PRESETS:
        return PRESETS[name]
    near = difflib.get_close_matches(name, PRESETS, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise UsageError(f"No preset named {name!r}.{hint} There are: {', '.join(PRESETS)}.")
