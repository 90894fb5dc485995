"""The evaluations that run a model: a checkpoint's captions, those for a test server, an encoder's retrieval;
not the scores of finished captions."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.captioning import Captioner
from clipcap_ext.corpus import Problem
from clipcap_ext.corpus.layouts.image_list import read_image_list
from clipcap_ext.corpus.splits import HELD_SHARE
from clipcap_ext.engine.catalog import find_model
from clipcap_ext.engine.checkpoint.config import CheckpointConfig
from clipcap_ext.engine.encoder_names import load_named_encoder, model_folders, process_device
from clipcap_ext.engine.factory import load_captioner
from clipcap_ext.evaluate.caption_scores import check_scorer, score_captions
from clipcap_ext.evaluate.dataset import EvaluationSplit
from clipcap_ext.evaluate.encoders import encode_texts
from clipcap_ext.evaluate.generation import caption_examples
from clipcap_ext.evaluate.hypotheses.submission import write_submission
from clipcap_ext.evaluate.instances import marked_objects
from clipcap_ext.evaluate.judge import load_judge
from clipcap_ext.evaluate.leakage import TrainingOverlap, training_overlap
from clipcap_ext.evaluate.report.results import folder_fingerprint, provenance
from clipcap_ext.evaluate.request import EvaluationRequest
from clipcap_ext.evaluate.retrieval import retrieval_figures, retrieval_signature, retrieval_tables
from clipcap_ext.evaluate.stored_features import caption_stored
from clipcap_ext.flags import join_options

RANDOM = "random"  # the split of one's own photos
Say = Callable[[str], None]


def evaluate_model(
    model: str, request: EvaluationRequest, decoding: Mapping[str, Any], say: Say = lambda line: None
) -> dict[str, Any]:
    """Caption a split with a checkpoint (a name or a folder) and score it. `decoding`: changes of its own
    options."""
    check_scorer(request)
    entry = find_model(model)
    config = entry.usable_config()
    split = request.load(share=share_of(config))
    objects = marked_objects(request.instances, split.corpus.examples)
    options = join_options(config.scored_options(), decoding, entry.lacking)
    overlap = _checked_overlap(model_folders(entry.folder, config.encoder), entry.name, split, request)
    captioner = load_captioner(model, _device(request))
    if split.features is not None:
        split.features.check_made_for(captioner)
    judge, notes = load_judge(request, split)
    if judge is not None:
        ranked = options.rank_by != "logprob" or config.kind == "sbg"
        note = judge.check_independence(config.encoder, captioner.encoder.fingerprint, ranked)
        notes += [note] if note else []
    start = time.perf_counter()
    captions, problems = caption_split(captioner, split, options, request.batch_size, say)
    captioned = time.perf_counter()
    say(f"scoring, protocol {request.protocol}")
    figures = score_captions(captions, split, request, judge, objects)
    figures["notes"] += notes
    seconds = {
        "captioning": round(captioned - start, 2),
        "scoring": round(time.perf_counter() - captioned, 2),
    }
    return {
        **provenance(), "kind": "captions",
        "model": {
            "name": entry.name, "fingerprint": folder_fingerprint(entry.folder),
            "encoder": config.encoder.model if config.encoder else "",
            "encoder_fingerprint": captioner.encoder.fingerprint,
            "training_images": _said_of(overlap),
        },
        "decoding": {**vars(options), "strategy": options.strategy, "batch_size": request.batch_size},
        "problems": [str(problem) for problem in (*split.problems, *problems)],
        "seconds": seconds, **figures,
    }  # fmt: skip


def caption_split(
    captioner: Captioner, split: EvaluationSplit, options: DecodingOptions, batch_size: int, say: Say
) -> tuple[dict[str, str], list[Problem]]:
    """image_id -> caption, from the photos or from their stored features, and what could not be read."""
    say(f"{captioner.name}: captioning {len(split.corpus)} images of {split.corpus.name} ({split.label})")
    examples, progress = split.corpus.examples, _progress(say, "images captioned")
    if split.features is None:
        return caption_examples(captioner, examples, options, batch_size, progress)
    return caption_stored(captioner, split.features, examples, options, batch_size, progress), []


def write_for_server(
    model: str, path: Path, request: EvaluationRequest, decoding: Mapping[str, Any], say: Say
) -> list[str]:
    """Caption every image that the file request.data lists, and write `path` as test servers take it; returns
    the images that could not be captioned, whose entries are empty."""
    corpus = read_image_list(request.data, request.images)
    split = EvaluationSplit(corpus, "all", tuple(corpus.image_ids))
    entry = find_model(model)
    config = entry.usable_config()
    options = join_options(config.scored_options(), decoding, entry.lacking)
    _checked_overlap(model_folders(entry.folder, config.encoder), entry.name, split, request)
    say(f"{entry.name}: captioning {len(corpus)} images of {request.data.name}")
    captions, problems = caption_examples(
        load_captioner(model, _device(request)), corpus.examples, options, request.batch_size,
        _progress(say, "images captioned"),
    )  # fmt: skip
    for problem in problems:
        say(str(problem))
    return write_submission(path, corpus.examples, captions)


def evaluate_retrieval(
    encoder_name: str, request: EvaluationRequest, say: Say = lambda line: None
) -> dict[str, Any]:
    """Recall of an encoder over the images and captions of a split."""
    from clipcap_ext.corpus import encode_corpus

    split = request.load()
    split.check_photos("--retrieval")
    encoder, folders = load_named_encoder(encoder_name, _device(request))
    overlap = _checked_overlap(folders, encoder_name, split, request)
    say(f"{encoder_name}: encoding {len(split.corpus)} images of {split.corpus.name} ({split.label})")
    progress = _progress(say, "images encoded")
    with tempfile.TemporaryDirectory() as cache:
        table = encode_corpus(encoder, split.corpus, cache, batch_size=request.batch_size, progress=progress)
    captions = [split.references[image_id] for image_id in table.image_ids]
    texts = [caption for group in captions for caption in group]
    owners = [row for row, group in enumerate(captions) for _ in group]
    images = table.features[:, 0, : encoder.clip_dim].numpy()  # (n, clip_dim)
    tables = retrieval_tables(images, encode_texts(encoder, texts).numpy(), owners)
    name = split.corpus.name
    return {
        **provenance(), "kind": "retrieval",
        "signature": retrieval_signature(name, split.label, len(images), len(texts)),
        "model": {
            "name": Path(encoder_name).name, "encoder_fingerprint": encoder.fingerprint,
            "training_images": _said_of(overlap),
        },
        "results": retrieval_figures(tables, request.bootstrap),
        "data": {"name": name, "split": split.label, "images": len(images), "references": len(texts)},
        "bootstrap": {**vars(request.bootstrap),
        "method": "percentiles over resampled images, whole gallery"},
        "problems": [str(problem) for problem in (*split.problems, *table.problems)],
    }  # fmt: skip


def share_of(config: CheckpointConfig) -> float:
    """What a model's own training on a random split set aside, for its test part is the rest of that."""
    settings = config.training.get("settings")
    said = settings.get("holdout") if isinstance(settings, dict) and settings.get("split") == RANDOM else None
    return said if isinstance(said, float) and 0 < said < 0.5 else HELD_SHARE


def _device(request: EvaluationRequest) -> str:
    return process_device(request.device, 0)


def _checked_overlap(
    folders: list[Path], model: str, split: EvaluationSplit, request: EvaluationRequest
) -> TrainingOverlap:
    overlap = training_overlap(folders, split.corpus.examples)
    if not request.allow_training_images:
        overlap.refuse(model, len(split.corpus))
    return overlap


def _said_of(overlap: TrainingOverlap) -> dict[str, int]:
    return {"remembered": overlap.remembered, "scored": len(overlap.image_ids)}


def _progress(say: Say, what: str, every: float = 5.0) -> Callable[[int, int], None]:
    """Tells how far the work is, at most every `every` seconds and at the end."""
    last = [time.monotonic()]

    def progress(done: int, of: int) -> None:
        if done == of or time.monotonic() - last[0] >= every:
            last[0] = time.monotonic()
            say(f"  {done} of {of} {what}")

    return progress
