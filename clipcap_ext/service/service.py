"""The one owner of a loaded captioner: loading, captioning, stopping, memory. Not an interface; imports no
torch.

Lock order, which keeps a click during a generation from deadlocking: the host's queue (`host.job`) first,
ours second.
"""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from clipcap_ext.caption import Caption, Captioner, DecodingOptions
from clipcap_ext.engine.catalog import ModelEntry, find_model, list_models
from clipcap_ext.engine.factory import load_captioner
from clipcap_ext.errors import Cancelled, CaptionError
from clipcap_ext.service.calls import captions_of, explanation_of

if TYPE_CHECKING:
    import torch
    from PIL import Image

    from clipcap_ext.engine.sbg.edit import KeywordEdit
    from clipcap_ext.engine.sbg.explain import Explanation
    from clipcap_ext.service.host import Host, Job

T = TypeVar("T")

BATCH_SIZE = 8
DTYPE_NAMES = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}
Progress = Callable[[str], None]  # is told "loading", "captioning" and "stopping" as they begin


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


@dataclass(frozen=True)
class _Loaded:
    """What is in memory, and what was asked for when it was loaded."""

    name: str
    captioner: Captioner
    device: torch.device
    dtype: torch.dtype


@dataclass
class Work:
    """One job while it holds the host's queue and the service's lock: `caption` as often as needed."""

    service: CaptionService
    model: str
    job: Job | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    on_progress: Progress | None = None

    @property
    def stopped(self) -> bool:
        """True once somebody asked to stop, here or with a button of the host."""
        return self.stop.is_set() or (self.job is not None and self.job.stopped)

    def step(self, text: str = "") -> None:
        """One image is done: move the host's own progress on."""
        if self.job is not None:
            self.job.step(text)

    def caption(
        self, images: Sequence[Image.Image], options: DecodingOptions | None = None, *,
        keys: Sequence[str] | None = None, score: bool = False,
    ) -> Result:  # fmt: skip
        """Caption one batch. `score` gives every candidate its similarity, whatever ranked them.

        Raises Cancelled once stopped, OutOfMemory, CheckpointError; any other failure as a CaptionError.
        """
        if self.stopped:
            raise Cancelled("Stopped.")
        return self.service._caption(self, images, options, keys, score)

    def explain(
        self, image: Image.Image, options: DecodingOptions | None = None, edit: KeywordEdit | None = None
    ) -> Explanation:
        """Caption one picture with a model that guesses from keywords, perhaps edited by hand, and say why.

        UsageError if the model has no keywords; other errors as in `caption`.
        """
        if self.stopped:
            raise Cancelled("Stopped.")
        return self.service._run(self, lambda captioner: explanation_of(captioner, image, options, edit))[0]

    def captioning(
        self, options: DecodingOptions | None
    ) -> Callable[[Sequence[Image.Image]], Sequence[Caption]]:
        """`caption` with the options filled in, as clipcap_ext.batch takes it."""
        return lambda images: self.caption(images, options).captions


