"""Captions of the training photos by another model, learnt beside the people's: sequence-level knowledge
distillation (Kim and Rush, 2016). What that model looked for at length, the learner then finds at once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from clipcap_ext.errors import CorpusError
from clipcap_ext.train.clipcap.config import CaptioningConfig
from clipcap_ext.train.clipcap.items import prepare_caption


def read_teacher(path: Path) -> dict[str, str]:
    """File name -> caption, of JSON lines as `caption --json` writes them; CorpusError for any other file.

    A picture that could not be captioned has no caption there, and has none here.
    """
    try:
        records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        return {Path(one["path"]).name: str(one["caption"]) for one in records if "error" not in one}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorpusError(
            f"{path} holds no captions as `python -m clipcap_ext caption --json` writes them: {error!r}."
        ) from error


def learnt_captions(
    captions: Mapping[str, Sequence[str]], image_ids: Sequence[str], config: CaptioningConfig
) -> list[list[str]]:
    """Each photo's captions as they are learnt: the people's and, `teacher_times`, the teacher's if there is
    one. CorpusError if it has none of these photos."""
    teacher = read_teacher(Path(config.teacher)) if config.teacher else {}
    names = [Path(image_id).name for image_id in image_ids]
    if config.teacher and not any(name in teacher for name in names):
        raise CorpusError(
            f"teacher={config.teacher} has captions of {len(teacher)} pictures, and none of the {len(names)} "
            "training photos is among them: file names must agree."
        )
    taught = [[teacher[name]] * config.teacher_times if name in teacher else [] for name in names]
    return [
        [prepare_caption(text, config) for text in (*captions[image_id], *more)]
        for image_id, more in zip(image_ids, taught, strict=True)
    ]
