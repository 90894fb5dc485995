"""From a name or a folder to a loaded captioner; the only place that knows every kind. Importing it loads no
torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipcap_ext.engine.catalog import find_encoder_folder, find_model
from clipcap_ext.engine.checkpoint.config import CheckpointConfig, read_config
from clipcap_ext.engine.published.published_models import IMAGE_TO_TEXT, TAGGER
from clipcap_ext.errors import CheckpointError, UsageError

if TYPE_CHECKING:
    import torch

    from clipcap_ext.captioning import Captioner
    from clipcap_ext.engine.captioner import FeatureCaptioner
    from clipcap_ext.engine.clip.encoder import ClipEncoder
    from clipcap_ext.engine.doubt import DoubtRule


def load_captioner(
    name_or_path: str | Path,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
    *,
    folders: Sequence[Path] = (),
) -> Captioner:
    """Load a bundled model by name, one in `folders` by name, any checkpoint folder, a folder as transformers
    saves it, or a file of published weights.

    Such a file is converted to a checkpoint folder beside it on first use. Nothing is downloaded:
    CheckpointError says how to, for a published model or a CLIP that is not on this disk.

    dtype: None is float32. Raises ModelNotFound for an unknown name, CheckpointError for a broken checkpoint.
    """
    entry = find_model(name_or_path, folders=folders)
    wanted = entry.usable_config()
    loaders = {"clipcap": _load_clipcap, "sbg": _load_sbg, "merge-rnn": _load_merge_rnn}
    if wanted.kind == TAGGER:
        from clipcap_ext.engine.tagger.loading import load_tagger

        return load_tagger(entry.folder, device)
    if wanted.kind not in (*loaders, IMAGE_TO_TEXT):
        known = ", ".join([*loaders, IMAGE_TO_TEXT, TAGGER])
        raise CheckpointError(f"{entry.folder} holds a model of kind {wanted.kind!r}; known kinds: {known}.")
    folder = entry.folder
    if entry.file is not None:  # made into a folder on first use
        from clipcap_ext.engine.published.files import ensure_folder

        folder = ensure_folder(entry.file, entry.folder, entry.about, folders=folders)
    if wanted.kind == IMAGE_TO_TEXT:
        from clipcap_ext.engine.image_to_text.loading import load_image_to_text

        return load_image_to_text(folder, device, dtype)
    encoder = load_model_encoder(wanted, entry.folder, device, dtype, folders=folders)
    config = read_config(folder)
    from clipcap_ext.engine.checkpoint.folder import WEIGHTS_FILE

    captioner = loaders[wanted.kind](folder, config, encoder, device, dtype)
    captioner.doubt_rule = _doubt_rule(folder, config, encoder)
    captioner.source = folder / WEIGHTS_FILE
    return captioner


def load_model_encoder(
    config: CheckpointConfig, folder: Path, device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None, *, folders: Sequence[Path] = (),
) -> ClipEncoder:  # fmt: skip
    """The encoder a checkpoint asks for: an open_clip model by tag, or an encoder folder found by name."""
    from clipcap_ext.engine.clip.loading import load_encoder

    wanted = config.clip
    where = None if wanted.pretrained else find_encoder_folder(wanted.model, folder, folders=folders)
    return load_encoder(wanted, folder=where, device=device, dtype=dtype, folders=folders)


def _load_clipcap(
    folder: Path,
    config: CheckpointConfig,
    encoder: ClipEncoder,
    device: torch.device | str,
    dtype: torch.dtype | None,
) -> FeatureCaptioner[Any, Any]:
    import torch

    from clipcap_ext.engine.clipcap.captioner import ClipCapCaptioner
    from clipcap_ext.engine.clipcap.checkpoint import load_clipcap, load_vocabulary

    model = load_clipcap(folder, config, dtype or torch.float32)
    _check_features(folder, config, encoder, model.config.clip_dim)
    if model.config.evidence and not encoder.concept_words:
        raise CheckpointError(
            f"{folder} reads evidence, which its encoder {config.clip.model} does not give: concepts.json "
            "is not in the encoder's folder. Copy or download the encoder again."
        )
    model.to(device)
    vocabulary = load_vocabulary(folder, model)
    return ClipCapCaptioner(folder.resolve().name, encoder, model, vocabulary, config.decoding_options())


def _load_sbg(
    folder: Path,
    config: CheckpointConfig,
    encoder: ClipEncoder,
    device: torch.device | str,
    dtype: torch.dtype | None,
) -> FeatureCaptioner[Any, Any]:
    import torch

    from clipcap_ext.engine.checkpoint.tokenizer import load_tokenizer
    from clipcap_ext.engine.sbg.captioner import SbgCaptioner
    from clipcap_ext.engine.sbg.checkpoint import load_sbg
    from clipcap_ext.engine.sbg.label_files import read_bank
    from clipcap_ext.engine.sbg.label_table import default_cache
    from clipcap_ext.engine.sbg.selector import KeywordSelector

    gpt2, constants = load_sbg(folder, config, dtype or torch.float32)
    selector = KeywordSelector.build(encoder, read_bank(folder), constants, default_cache())
    gpt2.to(device)
    name, tokenizer, options = folder.resolve().name, load_tokenizer(folder), config.decoding_options()
    return SbgCaptioner(name, encoder, gpt2, tokenizer, selector, options)


def _load_merge_rnn(
    folder: Path,
    config: CheckpointConfig,
    encoder: ClipEncoder,
    device: torch.device | str,
    dtype: torch.dtype | None,
) -> FeatureCaptioner[Any, Any]:
    from clipcap_ext.engine.checkpoint.vocabulary import load_words
    from clipcap_ext.engine.merge_rnn.captioner import MergeRnnCaptioner
    from clipcap_ext.engine.merge_rnn.checkpoint import load_merge_rnn

    model, vocabulary = load_merge_rnn(folder, config), load_words(folder)
    _check_features(folder, config, encoder, model.config.feature_dim)
    if vocabulary.vocab_size != model.config.vocab_size:
        raise CheckpointError(
            f"{folder} holds {vocabulary.vocab_size - 2} words where its config says "
            f"{model.config.vocab_size - 2}: its files do not belong together. Copy or download it again."
        )
    model.to(device=device, dtype=dtype)
    return MergeRnnCaptioner(folder.resolve().name, encoder, model, vocabulary, config.decoding_options())


def _doubt_rule(folder: Path, config: CheckpointConfig, encoder: ClipEncoder) -> DoubtRule | None:
    from clipcap_ext.engine.doubt import DoubtRule

    try:
        rule = DoubtRule.of_config(config.doubt)
    except UsageError as error:
        raise CheckpointError(f"{folder}: {error}") from error
    if rule and rule.measure == "evidence" and not encoder.concept_words:
        return None  # an encoder of the same features without the classifier
    return rule


def _check_features(folder: Path, config: CheckpointConfig, encoder: ClipEncoder, wanted: int) -> None:
    if encoder.clip_dim != wanted:
        raise CheckpointError(
            f"{folder} wants features of length {wanted}, its encoder {config.clip.model} gives "
            f"{encoder.clip_dim}: the checkpoint names the wrong encoder."
        )
