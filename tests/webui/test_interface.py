"""What we hang into a host's interface: tab, settings, gallery buttons, Interrogate; a fault of ours must
stay ours."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from fake_modules import FAMILIES, Component, FakeHost

from clipcap_ext.service.keeper import Loaded
from clipcap_ext.webui.hosts import callbacks, extension

Start = Callable[[str], FakeHost]


class Tab:
    """Stands for webui.tab: `build` keeps what it was given and registers a picture, or fails."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.picture, self.components, self.fails = Component(), None, False
        module = ModuleType("clipcap_ext.webui.tab")
        module.build = self.build
        parts = ModuleType("clipcap_ext.webui.tab.parts")
        parts.setting_component = lambda setting: (Component, None)
        monkeypatch.setitem(sys.modules, "clipcap_ext.webui.tab", module)
        monkeypatch.setitem(sys.modules, "clipcap_ext.webui.tab.parts", parts)

    def build(self, service: Any, host: Any, components: Any) -> str:
        if self.fails:
            raise RuntimeError("no gradio today")
        self.components = components
        components.register(self.picture)
        return "blocks"


@pytest.fixture
def tab(monkeypatch: pytest.MonkeyPatch) -> Tab:
    return Tab(monkeypatch)


@pytest.fixture(params=FAMILIES)
def program(
    request: pytest.FixtureRequest, fake_host: Start, tab: Tab, monkeypatch: pytest.MonkeyPatch
) -> FakeHost:
    """Each family in turn, its scripts loaded and its settings page built."""
    host = fake_host(request.param)
    host.made = []

    def make(*arguments: Any, **named: Any) -> Component:
        host.made.append(Component(*arguments, **named))
        return host.made[-1]

    host.modules["modules.ui_components"].ToolButton = make
    callbacks.register()
    host.run("ui_settings")
    return host


def test_the_tab_is_offered_with_what_was_caught(program: FakeHost, tab: Tab) -> None:
    program.build_interface()
    ((blocks, label, name),) = program.run("ui_tabs")[0:1][0]
    assert (blocks, name) == ("blocks", "clipcap")
    assert label == ("ClipCap Caption" if program.family == "SD.Next" else "Caption")


@pytest.fixture
def old_tabs(program: FakeHost) -> FakeHost:
    """A host whose txt2img and img2img can be seen; SD.Next's are hidden unless the user wants them."""
    program.opts.uiux_hide_legacy = False
    return program


def test_it_sends_to_the_tabs_that_all_hosts_have(old_tabs: FakeHost, tab: Tab) -> None:
    made = old_tabs.build_interface()
    old_tabs.run("ui_tabs")
    assert tab.components.prompts["txt2img"] is made["txt2img_prompt"]
    assert tab.components.prompts["img2img"] is made["img2img_prompt"]
    assert tab.components.pictures["img2img"] is old_tabs.paste_fields["img2img"]["init_img"]
    assert "txt2img" not in tab.components.pictures
    width, height = tab.components.sizes["img2img"]
    assert [width, height] == [field for field, name in old_tabs.paste_fields["img2img"]["fields"][1:]]
    assert "inpaint" not in tab.components.sizes, "a mask fits one size only"


@pytest.mark.parametrize("program", ["SD.Next"], indirect=True)
def test_sdnext_is_sent_to_where_a_person_looks(program: FakeHost, tab: Tab) -> None:
    made = program.build_interface()
    program.run("ui_tabs")
    assert tab.components.prompts == {"control": made["control_prompt"]}, "the other tabs are hidden"
    assert tab.components.titles["control"] == "Images"
    assert tab.components.drawn == {"control"}, "its drawing board takes no picture from a handler"
    assert "control" not in tab.components.pictures


@pytest.mark.parametrize("program", ["SD.Next"], indirect=True)
def test_the_standard_page_of_sdnext_has_all_its_tabs(program: FakeHost, tab: Tab) -> None:
    program.opts.theme_type = "Standard"
    program.build_interface()
    program.run("ui_tabs")
    assert list(tab.components.prompts) == ["control", "txt2img", "img2img"]
    assert tab.components.titles == {"control": "Control", "txt2img": "Text", "img2img": "Image"}


