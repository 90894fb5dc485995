"""Candidates of several models for one picture, in the order of one CLIP's similarity; one model after
another is in memory. No interface, no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.caption_text import plain_caption
from clipcap_ext.engine.judging.judgement import Judgement
from clipcap_ext.service.service import CaptionService
from clipcap_ext.service.work import Progress, Result

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Contender:
    """A text judged, and the models that said it; none where it was given."""

    models: tuple[str, ...]
    judgement: Judgement

    @property
    def text(self) -> str:
        """What was said."""
        return self.judgement.text


@dataclass(frozen=True)
class SideBySide:
    """The contenders, nearest to the picture first; each model's own result, that of the model asked to judge
    last; the model whose CLIP judged."""

    contenders: tuple[Contender, ...]
    results: Mapping[str, Result]
    judge: str


def side_by_side(
    service: CaptionService, image: Image.Image, models: Sequence[str], judge: str, *,
    options: Mapping[str, DecodingOptions] | None = None, texts: Sequence[str] = (), words: bool = True,
    on_progress: Progress | None = None, stop: Event | None = None,
) -> SideBySide:  # fmt: skip
    """Caption a picture with each of `models` and judge all candidates, and `texts`, by the CLIP of `judge`.

    options: by model, its own where there are none. Errors as in `Work.caption`. Texts are compared without
    the full stop that some models write, and what several say is one contender.
    """
    from clipcap_ext.engine.judging.judge import by_similarity

    asked = dict(options or {})
    results = {
        model: service.caption([image], model, asked.get(model), on_progress=on_progress, stop=stop)
        for model in sorted(dict.fromkeys(models), key=lambda name: name == judge)  # whose CLIP then is here
    }
    said: dict[str, list[str]] = {plain_caption(text): [] for text in texts}
    for model in dict.fromkeys(models):
        for candidate in results[model].captions[0].candidates:
            said.setdefault(plain_caption(candidate.text), []).append(model)
    with service.work("judge", 1, judge, on_progress, stop) as work:
        judged = work.judge(image, list(said), words=words)
    ranked = by_similarity(judged.judgements)
    contenders = tuple(Contender(tuple(said[one.text]), one) for one in ranked)
    return SideBySide(contenders, results, judged.judge)
