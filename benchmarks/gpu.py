"""What a card does: one command of some minutes that checks correctness, then measures speed

`PYTHONPATH=. .venv/bin/python benchmarks/gpu.py` on a machine with CUDA. Bundled models for words, full-size
random weights for numbers and speed (ViT-L/14, GPT-2 small, prefix 10). A check that fails ends with `WRONG`
and exit code 1. With --dry the same on the CPU in small sizes and float32, to try the script: it writes
nothing.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path

import torch
from PIL import Image
from torch.nn import functional

from benchmarks.bulk import random_captioner, random_encoder, random_pixels, write_photos
from benchmarks.decoding import CAPTION_TOKENS, Numbers, as_loaded
from benchmarks.measure import Card, publish, table
from benchmarks.precision import SMALL, clear_model
from benchmarks.training_step import BATCH, Steps, batches
from clipcap_ext import load_captioner, open_image
from clipcap_ext.batch.captioning import caption_files
from clipcap_ext.caption import DecodingOptions
from clipcap_ext.captioning import Captioner, Captioning
from clipcap_ext.engine.clipcap.model import ClipCapConfig, ClipCapModel
from clipcap_ext.engine.decoding.decode import decode
from clipcap_ext.service.service import CaptionService
from clipcap_ext.service.standalone import StandaloneHost
from clipcap_ext.service.work import OutOfMemory

WORDS = ("tiny-flickr8k", "tiny-sbg-flickr8k")
PHOTOS = Path(__file__).parents[1] / "clipcap_ext" / "examples"
LEAST_COSINE = 0.999
Row = list[object]


def photos() -> list[Image.Image]:
    """The examples, opened."""
    return [open_image(path) for path in sorted(PHOTOS.glob("*.jpg"))]


def texts(captioner: Captioner, pictures: list[Image.Image]) -> list[str]:
    """What it says of them by the model's own options."""
    return [caption.text for caption in captioner.caption(pictures)]


def same(said: list[str], wanted: list[str]) -> str:
    """How many are, and the verdict."""
    equal = sum(one == other for one, other in zip(said, wanted, strict=True))
    return f"{equal} of {len(wanted)}" + ("" if equal == len(wanted) else " WRONG")


def share(rate: float, most: float) -> str:
    """A rate, and what that is of the most there could be."""
    return f"{rate:.0f} ({rate / most:.0%})"


def check_words(card: Card) -> Iterator[Row]:
    """The bundled models in half precision say what they say on the CPU."""
    pictures = photos()
    for name in WORDS:
        wanted = texts(load_captioner(name), pictures)
        for dtype in dict.fromkeys((torch.float32, card.half)):
            said = texts(load_captioner(name, card.device, dtype), pictures)
            yield [f"{name}, {dtype}: captions as on the CPU", same(said, wanted)]


def check_cosines(card: Card) -> Iterator[Row]:
    """A full-size CLIP in half precision beside float32."""
    encoder = random_encoder("ViT-L-14", card.dry)
    pixels, sentences = random_pixels(encoder, 4), ["a dog", "two men on a beach at night", "snow"]
    made = [encoder.to(card.device).encode_image(pixels), encoder.encode_text(sentences)]
    encoder.to(card.device, card.half)
    halves = [encoder.encode_image(pixels), encoder.encode_text(sentences)]
    for what, one, other in zip(("images", "texts"), made, halves, strict=True):
        least = float(functional.cosine_similarity(one, other).min())
        verdict = "" if least >= LEAST_COSINE else " WRONG"
        yield [f"{what}, least cosine to float32", f"{least:.5f}{verdict}"]


class Keeping(StandaloneHost):
    """A host with the three memory modes; ram and free as the WebUIs' hosts do them."""

    def before_caption(self, captioner: Captioner) -> None:
        """Back to the device."""
        captioner.to(self.device())

    def after_caption(self, captioner: Captioner) -> bool:
        """keep: leave it there; ram: to the CPU's memory; free: let go."""
        if self.setting("clipcap_memory", "keep") == "ram":
            captioner.to("cpu")
        return super().after_caption(captioner)


