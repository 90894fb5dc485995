"""Precision and exact drafting: what they save at full size, and what they change of a bundled model's words

Full-size random weights, one thread, processor seconds. The random GPT-2's next word is made as clear as a
trained model's mostly is, or rounding would decide every word: its output weights are its embeddings in
another order. With --data FLICKR8K the bundled model captions the 1000 test photos, exactly, in 8 bits and
drafted.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.decoding import CAPTION_TOKENS, PUBLISHED_STEPS, Numbers, as_loaded, published_loop
from benchmarks.measure import publish, table
from clipcap_ext.caption import DecodingOptions
from clipcap_ext.captioning import Captioner, Looked
from clipcap_ext.engine.clip.quick_tower import quick_tower
from clipcap_ext.engine.clipcap.model import ClipCapConfig, ClipCapModel
from clipcap_ext.engine.decoding.decode import decode
from clipcap_ext.engine.decoding.drafting import Draft
from clipcap_ext.engine.language.gpt2 import Gpt2, is_gpt2
from clipcap_ext.engine.language.language_model import LanguageModel
from clipcap_ext.engine.precision import copies, quick
from clipcap_ext.engine.precision.kept_files import PICTURES
from clipcap_ext.engine.precision.quick import IN_INT8, MadeAnew

BUNDLED = "tiny-flickr8k"
SMALL = {"vocab_size": 1000, "n_positions": 128, "n_embd": 64, "n_layer": 2, "n_head": 2}


def processor_seconds(action: Callable[[], object], rounds: int) -> float:
    """The median over `rounds` calls, one more before them."""
    taken = []
    for _ in range(rounds + 1):
        start = time.process_time()
        action()
        taken.append(time.process_time() - start)
    return statistics.median(taken[1:])


def clear_model(small: bool) -> ClipCapModel:
    """Random weights in which one word follows from the last as clearly as may be."""
    torch.manual_seed(0)
    model = ClipCapModel(ClipCapConfig(gpt2=SMALL) if small else ClipCapConfig()).eval()
    gpt2 = model.language.module
    assert is_gpt2(gpt2)
    with torch.no_grad():
        embeddings = gpt2.transformer.wte.weight.mul_(10)
        head = nn.Linear(embeddings.shape[1], embeddings.shape[0], bias=False)
        head.weight.copy_(embeddings[torch.randperm(len(embeddings))])
    gpt2.lm_head = head
    return model


def captions(lm: LanguageModel, embeds: Tensor, draft: Draft | None = None, **options: int) -> list[str]:
    """What `lm` says behind embeds (B, P, n_embd)."""
    wanted = DecodingOptions(max_new_tokens=CAPTION_TOKENS, **options)  # type: ignore[arg-type]
    found = decode(lm, embeds, Numbers(), wanted, keys=[""] * len(embeds), draft=draft)
    return [group[0].text for group in found]


def generated(gpt2: Gpt2, embeds: Tensor, beams: int) -> object:
    """The same captions by transformers' own generate."""
    return gpt2.generate(  # type: ignore[operator]
        inputs_embeds=embeds, max_new_tokens=CAPTION_TOKENS, min_new_tokens=CAPTION_TOKENS,
        num_beams=beams, do_sample=False, pad_token_id=0,
        attention_mask=torch.ones(embeds.shape[:2], dtype=torch.long),
    )  # fmt: skip


def decoding_rows(model: ClipCapModel, rounds: int) -> Iterator[list[object]]:
    """Milliseconds a caption, and times as fast as the published loop."""
    gpt2 = model.language.module
    assert is_gpt2(gpt2)
    lm = as_loaded(model).language
    held = copies.LanguageCopies(lm)
    with torch.inference_mode():
        embeds = model.prefix_embeds(functional.normalize(torch.randn(64, 768), dim=-1))
    base = processor_seconds(lambda: published_loop(gpt2, embeds[:1], PUBLISHED_STEPS), 1)
    yield ["published loop", 1, f"{1000 * base:.0f}", "1.0", ""]
    for together in (1, 4, 16, 64):
        some = embeds[:together]
        said = captions(lm, some)
        ways: dict[str, Callable[[], list[str]]] = {
            "exact": partial(captions, lm, some),
            "exact, drafted in 8 bits": partial(captions, lm, some, held.draft),
            "fast, in 8 bits": partial(captions, held.fast, some),
        }
        for way, action in ways.items():
            same = sum(one == other for one, other in zip(action(), said, strict=True))
            each = processor_seconds(action, rounds) / together
            yield [way, together, f"{1000 * each:.0f}", f"{base / each:.1f}", f"{same} of {together}"]
    for together, beams in ((1, 1), (16, 1), (1, 3), (1, 5)):
        some, of_beams = embeds[:together], f", {beams} beams" if beams > 1 else ""
        others: dict[str, Callable[[], object]] = {
            "transformers' generate": partial(generated, gpt2, some, beams),
            "exact": partial(captions, lm, some, num_beams=beams),
            "fast, in 8 bits": partial(captions, held.fast, some, num_beams=beams),
        }
        for way, run in list(others.items())[: 1 if beams == 1 else 3]:
            each = processor_seconds(run, rounds) / together
            yield [f"{way}{of_beams}", together, f"{1000 * each:.0f}", f"{base / each:.1f}", ""]


