"""Training from feature shards: what memory would learn, to the last bit; every caption once; resumable
anywhere."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from shards import photo, write_shards, write_tar
from tiny_tasks import (
    CAPTIONING,
    captions_of,
    same,
    stop_after,
    streamed_settings,
    trainer,
    weights,
    write_features,
)

from clipcap_ext.corpus import Corpus, Example, FeatureTable
from clipcap_ext.corpus import __main__ as corpus_door
from clipcap_ext.corpus.feature_folder import FeatureFolder
from clipcap_ext.engine.checkpoint.fingerprint import image_fingerprint
from clipcap_ext.engine.checkpoint.folder import read_trained_on
from clipcap_ext.engine.factory import load_captioner
from clipcap_ext.errors import CorpusError, UsageError
from clipcap_ext.train.__main__ import main
from clipcap_ext.train.clipcap.config import CaptioningConfig
from clipcap_ext.train.clipcap.stream import CaptionStream
from clipcap_ext.train.clipcap.streamed import StreamedClipCapTask, choose_held_out, read_held_out
from clipcap_ext.train.clipcap.task import ClipCapTask
from clipcap_ext.train.loop.batches import plan_epoch, share
from clipcap_ext.train.loop.loop import seed_everything
from clipcap_ext.train.loop.run_log import Record
from clipcap_ext.train.loop.state import load_state
from clipcap_ext.train.presets import PRESETS
from clipcap_ext.train.task import Task

RICH = {
    "dropout": 0.2, "ema": 0.9, "views": 2, "feature_noise": 0.1, "label_smoothing": 0.1, "warmup_steps": 3,
    "schedule": "cosine", "clip_norm": 1.0, "holdout": 3,
}  # fmt: skip


def config_of(**changes: Any) -> CaptioningConfig:
    return CaptioningConfig(**{**CAPTIONING, "encoder": "drawn", "encoder_weights": "x", **changes})


def streamed(folder: FeatureFolder, **changes: Any) -> StreamedClipCapTask:
    config = config_of(**changes)
    seed_everything(config.seed)
    return StreamedClipCapTask.build(config, folder.path, lambda line: None)


def in_memory(folder: FeatureFolder, **changes: Any) -> Task:
    """The same pictures, all of them in memory."""
    config = config_of(**changes)
    held = choose_held_out([info.images for info in folder.infos()], config)
    examples, features = [], []
    for shard in range(len(folder.manifest.parts)):
        kept = list(folder.rows(shard))[held.get(shard, 0) :]
        examples += [Example(f"{shard}/{i}", Path("x"), row.captions) for i, row in enumerate(kept)]
        features.append(folder.features(shard)[held.get(shard, 0) :, : config.views])
    train = Corpus("train", tuple(examples))
    seed_everything(config.seed)
    table = FeatureTable(tuple(train.image_ids), torch.cat(features))
    return ClipCapTask(config, train, table, *read_held_out(folder, held, config))


def final_state(out: Path) -> dict[str, Any]:
    """The saved state without the clock."""
    progress, tensors, randoms = load_state(out)
    progress.seconds = 0.0
    return {"progress": vars(progress), "tensors": tensors, "randoms": randoms}


@pytest.mark.parametrize("accumulate", [1, 2])
def test_one_pool_learns_what_memory_learns_to_the_last_bit(tmp_path: Path, accumulate: int) -> None:
    folder = write_features(tmp_path / "features", [4, 0, 5, 3])
    tasks = {"stream": streamed(folder, accumulate=accumulate, **RICH)}
    tasks["memory"] = in_memory(folder, accumulate=accumulate, **RICH)  # type: ignore[assignment]
    found = {}
    for name, task in tasks.items():
        trainer(task, tmp_path / name).run()
        losses = [row["loss"] for row in Record(tmp_path / name, 99, 99).rows if row["kind"] == "step"]
        found[name] = (losses, weights(task), final_state(tmp_path / name))
    assert len(found["stream"][0]) > 5 and same(found["stream"], found["memory"])


@settings(max_examples=25)
@given(st.data())
def test_batches_are_those_of_memory_where_one_pool_holds_all(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    sizes = data.draw(
        st.lists(st.integers(0, 4), min_size=1, max_size=5).filter(lambda sizes: sum(sizes) > 2)
    )
    changes = {
        "batch_size": data.draw(st.integers(1, 9)), "seed": data.draw(st.integers(0, 3)), "holdout": 1,
        "views": data.draw(st.integers(1, 2)), "feature_noise": data.draw(st.sampled_from([0.0, 0.2])),
    }  # fmt: skip
    folder = write_features(tmp_path_factory.mktemp("features"), sizes, captions=data.draw(st.integers(1, 5)))
    stream, memory = streamed(folder, **changes), in_memory(folder, **changes)
    for epoch in (0, 1):
        plan = plan_epoch(
            memory.lengths, stream.config.batch_size, seed=stream.config.seed, epoch=epoch, drop_last=False
        )
        batches = list(stream.batches(epoch, 0, 1))
        assert len(batches) == len(plan) == stream.steps(epoch, 1)
        for batch, items in zip(batches, plan, strict=True):
            assert stream.weight(batch) == memory.weight(items)
            assert same(stream.collate(batch, epoch), memory.collate(items, epoch))


@settings(max_examples=25)
@given(st.data())
def test_every_caption_once_an_epoch_in_bounded_pools_from_any_batch_on(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    sizes = data.draw(
        st.lists(st.integers(0, 5), min_size=2, max_size=9).filter(lambda sizes: sum(sizes) > 3)
    )
    folder = write_features(tmp_path_factory.mktemp("features"), sizes)
    buffer = data.draw(st.integers(1, 30))
    config = config_of(batch_size=data.draw(st.integers(1, 6)), buffer=buffer, holdout=2, max_tokens=200)
    held = choose_held_out(sizes, config)
    stream = CaptionStream(folder, held, config)
    largest = max(info.captions for info in folder.infos())
    tokenizer = Letters()
    expected = Counter(text for texts in stream.texts() for text in texts)
    for epoch in (0, 1):
        batches = list(stream.batches(tokenizer, epoch, 0, 1))
        assert len(batches) == stream.steps(epoch, 1)
        assert Counter(tokenizer.decode(b.pool.ids[i]) for b in batches for i in b.items) == expected
        assert max(len(batch.pool.ids) for batch in batches) < config.buffer + largest
        first = data.draw(st.integers(0, len(batches)))
        rest = list(stream.batches(tokenizer, epoch, first, 1))
        assert same(
            [b.pool.collate(b.items, epoch) for b in rest],
            [b.pool.collate(b.items, epoch) for b in batches[first:]],
        )


class Letters:
    """A tokenizer of single letters."""

    def caption_ids(self, texts: list[str]) -> list[list[int]]:
        return [[ord(letter) for letter in text] for text in texts]

    def decode(self, ids: list[int]) -> str:
        return "".join(map(chr, ids))


def test_shards_and_captions_are_shuffled_anew_each_epoch(tmp_path: Path) -> None:
    folder = write_features(tmp_path, [3] * 12)
    stream = CaptionStream(folder, {}, config_of(buffer=20, holdout=1))
    assert stream.pools(0) != stream.pools(1) and len(stream.pools(0)) > 3
    assert sorted(shard for pool in stream.pools(0) for shard in pool) == list(range(12))
    other = CaptionStream(folder, {}, config_of(buffer=20, holdout=1, seed=1))
    assert other.pools(0) != stream.pools(0)
    seeds = {batch.pool.seed for batch in stream.batches(Letters(), 0, 0, 1)}
    assert len(seeds) == len(stream.pools(0))


def test_processes_see_disjoint_parts_of_the_same_batches(tmp_path: Path) -> None:
    stream = CaptionStream(
        write_features(tmp_path, [3] * 6), {}, config_of(buffer=12, batch_size=5, holdout=1)
    )
    batches = list(stream.batches(Letters(), 0, 0, 2))
    for batch in batches:
        parts = [share(batch, part, 2) for part in range(2)]
        assert sorted(np.concatenate([part.items for part in parts]).tolist()) == sorted(batch.items.tolist())
        assert all(len(part.items) for part in parts)
    assert len(batches) == stream.steps(0, 2)


@pytest.mark.parametrize("stop", [1, 4, 7, 10])
def test_interrupted_training_goes_on_bit_for_bit(tmp_path: Path, stop: int) -> None:
    """Several pools an epoch: stops in the middle of one, at borders and in the second epoch."""
    folder = write_features(tmp_path / "features", [4, 3, 5, 3, 4])
    changes = {**RICH, "buffer": 12, "batch_size": 6}
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    trainer(streamed(folder, **changes), whole).run()
    trainer(streamed(folder, **changes), broken, stop=stop_after(stop)).run()
    assert load_state(broken)[0].step == stop
    trainer(streamed(folder, **changes), broken, resume=True).run()
    assert load_state(whole)[0].step > stop and same(final_state(broken), final_state(whole))


def test_only_the_pools_that_are_needed_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_features(tmp_path, [3] * 10)
    stream = CaptionStream(folder, {}, config_of(buffer=10, holdout=1))
    read: list[int] = []
    features = FeatureFolder.features
    monkeypatch.setattr(FeatureFolder, "features", lambda self, n: read.append(n) or features(self, n))
    batches = stream.batches(Letters(), 0, 0, 1)
    next(batches)
    assert read == stream.pools(0)[0]
    read.clear()
    next(stream.batches(Letters(), 0, stream.steps(0, 1) - 1, 1))
    assert read == stream.pools(0)[-1]


def test_what_is_held_out_is_not_trained_on(tmp_path: Path) -> None:
    folder = write_features(tmp_path, [4, 4, 4])
    task = streamed(folder, holdout=6, validate_images=5)
    said = set(task.trained_on)
    held = choose_held_out([4, 4, 4], task.config)
    assert sum(held.values()) == 6 and len(said) == 6
    assert said.isdisjoint(f"{4 * shard + i:016x}" for shard, count in held.items() for i in range(count))
    assert len(read_held_out(folder, held, task.config)[0]) == 5
    trained = {text for texts in task._stream.texts() for text in texts}
    assert trained <= {" ".join(text.split()).lower() for i in range(12) for text in captions_of(i)}


def test_misfits_are_refused(tmp_path: Path) -> None:
    folder = write_features(tmp_path / "features", [4, 4])
    for changes, kind, words in (
        ({}, CorpusError, "set holdout to how many"),
        ({"holdout": 8}, CorpusError, "only 8 pictures"),
        ({"holdout": 1, "limit": 4}, UsageError, "limit is for data sets in memory"),
        ({"holdout": 1, "views": 3}, UsageError, "made with --views 2"),
        ({"holdout": 1, "encoder_weights": "y"}, UsageError, "were made by drawn/x, normalize true"),
        ({"holdout": 1, "normalize": False}, UsageError, "normalize=true, or make them anew"),
    ):
        with pytest.raises(kind, match=words):
            streamed(folder, **changes)
    (folder.path / "shard-000001" / "captions.jsonl").write_text("")
    with pytest.raises(CorpusError, match="do not hold what they say"):
        trainer(streamed(folder, holdout=1), tmp_path / "out").run()
    (folder.path / "shard-000001" / "shard.json").unlink()
    with pytest.raises(CorpusError, match="not made yet"):
        streamed(folder, holdout=1)


def test_presets_of_conceptual_captions() -> None:
    """The published settings, and features as the published weights have them: not normalised."""
    for name, mapper, length in (
        ("conceptual-captions", "mlp", 10),
        ("conceptual-captions-transformer", "transformer", 40),
    ):
        config = PRESETS[name].config
        assert (config.epochs, config.batch_size, config.lr, config.warmup_steps) == (10, 40, 2e-5, 5000)
        assert isinstance(config, CaptioningConfig) and not config.normalize
        assert (config.mapper, config.prefix_length) == (mapper, length)
        assert (config.trained == "mapper") == (mapper == "transformer")


def test_from_tars_to_a_captioner_by_two_commands(
    tmp_path: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shards, encoder = write_shards(tmp_path / "shards", 4, 4), tiny_folder / "tiny-clip"
    write_tar(shards[2], [("bare.png", b"")])
    features, out = tmp_path / "features", tmp_path / "out"
    making = [
        "features",
        "--data",
        str(tmp_path / "shards"),
        "--encoder",
        str(encoder),
        "--out",
        str(features),
    ]
    assert corpus_door.main(making) == 0
    settings = streamed_settings(encoder)
    words = ["--data", str(features), "--out", str(out)]
    assert main(["tiny-flickr8k", *words, *settings]) == 0
    told = capsys.readouterr().err
    assert (
        "4 shards, 9 training and 3 validation images; left out when the features were made: 1 no caption"
        in told
    )
    assert load_captioner(out / "best").default_options.num_beams == 3
    said = read_trained_on(out / "best")
    assert len(said) == 9 and said < {image_fingerprint(photo(n)) for n in range(16)}
    assert main(["sbg-tiny", *words[:-1], str(tmp_path / "other")]) == 2
    assert "only ClipCap presets train on" in capsys.readouterr().err
