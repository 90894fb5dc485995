"""Sending a caption, and the picture if wanted, to the host's own tabs. It writes their prompt box and
nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from clipcap_ext.webui.prompts import MODES, merged_prompt
from clipcap_ext.webui.tab.binding import Answer, on, page_only
from clipcap_ext.webui.tab.compat import QUICK, Unreadable, able, forgotten
from clipcap_ext.webui.tab.context import Context
from clipcap_ext.webui.tab.ids import elem_id


@dataclass(frozen=True, kw_only=True)
class Target:
    """A tab of the host: our button for it and its components; no `sizes` where it takes no picture."""

    name: str
    button: gr.Button
    prompt: Any
    picture: Any
    sizes: tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class SendControls:
    """The targets and how they are sent to; `before` holds the prompts before the last sending, by target."""

    targets: tuple[Target, ...]
    unsend: gr.Button
    mode: Any
    with_picture: Any
    before: gr.State

    @property
    def buttons(self) -> list[gr.Button]:
        """Those that send, which a caption enables."""
        return [target.button for target in self.targets]


def build_send(context: Context) -> SendControls | None:
    """Lay the buttons out; nothing at all where there is nothing to send to."""
    words, parts = context.words, context.components
    names = [name for name in context.host.send_targets if name in parts.prompts]
    if not names:
        return None
    with gr.Row(elem_classes=["clipcap_tight"], elem_id=elem_id("send")):
        targets = tuple(_build_target(context, name) for name in names)
        unsend = gr.Button(
            words("Undo send"), interactive=False, size="sm", elem_id=elem_id("unsend"), min_width=80
        )
    with gr.Row(elem_classes=["clipcap_tight"]):
        modes = zip(("Replace", "Append", "Prepend"), MODES, strict=True)
        choices = [(words(text), mode) for text, mode in modes]
        mode = gr.Radio(
            choices, value="replace", label=words("The prompt there"), elem_id=elem_id("send_mode")
        )
        with_picture = gr.Checkbox(
            True,
            label=words("With the picture"),
            interactive=bool(parts.pictures),
            elem_id=elem_id("with_picture"),
        )
    return SendControls(
        targets=targets, unsend=unsend, mode=forgotten(mode), with_picture=forgotten(with_picture),
        before=gr.State({}),
    )  # fmt: skip


def _build_target(context: Context, name: str) -> Target:
    parts = context.components
    button = gr.Button(
        context.words("Send to {target}", target=name), interactive=False, size="sm",
        elem_id=elem_id(f"send_{name}"), min_width=100,
    )  # fmt: skip
    takes_picture = name in parts.pictures
    return Target(
        name=name, button=button, prompt=parts.prompts[name], picture=parts.pictures.get(name),
        sizes=tuple(parts.sizes.get(name, ())) if takes_picture else (),
    )  # fmt: skip


def wire_send(controls: SendControls, caption: Any, picture: Any) -> None:
    """Connect each target's button, and the one that takes the last sending back."""
    chosen = {"mode": controls.mode, "with_picture": controls.with_picture, "image": picture}
    for target in controls.targets:
        inputs = {"caption": caption, "prompt": target.prompt, **chosen}
        outputs = [target.prompt, controls.before, controls.unsend, *target.sizes]
        outputs += [target.picture] if target.picture is not None else []
        sent = on(target.button.click, partial(send, controls, target), inputs, outputs, **QUICK)
        page_only(sent.then, f"() => clipcap_show('{target.name}')")
    prompts = [target.prompt for target in controls.targets]
    outputs = [*prompts, controls.before, controls.unsend]
    on(controls.unsend.click, partial(unsend, controls), {"before": controls.before}, outputs, **QUICK)


def send(
    controls: SendControls, target: Target, caption: str | None, prompt: str | None, mode: str,
    with_picture: bool, image: Any,
) -> Answer:  # fmt: skip
    """Put the caption into the target's prompt and, if wanted and there is one, the picture beside it."""
    answer: Answer = {
        target.prompt: merged_prompt(prompt or "", caption or "", mode),
        controls.before: {target.name: prompt or ""},
        controls.unsend: able(True),
    }
    if target.picture is None or not with_picture or image is None or isinstance(image, Unreadable):
        return answer
    sizes = dict(zip(target.sizes, image.size, strict=True)) if target.sizes else {}
    return {**answer, target.picture: image, **sizes}


def unsend(controls: SendControls, before: dict[str, str]) -> Answer:
    """Give the prompts back that the last sending changed."""
    prompts = {target.name: target.prompt for target in controls.targets}
    given_back = {prompts[name]: prompt for name, prompt in before.items()}
    return {**given_back, controls.before: {}, controls.unsend: able(False)}
