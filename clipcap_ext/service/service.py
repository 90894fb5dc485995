"""Turns: whoever asks for captions gets the host's queue and the one captioner, one after another, and can be
stopped. Not an interface; imports no torch.

Lock order: the host's queue (`host.job`) first, ours second. A generation holds the queue when it asks for
captions. Were our lock taken before the queue, a click in the tab would hold ours and wait for the queue, the
generation would hold the queue and wait for ours, and both would stand still. Whoever takes ours alone, as
`unload`, asks for no queue while it holds it.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from clipcap_ext.ahead import batches_ahead, takes_every_core
from clipcap_ext.caption import DecodingOptions
from clipcap_ext.captioning import Prepared
from clipcap_ext.engine.catalog import ModelEntry, find_model, list_models
from clipcap_ext.service.keeper import Keeper
from clipcap_ext.service.work import Progress, Result, Work

if TYPE_CHECKING:
    from PIL import Image

    from clipcap_ext.service.host import Host

BATCH_SIZE = 8


def _ahead(
    work: Work, images: Sequence[Image.Image], options: DecodingOptions | None
) -> Generator[list[Image.Image | Prepared], None, None]:
    """The pictures, BATCH_SIZE at a time, made ready in threads ahead of the model."""
    return batches_ahead(
        images, lambda image: work.prepare(image, options), BATCH_SIZE,
        in_turns=takes_every_core(work.keeper.host.device),
    )  # fmt: skip


class CaptionService:
    """Captions for whoever asks, one piece of work at a time; a second one waits its turn."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._keeper = Keeper(host)
        self._lock = threading.Lock()

    def models(self) -> list[ModelEntry]:
        """The bundled captioners and the user's."""
        return list_models(folders=[self.host.models_dir])

    def find(self, model: str) -> ModelEntry:
        """The model of that name, or the checkpoint or file at that path; errors as in `find_model`."""
        return find_model(model, folders=[self.host.models_dir])

    def default_options(self, model: str) -> DecodingOptions:
        """The options that give the best captions of `model`; ModelNotFound if there is none of that name."""
        config = self.find(model).config
        return DecodingOptions() if config is None else config.decoding_options()

    def lacking(self, model: str) -> Mapping[str, str]:
        """The decoding options that `model` does not have, and why; ModelNotFound if there is none of that
        name."""
        return self.find(model).lacking

    def caption(
        self, images: Sequence[Image.Image], model: str, options: DecodingOptions | None = None, *,
        keys: Sequence[str] | None = None, on_progress: Progress | None = None, score: bool = False,
        stop: threading.Event | None = None,
    ) -> Result:  # fmt: skip
        """Caption images with the model of that name, BATCH_SIZE at a time; errors as in `Work.caption`."""
        results: list[Result] = []
        with (
            self.work("Captioning", len(images), model, on_progress, stop) as work,
            closing(_ahead(work, images, options)) as ready,
        ):
            for start in range(0, max(len(images), 1), BATCH_SIZE):
                own_keys = None if keys is None else keys[start : start + BATCH_SIZE]
                results.append(work.caption(next(ready, []), options, keys=own_keys, score=score))
                for caption in results[-1].captions:
                    work.step(caption.text)
        captions = tuple(caption for result in results for caption in result.captions)
        return replace(
            results[-1], captions=captions, milliseconds=sum(result.milliseconds for result in results)
        )

    @contextmanager
    def work(
        self, title: str, total: int, model: str, on_progress: Progress | None = None,
        stop: threading.Event | None = None,
    ) -> Iterator[Work]:  # fmt: skip
        """Hold the host's queue and the captioner for one job; Cancelled if it was stopped while it waited.

        stop: set by whoever asked, to end this job after the batch it is at. No job can end another's.
        """
        work = Work(self._keeper, model, on_progress, stop=stop or threading.Event())
        with self.host.job(title, total) as work.job, self._lock:
            try:
                yield work
            finally:
                self._keeper.rest()

    def unload(self) -> None:
        """Free the captioner, after the job that uses it, if one does; costs nothing where none is in
        memory."""
        with self._lock:
            if self._keeper.loaded is not None:
                self._keeper.free()

    def loaded(self) -> str:
        """The name of the model in memory, empty if there is none."""
        loaded = self._keeper.loaded
        return "" if loaded is None else loaded.name

    def status(self) -> str:
        """One line: the model in memory, its device, dtype and size."""
        return self._keeper.status()
