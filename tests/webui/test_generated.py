"""Captions of generated images and of Extras, called the way each host calls them: from inside its queue."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from fake_modules import FAMILIES, FakeHost
from PIL import Image

from clipcap_ext.caption import Caption, Doubt
from clipcap_ext.caption_text import plain_caption
from clipcap_ext.service.work import Result
from clipcap_ext.webui.hosts import extension

Start = Callable[[str], FakeHost]
RED, BLUE = (Image.new("RGB", (40, 30), colour) for colour in ("red", "blue"))
KEY = "ClipCap caption"


@pytest.fixture(params=FAMILIES)
def program(request: pytest.FixtureRequest, fake_host: Start, models_in: Path) -> FakeHost:
    """Each family, with the tiny captioners in its models folder; tiny-clipcap is the one of the settings
    page."""
    host = fake_host(request.param)
    host.opts.clipcap_model = "tiny-clipcap"
    return host


def generated() -> Any:
    from clipcap_ext.webui.hosts.generated import GeneratedCaptions

    return GeneratedCaptions()


def extras() -> Any:
    from clipcap_ext.webui.hosts.extras import ExtrasCaption

    return ExtrasCaption()


def job() -> SimpleNamespace:
    return SimpleNamespace(extra_generation_params={"Model": "sd"}, batch_index=0)


def caption_of(image: Image.Image, model: str = "tiny-clipcap") -> str:
    return plain_caption(extension.service().caption([image], model).captions[0].text)


def generate(program: FakeHost, script: Any, p: Any, images: list[Image.Image], *arguments: Any) -> None:
    """One batch, as the host runs it."""
    with program.queue_lock:
        program.state.begin("txt2img")
        script.process_batch(p, *arguments, batch_number=0)
        for p.batch_index, image in enumerate(images):
            script.postprocess_image(p, SimpleNamespace(image=image), *arguments)
        program.state.end(*((17,) if program.family == "SD.Next" else ()))


def test_it_is_off_by_default_and_then_costs_nothing(program: FakeHost) -> None:
    p = job()
    generate(program, generated(), p, [RED], False, "")
    generate(program, generated(), p, [RED])
    assert p.extra_generation_params == {"Model": "sd"}
    assert extension.service().loaded() == ""


def test_each_image_of_a_batch_gets_its_own_caption(program: FakeHost) -> None:
    p = job()
    generate(program, generated(), p, [RED, BLUE], True, "")
    value = p.extra_generation_params[KEY]
    expected = [caption_of(RED), caption_of(BLUE)]
    assert expected[0] != expected[1]
    assert str(value) == expected[1], "hosts that take texts save an image right after its caption"
    assert [value(index=0), value(index=1)] == expected, "hosts that call values ask by index"
    assert value(index=0, use_main_prompt=True) is None, "a grid has no caption"
    assert value(index=2, p=p, steps=20) is None, "an image saved before its caption must not get another's"
    assert program.state.history[:2] == ["begin txt2img", "end"], "the host's own job is left alone"


def test_a_new_batch_starts_without_captions(program: FakeHost) -> None:
    p, script = job(), generated()
    generate(program, script, p, [RED], True, "")
    script.process_batch(p, True, "", batch_number=1)
    assert KEY not in p.extra_generation_params


def test_the_model_of_the_interface_comes_before_the_settings(program: FakeHost) -> None:
    p = job()
    generate(program, generated(), p, [RED], True, "tiny-transformer")
    assert str(p.extra_generation_params[KEY]) == caption_of(RED, "tiny-transformer")


def test_a_failure_is_reported_and_the_image_kept(program: FakeHost) -> None:
    p = job()
    generate(program, generated(), p, [RED], True, "no-such-model")
    assert p.extra_generation_params == {"Model": "sd"}
    (report,) = program.reports
    assert "No model named 'no-such-model'" in report


def test_what_the_model_is_not_sure_of_is_not_saved(
    program: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    caption = Caption("a man .", "m", (), doubt=Doubt("similarity", 0.1, 0.2))
    result = Result((caption,), "cpu", "fp32", 1.0, "m")
    monkeypatch.setattr(extension.service(), "caption", lambda images, model: result)
    p = job()
    generate(program, generated(), p, [RED], True)
    assert p.extra_generation_params == {"Model": "sd"}
    pp = SimpleNamespace(image=RED, info={}, caption="theirs")
    extras().process(pp, enable=True)
    assert (pp.caption, pp.info) == ("theirs", {})
    assert len(program.reports) == 2 and all("not sure" in report for report in program.reports)


def test_an_interrupted_generation_is_not_held_up(program: FakeHost) -> None:
    p, script = job(), generated()
    with program.queue_lock:
        program.state.begin("txt2img")
        program.state.interrupt()
        script.postprocess_image(p, SimpleNamespace(image=RED), True, "")
    assert p.extra_generation_params == {"Model": "sd"}
    assert program.reports == []


def test_extras_adds_to_what_the_host_captioned(program: FakeHost) -> None:
    script, pp = extras(), SimpleNamespace(image=RED, caption="1girl", info={})
    with program.queue_lock:
        script.process(pp, enable=False, model="")
        assert pp.caption == "1girl"
        script.process(pp, enable=True, model="")
        alone = SimpleNamespace(image=BLUE, caption=None, info={})
        script.process(alone, enable=True, model="tiny-transformer")
    assert pp.caption == f"1girl, {caption_of(RED)}"
    assert alone.caption == caption_of(BLUE, "tiny-transformer")
    assert pp.info == {}


def test_extras_on_a_host_without_captions_writes_infotext(program: FakeHost) -> None:
    script, pp = extras(), SimpleNamespace(image=RED, info={})
    with program.queue_lock:
        script.process(pp, enable=True, model="")
    assert pp.info == {KEY: caption_of(RED)}


def test_extras_writes_infotext_where_the_host_has_captions_and_writes_none(program: FakeHost) -> None:
    del program.opts.postprocessing_existing_caption_action  # Forge Neo has PostprocessedImage.caption alone
    script, pp = extras(), SimpleNamespace(image=RED, info={}, caption=None)
    with program.queue_lock:
        script.process(pp, enable=True, model="")
    assert pp.info == {KEY: caption_of(RED)}
    assert pp.caption is None


def test_extras_reports_a_failure(program: FakeHost) -> None:
    script, pp = extras(), SimpleNamespace(image=RED, caption=None, info={})
    with program.queue_lock:
        script.process(pp, enable=True, model="no-such-model")
    assert pp.caption is None
    assert len(program.reports) == 1


def test_captions_leave_worded_as_in_the_tab(program: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    said = Result((Caption("a dog (left) runs .", "tiny-clipcap", ()),), "cpu", "fp32", 1.0, "tiny-clipcap")
    monkeypatch.setattr(extension.service(), "caption", lambda *_: said)
    p, pp = job(), SimpleNamespace(image=RED, caption=None, info={})
    generate(program, generated(), p, [RED], True, "")
    extras().process(pp, enable=True, model="")
    assert (str(p.extra_generation_params[KEY]), pp.caption) == ("a dog (left) runs",) * 2
    assert extension.interrogate(RED) == r"a dog \(left\) runs", "a prompt box takes brackets for weights"


def test_the_controls_come_in_the_order_the_hooks_take(
    program: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = ModuleType("clipcap_ext.webui.tab.parts")
    parts.generated_controls = lambda elem_id, models: [elem_id("on"), *models]
    parts.extras_controls = lambda models: ("on", models)
    monkeypatch.setitem(sys.modules, "clipcap_ext.webui.tab.parts", parts)
    names = [
        "tiny-flickr8k",
        "tiny-sbg-flickr8k",
        "tiny-clipcap",
        "tiny-transformer",
    ]  # the bundled come first
    script = generated()
    assert script.ui(is_img2img=False) == ["script_on", *names]
    assert (script.title(), script.show(True)) == (KEY, program.modules["modules.scripts"].AlwaysVisible)
    assert extras().ui() == {"enable": "on", "model": names}


def test_the_scripts_hold_only_the_doors(program: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run scripts/*.py as the host does: outside sys.modules, classes registered by what the file's namespace
    holds."""
    root = Path(__file__).resolve().parents[2]
    found = {}
    for path in sorted((root / "scripts").glob("*.py")):
        module = ModuleType(path.name)
        exec(compile(path.read_text(), str(path), "exec"), module.__dict__)
        classes = [value for value in vars(module).values() if isinstance(value, type)]
        found[path.stem] = [name.__name__ for name in classes]
    assert found == {
        "clipcap_extras": ["ExtrasCaption"], "clipcap_generated": ["GeneratedCaptions"], "clipcap_tab": [],
    }  # fmt: skip
    assert len(program.callbacks["ui_tabs"]) == 1


def test_sdnext_is_asked_to_admit_the_script_before_it_looks(fake_host: Start) -> None:
    program = fake_host("SD.Next")
    title = generated().title()
    assert program.modules["installer"].control_extensions == ["NudeNet", title]
    sys.modules.pop("clipcap_ext.webui.hosts.generated")
    generated()
    assert program.modules["installer"].control_extensions == ["NudeNet", title], "asked once, however often"
