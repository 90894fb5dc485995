"""Pretend `modules` packages of the four WebUI families, as far as we touch them; written from observed
behaviour.

They are stricter than the real ones where that catches mistakes: locks refuse to be taken twice by one
thread, and `shared.sd_model`, which loads the checkpoint when looked at, fails the test.
"""

from __future__ import annotations

import sys
import threading
from collections import defaultdict
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

ROOTS = ("modules", "backend", "ldm_patched", "installer")
FAMILIES = ("AUTOMATIC1111", "Forge", "reForge", "SD.Next")


class StrictLock:
    """A lock that says "deadlock" where a real one would wait for ever."""

    def __init__(self, name: str, log: list[str]) -> None:
        self._lock, self._name, self._log = threading.Lock(), name, log
        self._holder: int | None = None

    def __enter__(self) -> bool:
        assert self._holder != threading.get_ident(), f"deadlock: {self._name} is not re-entrant"
        assert self._lock.acquire(timeout=60), f"deadlock on {self._name}"
        self._holder = threading.get_ident()
        self._log.append(f"+{self._name}")
        return True

    def __exit__(self, *_: object) -> None:
        self._holder = None
        self._log.append(f"-{self._name}")
        self._lock.release()

    def locked(self) -> bool:
        return self._lock.locked()


class State:
    """shared.state: begin forgets interrupts, as the hosts do; SD.Next's gives an id that `end` wants
    back."""

    def __init__(self, with_id: bool) -> None:
        self.interrupted = self.stopping_generation = self.skipped = False
        self.job, self.job_count, self.job_no, self.textinfo = "", 0, 0, None
        self.history: list[str] = []
        self._with_id = with_id

    def begin(self, title: str = "") -> int | None:
        self.interrupted = self.stopping_generation = False
        self.job, self.job_count, self.job_no = title, -1, 0
        self.history.append(f"begin {title}")
        return 17 if self._with_id else None

    def end(self, *task: int) -> None:
        assert task == ((17,) if self._with_id else ())
        self.job, self.job_count = "", 0
        self.history.append("end")

    def nextjob(self) -> None:
        self.job_no += 1

    def interrupt(self) -> None:
        self.interrupted = True


class Options:
    """shared.opts: an attribute a key, AttributeError for what nobody registered."""

    def __init__(self) -> None:
        self.labels: dict[str, Any] = {}

    def add_option(self, key: str, info: Any) -> None:
        self.labels[key] = info
        if key not in self.__dict__:
            setattr(self, key, info.default)


class OptionInfo:
    """What add_option takes."""

    def __init__(
        self, default: Any = None, label: str = "", component: Any = None, component_args: Any = None,
        section: tuple[str, str] = ("", ""),
    ) -> None:  # fmt: skip
        self.default, self.label, self.component = default, label, component
        self.component_args, self.section = component_args, section


class Component:
    """Enough of a gradio component."""

    def __init__(
        self, value: Any = None, *, elem_id: str = "", tooltip: str = "", kind: str = "image", **_: Any
    ) -> None:  # fmt: skip
        self.value, self.elem_id, self.visible, self.clicks = value, elem_id, True, []
        self.kind = kind

    def get_block_name(self) -> str:
        return self.kind

    def click(self, **event: Any) -> None:
        self.clicks.append(event)


class Script:
    """modules.scripts.Script, as far as an always-visible one needs it."""

    is_img2img = False

    def elem_id(self, name: str) -> str:
        return f"script_{name}"


class SharedModule(ModuleType):
    """modules.shared; its sd_model loads a checkpoint when it is looked at, so nobody may."""

    @property
    def sd_model(self) -> None:
        raise AssertionError("shared.sd_model was touched: that loads the checkpoint")