def test_galleries_send_to_our_picture(program: FakeHost, tab: Tab) -> None:
    made = program.build_interface()
    program.run("ui_tabs")
    program.connect_bindings()
    assert [button.elem_id for button in program.made] == [f"{name}_send_to_clipcap" for name in program.tabs]
    assert [binding.source_image_component for binding in program.bindings] == [
        made[f"{n}_gallery"] for n in program.tabs
    ]
    assert {binding.tabname for binding in program.bindings} == {"clipcap"}
    assert all(binding.source_text_component is None for binding in program.bindings), (
        "text would wipe the prompt"
    )
    assert program.paste_fields["clipcap"]["init_img"] is tab.picture


def test_a_tab_that_fails_leaves_the_webui_whole(program: FakeHost, tab: Tab) -> None:
    tab.fails = True
    program.build_interface()
    assert program.run("ui_tabs") == [[]]
    program.connect_bindings()
    assert program.bindings == []
    assert not any(button.visible for button in program.made), "buttons that do nothing must not be seen"
    assert len(program.reports) == 1


def test_components_made_anew_at_run_time_add_nothing(program: FakeHost) -> None:
    made = program.build_interface()
    program.run("ui_tabs")
    end = "_gallery" if program.family == "SD.Next" else "_send_to_extras"
    program.show(Component(elem_id=f"txt2img{end}"))
    program.show(made[f"img2img{end}"])
    assert len(program.made) == len(program.tabs)


def test_reload_ui_builds_everything_again(old_tabs: FakeHost, tab: Tab) -> None:
    program = old_tabs
    program.build_interface()
    program.run("ui_tabs")
    program.bindings.clear()
    program.paste_fields.clear()
    for registered in program.callbacks.values():
        registered.clear()
    service = extension.service()
    callbacks.register()
    second = program.build_interface()
    program.run("ui_tabs")
    program.connect_bindings()
    assert extension.service() is service, "the weights stay"
    assert len(program.bindings) == len(program.tabs)
    assert tab.components.prompts["txt2img"] is second["txt2img_prompt"]


@pytest.mark.parametrize("how", ["hidden tab", "setting"])
def test_no_buttons_where_they_are_not_wanted(program: FakeHost, how: str) -> None:
    if how == "setting":
        program.opts.clipcap_gallery_buttons = False
    else:
        program.opts.hidden_tabs = ["ClipCap Caption" if program.family == "SD.Next" else "Caption"]
    program.build_interface()
    assert len(program.run("ui_tabs")[0]) == 1, "a hidden tab is built all the same, the host leaves it out"
    program.connect_bindings()
    assert program.made == []


def test_a_gallery_the_host_lacks_hides_its_button(program: FakeHost) -> None:
    if program.family == "SD.Next":
        pytest.skip("its buttons are made after the gallery itself")
    program.run("before_ui")
    program.show(Component(elem_id="extras_send_to_extras"))
    program.run("ui_tabs")
    assert [button.visible for button in program.made] == [False]


def test_settings_are_registered_in_our_section(program: FakeHost) -> None:
    assert set(program.opts.labels) == {
        "clipcap_model", "clipcap_memory", "clipcap_precision", "clipcap_gallery_buttons",
    }  # fmt: skip
    assert {info.section for info in program.opts.labels.values()} == {("clipcap", "Caption")}
    assert program.opts.clipcap_memory == "ram"


def test_unloading_scripts_frees_the_model(program: FakeHost) -> None:
    service = extension.service()
    service._keeper.loaded = Loaded("a", object(), None, None)  # type: ignore[arg-type]
    assert service.loaded() == "a"
    program.run("script_unloaded")
    assert service.loaded() == ""


def test_interrogate_is_offered_only_where_it_was_lost(program: FakeHost, tab: Tab) -> None:
    program.modules["modules.ui"].__dict__.pop("process_interrogate", None)
    made = program.build_interface()
    program.run("ui_tabs")
    buttons = [button for button in program.made if button.elem_id == "clipcap_interrogate"]
    assert len(buttons) == (0 if program.family == "SD.Next" else 1), "SD.Next has a Caption tab of its own"
    for button in buttons:
        (event,) = button.clicks
        assert event["inputs"] == [program.paste_fields["img2img"]["init_img"]]
        assert event["outputs"] == [made["img2img_prompt"]]
        assert event["fn"](None) == ""
