"""One job with the captioner, from its turn until it is done or stopped: caption, guess, explain. It knows no
queue and no lock, and imports no torch."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from clipcap_ext.ahead import takes_every_core
from clipcap_ext.caption import Caption, DecodingOptions
from clipcap_ext.captioning import Captioner, Captioning, Prepared
from clipcap_ext.errors import Cancelled, CaptionError, UsageError
from clipcap_ext.service.judging import Judged
from clipcap_ext.service.keeper import Keeper, Loaded

if TYPE_CHECKING:
    from PIL import Image

    from clipcap_ext.engine.sbg.captioner import SbgCaptioner
    from clipcap_ext.engine.sbg.edit import KeywordEdit
    from clipcap_ext.engine.sbg.explain import Explanation
    from clipcap_ext.service.host import Job

PRECISION_SETTING = "clipcap_precision"
T = TypeVar("T")
Progress = Callable[[str], None]  # is told "loading", "captioning" and "judging" as they begin


class OutOfMemory(CaptionError):
    """The device's memory did not suffice; everything of ours was freed."""


@dataclass(frozen=True)
class Result:
    """Captions in the order of the images, and how they came about. `milliseconds` leaves loading out."""

    captions: tuple[Caption, ...]
    device: str
    dtype: str
    milliseconds: float
    model: str


@dataclass
class Work:
    """One job while it holds the host's queue and the service's lock: `caption` as often as needed.

    Every call raises Cancelled once stopped, OutOfMemory, CheckpointError; any other failure as a
    CaptionError. Pictures may be of any mode.
    """

    keeper: Keeper
    model: str
    on_progress: Progress | None = None
    job: Job | None = None
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def stopped(self) -> bool:
        """True once whoever asked for this work wants it to stop, by `stop`, or the host does.

        A host's own Interrupt is for all that it shows as running, ours included: what it means there is left
        as it is.
        """
        return self.stop.is_set() or (self.job is not None and self.job.stopped)

    def step(self, text: str = "") -> None:
        """One image is done: move the host's own progress on."""
        if self.job is not None:
            self.job.step(text)

    def tell(self, stage: str) -> None:
        """Say what begins, to whoever asked to be told."""
        if self.on_progress is not None:
            self.on_progress(stage)

    def caption(
        self, images: Sequence[Image.Image | Prepared], options: DecodingOptions | None = None, *,
        keys: Sequence[str] | None = None, score: bool = False,
    ) -> Result:  # fmt: skip
        """Caption one batch. `score` gives every candidate its similarity, whatever ranked them."""

        def captions(captioner: Captioner) -> list[Caption]:
            return captioner.caption(
                [_ready(image) for image in images], self._asked(captioner, options), keys=keys, score=score
            )

        return self._result(captions, options)

    def guess(self, image: Image.Image, options: DecodingOptions | None, edit: KeywordEdit) -> Result:
        """Caption one picture from edited keywords; UsageError if the model does not guess from keywords."""
        return self._result(
            lambda captioner: [
                _guesser(captioner).guess_edited(_rgb(image), edit, self._asked(captioner, options))
            ],
            options,
        )

    def explain(
        self, image: Image.Image, options: DecodingOptions | None = None, edit: KeywordEdit | None = None
    ) -> Explanation:
        """Caption one picture as `guess` does, its keywords perhaps edited, and say why."""
        from clipcap_ext.engine.sbg.explain import explain_image

        return self._made(lambda captioner: explain_image(_guesser(captioner), _rgb(image), options, edit))[0]

    def judge(self, image: Image.Image, texts: Sequence[str], *, words: bool = True) -> Judged:
        """How near to a picture captions are, whoever wrote them, and each of their words; by this model's
        encoder, or by the bundled one where that reads no text. No captioner is loaded for it."""

        def judged() -> Judged:
            loaded = self.keeper.loaded
            own = loaded.captioner if loaded is not None and loaded.name == self.model else None
            self.tell("judging")
            return self.keeper.judge.judge(
                _rgb(image), texts, self.model, own, lambda: self.tell("loading"), words
            )

        return self._in_our_words(judged)

    def captioning(self, options: DecodingOptions | None) -> Captioning:
        """`caption` in its steps with the options filled in, as clipcap_ext.batch takes it."""
        return Captioning(
            lambda images: self._made(
                lambda captioner: captioner.look(
                    [_ready(image) for image in images], self._asked(captioner, options)
                )
            )[0],
            lambda looked: self._made(
                lambda captioner: captioner.caption_looked(looked, self._asked(captioner, options))
            )[0],
            lambda image: self.prepare(image, options),
            in_turns=takes_every_core(self.keeper.host.device),
        )

    def prepare(self, image: Image.Image, options: DecodingOptions | None = None) -> Image.Image | Prepared:
        """A picture made ready for the model in memory, by any thread; as it is before there is one."""
        loaded, picture = self.keeper.loaded, _rgb(image)
        if loaded is None or loaded.name != self.model:
            return picture
        return loaded.captioner.prepare(picture, self._asked(loaded.captioner, options))

    def _asked(self, captioner: Captioner, options: DecodingOptions | None) -> DecodingOptions | None:
        """The options asked for; where none are, the model's own in the settings page's precision."""
        if options is None and self.keeper.host.setting(PRECISION_SETTING, "exact") == "fast":
            return replace(captioner.default_options, precision="fast")
        return options

    def _result(self, make: Callable[[Captioner], list[Caption]], options: DecodingOptions | None) -> Result:
        captions, loaded, milliseconds = self._made(make)
        numbers = loaded.numbers(self._asked(loaded.captioner, options))
        return Result(tuple(captions), str(loaded.device), numbers, milliseconds, loaded.name)

    def _made(self, make: Callable[[Captioner], T]) -> tuple[T, Loaded, float]:
        """What `make` makes with the captioner, what was loaded, and the milliseconds it took."""

        def made() -> tuple[T, Loaded, float]:
            loaded = self.keeper.bring(self.model, lambda: self.tell("loading"))
            self.tell("captioning")
            start = time.perf_counter()
            return make(loaded.captioner), loaded, (time.perf_counter() - start) * 1000

        return self._in_our_words(made)

    def _in_our_words(self, do: Callable[[], T]) -> T:
        """What `do` gives; its errors as they are told to a person."""
        host = self.keeper.host
        if self.stopped:
            raise Cancelled("Stopped.")
        try:
            return do()
        except CaptionError:
            raise
        except Exception as error:
            if not _is_out_of_memory(error):
                host.report("ClipCap could not caption")
                raise CaptionError(f"Captioning failed: {type(error).__name__}: {error}") from error
            device = self.keeper.loaded.device if self.keeper.loaded else host.device()
        self.keeper.free()  # outside the except block: the exception's frames hold tensors
        raise OutOfMemory(
            f"Out of memory on {device}: everything of the captioner was freed. "
            "Try again; with fewer candidates or beams, or a smaller model, it needs less."
        )


def _ready(image: Image.Image | Prepared) -> Image.Image | Prepared:
    return image if isinstance(image, Prepared) else _rgb(image)


def _rgb(image: Image.Image) -> Image.Image:
    from clipcap_ext.engine.images.reading import to_rgb

    return to_rgb(image)


def _guesser(captioner: Captioner) -> SbgCaptioner:
    from clipcap_ext.engine.sbg.captioner import SbgCaptioner

    if not isinstance(captioner, SbgCaptioner):
        raise UsageError(f"{captioner.name} has no keywords to explain or edit: choose a model of kind sbg.")
    return captioner


def _is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or "out of memory" in str(error).lower()