class FakeHost:
    """The pretend program: its modules, a log of locks and memory moves, and the callbacks registered with
    it."""

    def __init__(self, family: str, folder: Path) -> None:
        self.family, self.log, self.reports = family, [], []
        self.callbacks: dict[str, list[Any]] = defaultdict(list)
        self.modules: dict[str, ModuleType] = {}
        self.cmd_opts = SimpleNamespace(
            api=False, nowebui=False, api_auth=None, auth=None, hide_ui_dir_config=False
        )
        self.opts, self.state = Options(), State(with_id=family == "SD.Next")
        self.opts.postprocessing_existing_caption_action = "Ignore"
        self._common(folder)
        makers = (self._a1111, self._forge, self._reforge, self._sdnext)
        dict(zip(FAMILIES, makers, strict=True))[family]()

    def add(self, name: str, **contents: Any) -> ModuleType:
        """A module with these contents, and its parents."""
        module = (SharedModule if name == "modules.shared" else ModuleType)(name)
        module.__dict__.update(contents)
        if name == "modules":
            module.__path__ = []
        self.modules[name] = module
        parent, _, last = name.rpartition(".")
        if parent:
            if parent not in self.modules:
                self.add(parent).__path__ = []
            setattr(self.modules[parent], last, module)
        return module

    def _common(self, folder: Path) -> None:
        self.add("modules")
        shared = {"cmd_opts": self.cmd_opts, "opts": self.opts, "state": self.state, "OptionInfo": OptionInfo}
        self.add("modules.shared", **shared)
        self.add("modules.paths", models_path=str(folder / "models"))
        self.queue_lock = StrictLock("queue", self.log)
        self.add("modules.call_queue", queue_lock=self.queue_lock)
        self.add("modules.ui_components", ToolButton=Component)
        self.add("modules.scripts", Script=Script, AlwaysVisible=object())
        post = type("ScriptPostprocessing", (), {})
        self.add("modules.scripts_postprocessing", ScriptPostprocessing=post)
        self.add("modules.ui", process_interrogate=lambda: None)
        names = ("ui_settings", "before_ui", "after_component", "ui_tabs", "app_started", "script_unloaded")
        register = {f"on_{name}": self.callbacks[name].append for name in names}
        self.add("modules.script_callbacks", **register)

    def _paste(self, name: str) -> None:
        self.paste_fields: dict[str, dict[str, Any]] = {}
        self.bindings: list[SimpleNamespace] = []

        def add_paste_fields(tabname: str, init_img: Any, fields: Any) -> None:
            self.paste_fields[tabname] = {"init_img": init_img, "fields": fields}

        self.add(
            name, paste_fields=self.paste_fields, add_paste_fields=add_paste_fields,
            ParamBinding=lambda **binding: SimpleNamespace(**binding),
            register_paste_params_button=self.bindings.append,
        )  # fmt: skip

    def connect_bindings(self) -> None:
        """What the host does when its interface is complete: an unknown name ends the whole program."""
        for binding in self.bindings:
            self.paste_fields[binding.tabname]

    def _report(self, message: str, *, exc_info: bool = False) -> None:
        self.reports.append(message)

    def _devices(self, **contents: Any) -> None:
        self.add("modules.devices", torch_gc=lambda: self.log.append("gc"), **contents)

    def _a1111(self) -> None:
        self._paste("modules.infotext_utils")
        self.add("modules.errors", report=self._report)
        self._devices(get_device_for=lambda task: {"interrogate": "cpu"}[task])
        self.add("modules.lowvram", send_everything_to_cpu=lambda: self.log.append("checkpoint to cpu"))
        self.add("modules.sd_models", model_data=SimpleNamespace(lock=StrictLock("model", self.log)))
        self._safe()

    def _manager(self, name: str) -> None:
        self.accelerator = "cpu"
        self.add(
            name, get_torch_device=lambda: self.accelerator, soft_empty_cache=lambda: self.log.append("gc"),
            free_memory=lambda size, device: self.log.append(f"free {size // 2**30} GiB of {device}"),
        )  # fmt: skip

    def _forge(self) -> None:
        self._paste("modules.infotext_utils")
        self.add("modules.errors", report=self._report)
        self._devices()
        self._manager("backend.memory_management")
        self.add("modules.sd_models", model_data=SimpleNamespace())
        self.add("modules.safe")

    def _reforge(self) -> None:
        self._paste("modules.infotext_utils")
        self.add("modules.errors", report=self._report)
        self._devices()
        self._manager("ldm_patched.modules.model_management")
        self.add("modules.sd_models", model_data=SimpleNamespace(lock=StrictLock("model", self.log)))

    def _sdnext(self) -> None:
        self.add("modules.infotext_utils")
        self._paste("modules.generation_parameters_copypaste")
        self.add("modules.errors", display=lambda *_: None)
        self.add("modules.logger", log=SimpleNamespace(error=self._report))
        self._devices(device="cpu")
        self.add("modules.scripts_manager")
        self.add("installer", control_extensions=["NudeNet"])
        self.add("modules.modeldata", model_data=SimpleNamespace(lock=StrictLock("model", self.log)))
        del self.modules["modules.ui"].process_interrogate
        self._safe()

    def _safe(self) -> None:
        """torch.load answers None for what it dislikes; the real one is kept beside it."""
        import torch

        self.add("modules.safe", unsafe_torch_load=torch.load)

    def build_interface(self, extra: tuple[str, ...] = ()) -> dict[str, Component]:
        """Announce components as the host does while it builds its tabs, then build ours."""
        self.run("before_ui")
        made: dict[str, Component] = {}
        for tab in self.tabs:
            names = [f"{tab}_prompt", f"{tab}_style_apply", f"{tab}_gallery"]
            if self.family != "SD.Next":
                names.append(f"{tab}_send_to_extras")
            for name in (*names, *extra):
                self.show(made.setdefault(name, Component(elem_id=name)))
            size = [(Component(), "Size-1"), (Component(), "Size-2")]
            fields = None if tab == "extras" else [(made[f"{tab}_prompt"], "Prompt"), *size]
            self.paste_fields[tab] = {"init_img": self._picture_of(tab), "fields": fields}
        self.paste_fields["inpaint"] = {
            "init_img": Component(),
            "fields": self.paste_fields["img2img"]["fields"],
        }
        return made

    @property
    def tabs(self) -> tuple[str, ...]:
        """Those that have a gallery."""
        tabs = ("txt2img", "img2img", "extras")
        return ("control", *tabs, "gallery") if self.family == "SD.Next" else tabs

    def _picture_of(self, tab: str) -> Component | None:
        """SD.Next's Control has a drawing board, which is HTML to gradio; text to image takes no picture."""
        return None if tab == "txt2img" else Component(kind="html" if tab == "control" else "image")

    def show(self, component: Component) -> None:
        for callback in self.callbacks["after_component"]:
            callback(component, elem_id=component.elem_id)

    def run(self, name: str, *args: Any) -> list[Any]:
        """All callbacks of one kind."""
        return [callback(*args) for callback in self.callbacks[name]]


def installed(host: FakeHost, patch: Any) -> None:
    """Put the host's modules where imports find them, and let ours be imported anew against them."""
    for name in [name for name in sys.modules if name.split(".")[0] in ROOTS]:
        patch.delitem(sys.modules, name)
    for name in ("generated", "extras"):  # they derive classes from the host's when they are imported
        patch.delitem(sys.modules, f"clipcap_ext.webui.hosts.{name}", raising=False)
    for name, module in host.modules.items():
        patch.setitem(sys.modules, name, module)
