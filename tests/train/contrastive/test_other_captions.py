"""Captions of photos that are not here: which are taken, how they are paired, what they do to the loss."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_tasks import captions_of, contrastive_task, same, trainer, weights

from clipcap_ext.errors import CorpusError, UsageError
from clipcap_ext.train.contrastive.module import contrastive_loss
from clipcap_ext.train.other_captions import read_other_captions


def table(folder: Path, names: list[str], captions: int = 3) -> Path:
    """Captions of drawn photos that are not here, and of some that are."""
    rows = [
        f'{name},train,"{text}"'
        for i, name in enumerate(names)
        for text in [f"photo {i} {text}" for text in captions_of(i)][:captions]
    ]
    path = folder / "others.csv"
    path.write_text("\n".join(["image,split,caption", *rows]) + "\n", encoding="utf-8")
    return path


def test_captions_of_one_photo_stay_together_and_known_photos_are_left_out(tmp_path: Path) -> None:
    rows = (
        "image,split,caption\n12.jpg,train,A dog .\n13.jpg,train,A car .\n14.jpg,test,A man .\n"
        '13.jpg,train,"A car, red ."\n15.jpg,val,A hat .\n16.jpg,train,A cup .\n'
    )
    path = tmp_path / "c.csv.gz"
    path.write_bytes(gzip.compress(rows.encode()))
    assert read_other_captions(path, ["12_ab.jpg"]) == [["A car .", "A car, red ."], ["A cup ."]]
    whole = path.read_bytes()
    for broken in (whole[:-9], whole[:20] + b"????" + whole[24:], b"image,split,caption"):
        path.write_bytes(broken)
        with pytest.raises(CorpusError, match=r"c\.csv\.gz cannot be read"):
            read_other_captions(path, [])


def test_a_pair_is_two_captions_of_one_photo_and_none_of_ours(tmp_path: Path, flickr_folder: Path) -> None:
    path = table(tmp_path, [f"{i:03}_x.jpg" for i in range(4)] + [f"9{i}.jpg" for i in range(5)])
    task: Any = contrastive_task(flickr_folder, texts=str(path), text_pairs=2)
    batch = task.collate(np.arange(4), 0)
    one, other = batch["pair_ids"].chunk(2)
    assert len(one) == 2 * 4
    for first, second in zip(one, other, strict=True):
        words = [
            task.bpe.decode([i for i in ids.tolist() if 0 < i < task.bpe.vocab_size])
            for ids in (first, second)
        ]
        photo = [text.split()[1] for text in words]
        assert photo[0] == photo[1] and int(photo[0]) >= 4 and words[0] != words[1]
    assert same(batch, task.collate(np.arange(4), 0)) and not same(batch, task.collate(np.arange(4), 1))


def test_the_loss_of_pairs_is_added_with_its_weight(tmp_path: Path, flickr_folder: Path) -> None:
    path = table(tmp_path, [f"9{i}.jpg" for i in range(5)])
    task: Any = contrastive_task(flickr_folder, texts=str(path), text_pairs=1, texts_weight=0.25)
    module, batch = task.module.eval(), task.collate(np.arange(4), 0)
    with torch.no_grad():
        alone = module(batch["pixels"], batch["input_ids"])
        one, other = module.text_features(batch["pair_ids"]).chunk(2)
        pairs = contrastive_loss(module.clip.logit_scale.exp() * one @ other.T)
        torch.testing.assert_close(module(**batch), alone + 0.25 * pairs * 4)


@pytest.mark.parametrize("change", [{"texts_weight": 0.0}, {"texts_weight": 0.9}, {"text_pairs": 3}], ids=str)
def test_each_of_their_options_has_an_effect(
    change: dict[str, Any], tmp_path: Path, flickr_folder: Path
) -> None:
    path = table(tmp_path, [f"9{i}.jpg" for i in range(9)])
    found = []
    for more in ({}, change):
        task = contrastive_task(flickr_folder, texts=str(path), epochs=1, **more)
        trainer(task, tmp_path / str(len(found))).run()
        found.append(weights(task))
    assert not same(*found)


def test_a_table_without_a_pair_is_refused(tmp_path: Path, flickr_folder: Path) -> None:
    path = table(tmp_path, ["90.jpg", "91.jpg"], captions=1)
    with pytest.raises(UsageError, match="no pair"):
        contrastive_task(flickr_folder, texts=str(path))


def test_the_card_says_what_else_was_learnt_from(tmp_path: Path, flickr_folder: Path) -> None:
    path = table(tmp_path, ["90.jpg", "91.jpg"])
    for texts, said in ((str(path), True), ("", False)):
        task = contrastive_task(flickr_folder, texts=texts, epochs=1)
        trainer(task, tmp_path / f"run-{said}").run()
        card = (tmp_path / f"run-{said}" / "best" / "README.md").read_text(encoding="utf-8")
        assert ("captions alone" in card) is said and str(tmp_path) not in card
