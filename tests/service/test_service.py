"""The one owner of a captioner: turns, stops, memory and errors, with a captioner that is not there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from PIL import Image

from clipcap_ext.caption import Candidate, Caption, DecodingOptions
from clipcap_ext.errors import Cancelled, CaptionError, CheckpointError
from clipcap_ext.service import keeper as module
from clipcap_ext.service.service import BATCH_SIZE, CaptionService
from clipcap_ext.service.standalone import StandaloneHost
from clipcap_ext.service.work import OutOfMemory

Say = Callable[[Sequence[Image.Image]], None]


class PretendCaptioner:
    """Says each picture's width; `before` is called with the batch and may raise or wait."""

    default_options = DecodingOptions()

    def __init__(self, name: str, before: Say) -> None:
        self.name = name
        self.before = before
        self.batches: list[int] = []
        self.asked: list[tuple[object, bool]] = []  # keys, score

    def prepare(self, image: Image.Image, options: object = None) -> Image.Image:
        return image

    def caption(
        self, images: Sequence[Image.Image], options: object = None, *, keys: object = None,
        score: bool = False,
    ) -> list[Caption]:  # fmt: skip
        self.before(images)
        self.batches.append(len(images))
        self.asked.append((keys, score))
        return [
            Caption(f"{image.width}", self.name, (Candidate(f"{image.width}", -1.0),)) for image in images
        ]


class WatchedHost(StandaloneHost):
    """Counts what the service asks of it."""

    def __init__(self, memory: str = "keep") -> None:
        super().__init__(Path("/nowhere"), "cpu", {"clipcap_memory": memory})
        self.asked: list[str] = []

    def make_room(self) -> None:
        self.asked.append("room")

    def before_caption(self, captioner: object) -> None:
        self.asked.append("before")

    @contextmanager
    def loading(self) -> Iterator[None]:
        self.asked.append("loading")
        yield

    def report(self, message: str, exc_info: bool = True) -> None:
        self.asked.append("report")