class CaptionService:
    """Captions for whoever asks, one piece of work at a time; a second one waits its turn."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._lock = threading.Lock()
        self._loaded: _Loaded | None = None
        self._works: list[Work] = []

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

    def caption(
        self, images: Sequence[Image.Image], model: str, options: DecodingOptions | None = None, *,
        keys: Sequence[str] | None = None, on_progress: Progress | None = None, score: bool = False,
    ) -> Result:  # fmt: skip
        """Caption images with the model of that name, BATCH_SIZE at a time; errors as in `Work.caption`."""
        results: list[Result] = []
        with self.work("Captioning", len(images), model, on_progress) as work:
            for start in range(0, max(len(images), 1), BATCH_SIZE):
                part = slice(start, start + BATCH_SIZE)
                own_keys = None if keys is None else keys[part]
                results.append(work.caption(images[part], options, keys=own_keys, score=score))
                for caption in results[-1].captions:
                    work.step(caption.text)
        captions = tuple(caption for result in results for caption in result.captions)
        return replace(
            results[-1], captions=captions, milliseconds=sum(result.milliseconds for result in results)
        )

    @contextmanager
    def work(self, title: str, total: int, model: str, on_progress: Progress | None = None) -> Iterator[Work]:
        """Hold the host's queue and the captioner for one job; Cancelled if it was stopped while it
        waited."""
        work = Work(self, model, on_progress=on_progress)
        self._works.append(work)
        try:
            with self.host.job(title, total) as work.job, self._lock:
                try:
                    yield work
                finally:
                    self._after()
        finally:
            self._works.remove(work)

    def stop(self) -> None:
        """Ask everything that runs or waits to stop after the batch it is at; never waits."""
        for work in list(self._works):
            work.stop.set()
            if work.on_progress is not None:
                work.on_progress("stopping")

    def unload(self) -> None:
        """Free the captioner, after the job that uses it, if one does; costs nothing where none is in
        memory."""
        with self._lock:
            if self._loaded is not None:
                self._drop()

    def loaded(self) -> str:
        """The name of the model in memory, empty if there is none."""
        loaded = self._loaded
        return "" if loaded is None else loaded.name

    def status(self) -> str:
        """One line: the model in memory, its device, dtype and size."""
        loaded = self._loaded
        if loaded is None:
            return "No model in memory."
        megabytes = _weight_bytes(loaded.captioner) / 1e6
        return f"{loaded.name} · {loaded.device} · {dtype_name(loaded.dtype)} · {megabytes:.0f} MB"

    def _caption(
        self, work: Work, images: Sequence[Image.Image], options: DecodingOptions | None,
        keys: Sequence[str] | None, score: bool,
    ) -> Result:  # fmt: skip
        """`Work.caption`, with the lock held."""
        captions, loaded, milliseconds = self._run(
            work, lambda captioner: captions_of(captioner, images, options, keys, score)
        )
        return Result(captions, str(loaded.device), dtype_name(loaded.dtype), milliseconds, loaded.name)

    def _run(self, work: Work, do: Callable[[Captioner], T]) -> tuple[T, _Loaded, float]:
        """What `do` makes with the captioner of `work`, what was loaded, and the milliseconds; errors in our
        words."""
        try:
            loaded = self._load(work)
            if work.on_progress is not None:
                work.on_progress("captioning")
            start = time.perf_counter()
            return do(loaded.captioner), loaded, (time.perf_counter() - start) * 1000
        except CaptionError:
            raise
        except Exception as error:
            if not _is_out_of_memory(error):
                self.host.report("ClipCap could not caption")
                raise CaptionError(f"Captioning failed: {type(error).__name__}: {error}") from error
            device = self._loaded.device if self._loaded else self.host.device()
        self._drop()  # outside the except block: the exception's frames hold tensors
        raise OutOfMemory(
            f"Out of memory on {device}: everything of the captioner was freed. "
            "Try again; with fewer candidates or beams, or a smaller model, it needs less."
        )

    def _load(self, work: Work) -> _Loaded:
        """What `work` asks for, from memory or from disk."""
        device = self.host.device()
        dtype = self.host.dtype(device)
        loaded = self._loaded
        if loaded is None or (loaded.name, loaded.device, loaded.dtype) != (work.model, device, dtype):
            if work.on_progress is not None:
                work.on_progress("loading")
            self._drop()
            self.host.make_room()
            with self.host.loading():
                captioner = load_captioner(work.model, device, dtype, folders=[self.host.models_dir])
            loaded = self._loaded = _Loaded(work.model, captioner, device, dtype)
        self.host.before_caption(loaded.captioner)
        return loaded

    def _after(self) -> None:
        loaded = self._loaded
        if loaded is not None and self.host.after_caption(loaded.captioner):
            self._drop()

    def _drop(self) -> None:
        self._loaded = None
        gc.collect()
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available():
            torch.cuda.empty_cache()


def dtype_name(dtype: torch.dtype) -> str:
    """`torch.float16` -> `fp16`, as artists say it."""
    name = str(dtype).removeprefix("torch.")
    return DTYPE_NAMES.get(name, name)


def _is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or "out of memory" in str(error).lower()


def _weight_bytes(captioner: Any) -> int:
    """Bytes of every torch module a captioner holds, itself or one level down."""
    import torch

    parts = [*vars(captioner).values()]
    parts += [inner for part in parts if hasattr(part, "__dict__") for inner in vars(part).values()]
    modules = {id(part): part for part in parts if isinstance(part, torch.nn.Module)}
    sizes = {
        tensor.data_ptr(): tensor.numel() * tensor.element_size()
        for module in modules.values()
        for tensor in module.parameters()
    }
    return sum(sizes.values())
