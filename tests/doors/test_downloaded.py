"""A published model from the Hub into the default folder, a caption of it, and away with it; by the wheel,
with no flag but the name of the model."""

from __future__ import annotations

from pathlib import Path

from fake_hub import PAPER, FakeHub
from person import Person

COMMAND = "python -m clipcap_ext"


def test_download_caption_remove(reader: Person, hub: FakeHub, place: Path) -> None:
    caption = f"{COMMAND} caption photo.jpg --model {PAPER}"
    model = reader.home / ".cache" / "clipcap-ext" / "models" / PAPER
    reader.types(f"{COMMAND} models --remove {PAPER} --yes", place)  # where a page has downloaded it before
    away = reader.types(caption, place)
    assert away.code == 1 and f"{COMMAND} download {PAPER}" in away.err and not model.exists(), away

    there = reader.types(f"{COMMAND} download {PAPER}", place)
    assert there.code == 0 and str(model) in there.err and (model / "model.safetensors").is_file(), there

    asked = list(hub.requests)
    said = reader.types(caption, place)
    assert said.code == 0 and said.out.split("\t")[1].strip() and "Traceback" not in said.err, said
    assert reader.types(caption, place).out == said.out and hub.requests == asked

    kept = reader.types(f"{COMMAND} models --remove {PAPER}", place, answer="n")
    assert (model / "model.safetensors").is_file(), kept
    gone = reader.types(f"{COMMAND} models --remove {PAPER}", place, answer="y")
    assert gone.code == 0 and not model.exists(), gone
    assert reader.types(caption, place).code == 1 and (place / "photo.jpg").is_file()