def service(card: Card, mode: str) -> CaptionService:
    """A service of its own on the card."""
    return CaptionService(Keeping(device=str(card.device), settings={"clipcap_memory": mode}))


def check_modes(card: Card) -> Iterator[Row]:
    """keep, ram and free: the same captions twice, and what the device still holds in between."""
    pictures, said = photos(), {}
    for mode in ("keep", "ram", "free"):
        before, one = card.held(), service(card, mode)
        runs = [[caption.text for caption in one.caption(pictures, WORDS[0]).captions] for _ in range(2)]
        said[mode], left = runs[1], card.held() - before
        right = card.dry or (left > 1e6 if mode == "keep" else left < 1e6)
        verdict = "" if right and runs[0] == runs[1] else " WRONG"
        yield [f"memory mode {mode}: MB left on the device", f"{left / 1e6:.0f}{verdict}"]
        one.unload()
    yield ["captions alike in all three", same(said["ram"] + said["free"], said["keep"] * 2)]


@contextmanager
def no_memory(card: Card, one: CaptionService) -> Iterator[None]:
    """Inside, whatever the device is asked for is too much."""
    if card.dry:
        loaded = one._keeper.loaded
        assert loaded is not None

        def refuse(*_: object) -> None:
            raise RuntimeError("out of memory")

        loaded.captioner.image_features = refuse  # type: ignore[attr-defined]
        yield
        return
    total = torch.cuda.get_device_properties(card.device).total_memory
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(card.held() / total, card.device)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, card.device)


def check_memory(card: Card) -> Iterator[Row]:
    """Out of memory is told in words, frees everything, and the next caption is as if nothing had been."""
    pictures, one = photos(), service(card, "keep")
    wanted = [caption.text for caption in one.caption(pictures, WORDS[0]).captions]
    refused, left = False, ""
    with no_memory(card, one):
        try:
            one.caption(pictures * 8, WORDS[0])
        except OutOfMemory:
            refused, left = True, one.loaded()
    again = [caption.text for caption in one.caption(pictures, WORDS[0]).captions]
    verdict = "" if refused and not left and again == wanted else " WRONG"
    yield ["out of memory: told, freed, and captions as before", f"{'yes' if not verdict else 'no'}{verdict}"]
    one.unload()


