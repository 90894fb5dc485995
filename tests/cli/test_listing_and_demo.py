"""The commands models and demo."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from clipcap_ext.cli import demo_command as demo
from clipcap_ext.engine.images.reading import open_image


def test_models_are_listed(terminal: Callable, tiny_folder: Path) -> None:
    ran = terminal("models", model=None)
    assert ran.code == 0
    names = [line.split()[0] for line in ran.out.splitlines() if not line.startswith(" ")]
    assert {"tiny-clipcap", "tiny-transformer"} <= set(names) and "tiny-clip" not in names
    assert str(tiny_folder / "tiny-clipcap") in ran.out and "on tiny-clip" in ran.out


def test_a_broken_model_is_listed_with_its_problem(terminal: Callable, tmp_path: Path) -> None:
    from clipcap_ext.__main__ import main

    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "config.json").write_text("{}")
    ran = terminal("models", "--json", model=None)
    assert all("name" in json.loads(line) for line in ran.out.splitlines())
    import io

    from clipcap_ext.cli.streams import Streams

    streams = Streams(io.StringIO(), io.StringIO())
    main(["models", "--models-dir", str(tmp_path)], streams)
    assert "odd" in streams.out.getvalue() and "cannot be used" in streams.out.getvalue()


def test_demo_captions_and_times_every_example(terminal: Callable, no_network: list[str]) -> None:
    ran = terminal("demo")
    photos = [path for path in demo.PHOTOS.iterdir() if path.suffix == ".jpg"]
    lines = ran.out.splitlines()
    assert ran.code == 0 and len(lines) == len(photos) >= 5
    for line in lines:
        name, milliseconds, unit, caption = line.split(maxsplit=3)
        assert (
            (demo.PHOTOS / name).is_file()
            and int(milliseconds) > 0
            and unit == "ms"
            and caption.endswith(".")
        )


def test_examples_are_small_and_credited() -> None:
    photos = [path for path in demo.PHOTOS.iterdir() if path.suffix == ".jpg"]
    credits = (demo.PHOTOS / "README.md").read_text(encoding="utf-8")
    assert sum(path.stat().st_size for path in photos) < 1_000_000
    for path in photos:
        assert max(open_image(path).size) <= 640
        assert path.name in credits


def test_a_package_without_its_examples_says_so(
    terminal: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "PHOTOS", tmp_path)
    ran = terminal("demo")
    assert ran.code == 2 and "example photos" in ran.err