def tower_rows(name: str, rounds: int) -> Iterator[list[object]]:
    """Seconds an image of a CLIP's image tower, and the least cosine between the two."""
    import open_clip

    torch.manual_seed(0)
    clip = open_clip.CLIP(**open_clip.get_model_config(name)).eval()
    tower = quick_tower(clip, PICTURES, MadeAnew(IN_INT8))
    assert tower is not None
    size = clip.visual.image_size
    images = torch.randn(2, 3, *(size if isinstance(size, tuple) else (size, size)))
    with torch.inference_mode():
        exact = processor_seconds(lambda: clip.encode_image(images), rounds) / 2
        fast = processor_seconds(lambda: tower.encode_image(images), rounds) / 2
        cosines = functional.cosine_similarity(clip.encode_image(images), tower.encode_image(images))
    yield [f"{name}, image tower, exact", f"{exact:.2f}", "1.0", "1"]
    yield [f"{name}, image tower, fast", f"{fast:.2f}", f"{exact / fast:.1f}", f"{float(cosines.min()):.4f}"]


def kept_rows(data: Path, photos: int) -> Iterator[list[object]]:
    """How many captions of the bundled model 8 bits change, and CIDEr of both; that a draft changes none."""
    from clipcap_ext import load_captioner, open_image

    names = (data / "Flickr_8k.testImages.txt").read_text().split()[:photos]
    captioner = load_captioner(BUNDLED)
    looked: list[Looked] = []
    for start in range(0, len(names), 8):
        looked += captioner.look([open_image(data / "Images" / name) for name in names[start : start + 8]])
    yield from kept_of(captioner, dict(zip(names, looked, strict=True)), data)


def kept_of(captioner: Captioner, looked: Mapping[str, Looked], data: Path) -> Iterator[list[object]]:
    """The same of pictures that were looked at already, by their names."""
    from clipcap_ext.metrics import score_systems

    def texts(beams: int, precision: str) -> dict[str, str]:
        options = DecodingOptions(num_beams=beams, precision=precision)
        made = captioner.caption_looked(list(looked.values()), options)
        return {name: caption.text for name, caption in zip(looked, made, strict=True)}

    references: dict[str, list[str]] = {name: [] for name in looked}
    for line in (data / "Flickr8k.token.txt").read_text(encoding="utf-8").splitlines():
        key, text = line.split("\t")
        references.setdefault(key.split("#")[0], []).append(text)
    wanted = {name: references[name] for name in looked}
    quick.NARROWEST = 1  # `fast` itself leaves so small a model as it is
    for beams in (1, 3):
        said = {precision: texts(beams, precision) for precision in ("exact", "fast")}
        scored = score_systems(said, wanted, "words", ["CIDEr-D"], data="flickr8k", split="test")
        figures = [f"{scored[precision].values['CIDEr-D']:.4f}" for precision in said]
        yield [
            f"{beams} beam{'s' * (beams > 1)}, all in 8 bits",
            _changed(said["exact"], said["fast"]),
            *figures,
        ]
        if beams == 1:
            copies.DRAFTED_ROWS, copies.DRAFTED_AFTER = 64, 0
            copies.quick_in_int8 = lambda: True  # whatever this processor is
            yield [
                "1 beam, drafted in 8 bits",
                _changed(said["exact"], texts(1, "exact")),
                figures[0],
                figures[0],
            ]
            copies.DRAFTED_ROWS = 0


def _changed(texts: Mapping[str, str], others: Mapping[str, str]) -> str:
    return f"{sum(texts[name] != others[name] for name in texts)} of {len(texts)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", type=Path, help="Flickr8k's folder")
    parser.add_argument("--photos", type=int, default=1000)
    parser.add_argument("--small", action="store_true", help="small models, to try it; writes nothing")
    parser.add_argument("--only", choices=("decoding", "tower", "kept"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    parts = []
    if arguments.only in (None, "decoding"):
        header = ["GPT-2 small, 13 tokens", "together", "ms a caption", "times as fast", "same as exact"]
        parts.append(table(header, list(decoding_rows(clear_model(arguments.small), arguments.rounds))))
    if arguments.only in (None, "tower"):
        header = ["encoder", "seconds an image", "times as fast", "least cosine"]
        name = "ViT-B-32" if arguments.small else "ViT-L-14"
        parts.append(table(header, list(tower_rows(name, arguments.rounds))))
    if arguments.data is not None:
        header = [BUNDLED, "captions changed", "CIDEr-D exact", "CIDEr-D so"]
        parts.append(table(header, list(kept_rows(arguments.data, arguments.photos))))
    text = "\n\n".join(parts)
    print(text) if arguments.small or arguments.only else publish("precision", text)


if __name__ == "__main__":
    main()