def check_streams(card: Card) -> Iterator[Row]:
    """Two captioners on two streams beside a third that multiplies: each says what it says alone."""
    pictures = photos()
    both = [load_captioner(name, card.device, card.half) for name in WORDS]
    wanted = [texts(one, pictures) for one in both]
    said: list[list[str]] = [[], []]
    over = threading.Event()

    def on_its_own_stream(action: Callable[[], None]) -> None:
        with nullcontext() if card.dry else torch.cuda.stream(torch.cuda.Stream(card.device)):
            action()

    def multiply() -> None:
        numbers = torch.randn(64 if card.dry else 4096, 64 if card.dry else 4096, device=card.device)
        while not over.wait(0.001):
            numbers = functional.normalize(numbers @ numbers, dim=-1)

    def caption(number: int) -> None:
        said[number] = [text for _ in range(3) for text in texts(both[number], pictures)]

    actions: list[Callable[[], None]] = [multiply, *(partial(caption, number) for number in range(2))]
    threads = [threading.Thread(target=on_its_own_stream, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads[1:]:
        thread.join()
    over.set()
    threads[0].join()
    alone = [text for texts_alone in wanted for _ in range(3) for text in texts_alone]
    yield ["two streams and a generation beside: captions as alone", same([*said[0], *said[1]], alone)]


def speed_of_pictures(card: Card) -> Iterator[Row]:
    """Pictures a second: the encoder alone on pixels that are there, and files to captions."""
    captioner = random_captioner("ViT-L-14", card.dry, card.device, card.half)
    best, encoder = 0.0, captioner.encoder
    for count in (8, 64):
        pixels = random_pixels(encoder, count).to(card.device, card.half)
        rate = count / card.seconds(partial(encoder.encode_image, pixels))
        best = max(best, rate)
        yield [f"ViT-L/14 alone, batch of {count}: pictures a second", f"{rate:.0f}"]
    steps = Captioning(captioner.look, captioner.caption_looked, captioner.prepare)
    with tempfile.TemporaryDirectory() as place:
        files = write_photos(Path(place), 16 if card.dry else 1024)
        for size in (8, 64):
            took = card.seconds(partial(_caption_all, files, steps, size), 1)
            rate = len(files) / took
            yield [
                f"files to captions, {size} together: pictures a second, of the encoder",
                share(rate, best),
            ]


def _caption_all(files: list[Path], steps: Captioning, size: int) -> None:
    for _ in caption_files(files, steps, batch_size=size):
        pass


def speed_of_tokens(card: Card) -> Iterator[Row]:
    """Tokens a second of GPT-2 small, and the most that reading its weights once a step would allow."""
    model = as_loaded(clear_model(card.dry)).to(card.device, card.half)
    numbers = torch.zeros(2**20 if card.dry else 2**28, device=card.device)
    bandwidth = 2 * numbers.nbytes / card.seconds(numbers.clone)
    weights = sum(one.nbytes for one in model.language.module.parameters())
    yield ["memory, read and written: GB a second", f"{bandwidth / 1e9:.0f}"]
    wanted = DecodingOptions(max_new_tokens=CAPTION_TOKENS)
    for rows in (1, 16, 64):
        with torch.inference_mode():
            embeds = model.prefix_embeds(functional.normalize(torch.randn(rows, 768), dim=-1))
        took = card.seconds(
            partial(decode, model.language, embeds, Numbers(), wanted, keys=[""] * len(embeds))
        )
        rate, limit = rows * CAPTION_TOKENS / took, rows * bandwidth / weights
        yield [f"GPT-2 small, {rows} together: tokens a second, of the limit", share(rate, limit)]


def speed_of_training(card: Card) -> Iterator[Row]:
    """Seconds of a step of training, as benchmarks/training_step.py makes them."""
    torch.manual_seed(0)
    model = ClipCapModel(ClipCapConfig(gpt2=SMALL) if card.dry else ClipCapConfig()).to(card.device)
    steps = Steps(model)
    work = [
        tuple(part.to(card.device) for part in batch)
        for batch in batches(1 if card.dry else 5, model.config.gpt2["vocab_size"])
    ]
    took = [card.seconds(partial(steps.ours, *batch), 3) for batch in work]
    yield [f"training step, float32, {BATCH} captions: seconds", f"{statistics.mean(took):.4f}"]


PARTS: tuple[Callable[[Card], Iterator[Row]], ...] = (
    check_words, check_cosines, check_modes, check_memory, check_streams,
    speed_of_pictures, speed_of_tokens, speed_of_training,
)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dry", action="store_true", help="small, on the CPU; writes nothing")
    parser.add_argument("--minutes", type=float, default=6.0, help="no part begins later (default: 6)")
    arguments = parser.parse_args()
    if not arguments.dry and not torch.cuda.is_available():
        print("No CUDA here: --dry tries the script on the CPU.", file=sys.stderr)
        return 2
    device = torch.device("cpu" if arguments.dry else "cuda")
    card = Card(device, arguments.dry, arguments.minutes, time.monotonic())
    rows: list[Row] = []
    for part in PARTS:
        if card.is_late:
            rows.append([part.__name__.replace("_", " "), "left out, for it was late"])
            continue
        for row in part(card):
            print(*row, sep=": ", flush=True)
            rows.append(row)
    text = table([card.name, "found"], rows)
    print(text) if card.dry else publish("gpu", text)
    return 1 if any("WRONG" in str(row[1]) for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