class World:
    """A service, what it loaded, and what its captioners do."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, memory: str = "keep") -> None:
        self.host = WatchedHost(memory)
        self.service = CaptionService(self.host)
        self.loaded: list[PretendCaptioner] = []
        self.before: Say = lambda images: None
        monkeypatch.setattr(module, "load_captioner", self.load)

    def load(self, name: str, *rest: object, folders: Sequence[Path]) -> PretendCaptioner:
        if name == "broken":
            raise CheckpointError("broken is broken")
        self.loaded.append(PretendCaptioner(name, lambda images: self.before(images)))
        return self.loaded[-1]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def picture(width: int) -> Image.Image:
    return Image.new("RGB", (width, 4))


def pictures(*widths: int) -> list[Image.Image]:
    return [picture(width) for width in widths]


def test_many_pictures_go_in_batches_and_come_back_in_order(world: World) -> None:
    widths = range(1, 2 * BATCH_SIZE + 4)
    result = world.service.caption(pictures(*widths), "a")
    assert [caption.text for caption in result.captions] == [str(width) for width in widths]
    assert world.loaded[0].batches == [BATCH_SIZE, BATCH_SIZE, 3]
    assert (result.model, result.device, result.dtype) == ("a", "cpu", "fp32")
    assert result.milliseconds > 0


def test_a_model_is_loaded_once_and_makes_way_for_another(world: World) -> None:
    stages: list[str] = []
    for name in ("a", "a", "b"):
        world.service.caption([picture(1)], name, on_progress=stages.append)
    assert [captioner.name for captioner in world.loaded] == ["a", "b"]
    assert stages == ["loading", "captioning", "captioning", "loading", "captioning"]
    assert world.host.asked == ["room", "loading", "before", "before", "room", "loading", "before"]
    assert world.service.loaded() == "b"
    world.service.unload()
    assert world.service.loaded() == ""
    assert world.service.status() == "No model in memory."


def test_unloading_nothing_does_not_search_the_host_for_garbage(monkeypatch: pytest.MonkeyPatch) -> None:
    world, searches = World(monkeypatch), []
    monkeypatch.setattr(module.gc, "collect", lambda: searches.append(1))
    world.service.unload()
    assert not searches
    world.service.caption([picture(1)], "a")
    searches.clear()
    world.service.unload()
    assert searches


def test_the_memory_mode_free_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, memory="free")
    world.service.caption([picture(1)], "a")
    assert world.service.loaded() == ""


@pytest.mark.parametrize(
    "error",
    [
        torch.cuda.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("MPS backend out of memory"),
        MemoryError(),
    ],
)
def test_out_of_memory_frees_everything_says_so_and_the_next_click_works(
    world: World, error: Exception
) -> None:
    def fail(images: Sequence[Image.Image]) -> None:
        raise error

    world.before = fail
    with pytest.raises(OutOfMemory, match="Out of memory on cpu"):
        world.service.caption([picture(1)], "a")
    assert world.service.loaded() == ""
    world.before = lambda images: None
    assert world.service.caption([picture(7)], "a").captions[0].text == "7"


def test_keys_and_score_go_with_their_pictures_into_each_batch(world: World) -> None:
    keys = [f"k{number}" for number in range(BATCH_SIZE + 3)]
    world.service.caption(pictures(*range(1, BATCH_SIZE + 4)), "a", keys=keys, score=True)
    assert world.loaded[0].asked == [(keys[:BATCH_SIZE], True), (keys[BATCH_SIZE:], True)]


def test_any_other_failure_is_told_and_reported(world: World) -> None:
    def fail(images: Sequence[Image.Image]) -> None:
        raise RuntimeError("size mismatch")

    world.before = fail
    with pytest.raises(CaptionError, match="RuntimeError: size mismatch"):
        world.service.caption([picture(1)], "a")
    assert "report" in world.host.asked
    with pytest.raises(CheckpointError, match="broken is broken"):
        world.service.caption([picture(1)], "broken")
    world.before = lambda images: None
    assert world.service.caption([picture(2)], "a").captions[0].text == "2"


def test_two_at_once_take_turns_and_get_their_own(world: World) -> None:
    inside, most = [0], [0]

    def count(images: Sequence[Image.Image]) -> None:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        threading.Event().wait(0.02)
        inside[0] -= 1

    world.before = count
    found: dict[int, str] = {}

    def ask(width: int) -> None:
        found[width] = world.service.caption([picture(width)], "ab"[width % 2]).captions[0].text

    threads = [threading.Thread(target=ask, args=(width,)) for width in range(1, 9)]
    [thread.start() for thread in threads]
    [thread.join(30) for thread in threads]
    assert found == {width: str(width) for width in range(1, 9)}
    assert most == [1]


@pytest.mark.parametrize("stopped", ["what runs", "what waits"])
def test_stop_ends_the_work_of_who_asked_and_no_other(world: World, stopped: str) -> None:
    begun, go = threading.Event(), threading.Event()

    def hold(images: Sequence[Image.Image]) -> None:
        begun.set()
        go.wait(30)

    world.before = hold
    ended: dict[str, object] = {}
    stops = {name: threading.Event() for name in ("what runs", "what waits")}

    def ask(name: str) -> None:
        try:
            ended[name] = world.service.caption(pictures(*range(1, 20)), "a", stop=stops[name])
        except Cancelled as error:
            ended[name] = error

    threads = [threading.Thread(target=ask, args=(name,)) for name in stops]
    threads[0].start()
    assert begun.wait(30)
    threads[1].start()
    stops[stopped].set()
    go.set()
    [thread.join(30) for thread in threads]
    (other,) = set(stops) - {stopped}
    assert isinstance(ended[stopped], Cancelled)
    assert [caption.text for caption in ended[other].captions] == [str(width) for width in range(1, 20)]
    own = [BATCH_SIZE] if stopped == "what runs" else []  # the batch it was at is done
    rest = [BATCH_SIZE, BATCH_SIZE, 3]
    assert world.loaded[0].batches == own + rest
    assert world.service.caption([picture(3)], "a").captions[0].text == "3"


def test_with_the_real_engine(tiny_folder: Path) -> None:
    service = CaptionService(StandaloneHost(tiny_folder, "cpu"))
    options = DecodingOptions(max_new_tokens=8, num_beams=4, num_candidates=4)
    image = Image.new("RGBA", (40, 30), (10, 200, 30, 128))
    result = service.caption([image], "tiny-clipcap", options, score=True)
    plain = service.caption([image], "tiny-clipcap", options)
    assert [one.text for one in result.captions[0].candidates] == [
        one.text for one in plain.captions[0].candidates
    ]
    assert all(-1 <= one.similarity <= 1 for one in result.captions[0].candidates)
    assert all(one.similarity is None for one in plain.captions[0].candidates)
    assert service.status().startswith("tiny-clipcap · cpu · fp32 · ")
    assert [entry.name for entry in service.models()][-2:] == ["tiny-clipcap", "tiny-transformer"]
    assert service.default_options("tiny-clipcap").max_new_tokens == 12
