"""Sending a caption, and the picture if wanted, to the host's own tabs. It writes their prompt box and
nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from clipcap_ext.engine.judging.tags import SENTENCE, in_form
from clipcap_ext.engine.sbg.edit import split_keywords
from clipcap_ext.webui.prompts import MODES, merged_prompt
from clipcap_ext.webui.tab.binding import Answer, on, page_only
from clipcap_ext.webui.tab.compat import QUICK, Unreadable, able, forgotten
from clipcap_ext.webui.tab.context import Context
from clipcap_ext.webui.tab.ids import elem_id
from clipcap_ext.webui.tab.markup import state
from clipcap_ext.webui.tab.parts import form_choice

STEPS = 20  # sendings that can be taken back


@dataclass(frozen=True, kw_only=True)
class Target:
    """A tab of the host: our button for it and its components; no `sizes` where it takes no picture. One that
    is `drawn` takes its picture from the page's script alone, so there is none to give back."""

    name: str
    title: str
    drawn: bool
    button: gr.Button
    prompt: Any
    picture: Any
    sizes: tuple[Any, ...]

    @property
    def remade(self) -> bool:
        """Whether its picture must be answered with itself where it stays: Forge's canvas is a text to gradio
        4, which makes it anew at every `gr.update()`, and there it loses what it was made with and takes no
        picture any more."""
        return self.picture is not None and self.picture.get_block_name() == "textbox"


@dataclass(frozen=True, kw_only=True)
class Sending:
    """What stood in a target before it was sent to; what it left alone of sizes and picture is None, the
    latter not `with_picture`."""

    target: str
    prompt: str
    sizes: tuple[Any, ...] | None = None
    with_picture: bool = False
    picture: Any = None


@dataclass(frozen=True, kw_only=True)
class SendControls:
    """The targets and how they are sent to; `before` holds a Sending for each of the last STEPS, the last one
    last."""

    targets: tuple[Target, ...]
    unsend: gr.Button
    mode: Any
    form: Any
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
            interactive=bool(parts.pictures or parts.drawn),
            elem_id=elem_id("with_picture"),
        )
    form = form_choice(words, "send_form", words("What is sent"))
    return SendControls(
        targets=targets, unsend=unsend, mode=forgotten(mode), with_picture=forgotten(with_picture),
        form=forgotten(form), before=gr.State([]),
    )  # fmt: skip


def _build_target(context: Context, name: str) -> Target:
    parts = context.components
    title = parts.titles.get(name, name)
    button = gr.Button(
        context.words("Send to {target}", target=title), interactive=False, size="sm",
        elem_id=elem_id(f"send_{name}"), min_width=100,
    )  # fmt: skip
    takes_picture = name in parts.pictures
    return Target(
        name=name, title=title, drawn=name in parts.drawn, button=button, prompt=parts.prompts[name],
        picture=parts.pictures.get(name), sizes=tuple(parts.sizes.get(name, ())) if takes_picture else (),
    )  # fmt: skip


def wire_send(
    context: Context, controls: SendControls, said: Mapping[str, Any], picture: Any, status: Any
) -> None:
    """Connect each target's button, and the one that takes the last sending back; `said`: the boxes of the
    caption and the keywords; `status` says what came back."""
    chosen = {"mode": controls.mode, "with_picture": controls.with_picture, "image": picture, **said}
    chosen["form"] = controls.form
    for target in controls.targets:
        there = {"there": target.picture} if target.picture is not None else {}
        sizes = {"sizes": dict(zip(("width", "height"), target.sizes, strict=True))} if target.sizes else {}
        inputs = {"prompt": target.prompt, "before": controls.before, **chosen}
        outputs = [target.prompt, controls.before, controls.unsend, *target.sizes, *there.values()]
        sent = on(
            target.button.click,
            partial(send, controls, target),
            {**inputs, **there, **sizes},
            outputs,
            **QUICK,
        )
        page_only(sent.then, f"() => clipcap_show('{target.name}')")
        if target.drawn:
            page_only(sent.then, "clipcap_draw", {"wanted": controls.with_picture})
    outputs = [controls.before, controls.unsend, status]
    for target in controls.targets:
        outputs += [part for part in (target.prompt, target.picture, *target.sizes) if part is not None]
    back = partial(unsend, context, controls, status)
    pictures = {target.name: target.picture for target in controls.targets if target.remade}
    kept = {"pictures": pictures} if pictures else {}
    on(controls.unsend.click, back, {"before": controls.before, **kept}, outputs, **QUICK)


def send(
    controls: SendControls, target: Target, caption: str | None, prompt: str | None, mode: str,
    with_picture: bool, image: Any, before: list[Sending], there: Any = None,
    sizes: Mapping[str, Any] | None = None, keywords: str | None = "", form: str = SENTENCE,
) -> Answer:  # fmt: skip
    """Put the caption into the target's prompt and, if wanted and there is one, the picture beside it."""
    shows = target.picture is not None and with_picture
    shows = shows and image is not None and not isinstance(image, Unreadable)
    sending = Sending(
        target=target.name, prompt=prompt or "", with_picture=shows, picture=_shown(there) if shows else None,
        sizes=tuple(sizes.values()) if shows and sizes else None,
    )  # fmt: skip
    text = in_form(caption or "", split_keywords(keywords or ""), form)
    answer: Answer = {
        target.prompt: merged_prompt(prompt or "", text, mode),
        controls.before: [*before, sending][-STEPS:],
        controls.unsend: able(True),
    }
    if shows:
        answer |= {target.picture: image, **dict(zip(target.sizes, image.size, strict=False))}
    elif target.remade:
        answer[target.picture] = there
    return answer


def unsend(
    context: Context, controls: SendControls, status: Any, before: list[Sending],
    pictures: Mapping[str, Any] | None = None,
) -> Answer:  # fmt: skip
    """Give back what stood where the last sending went, and say what that is; `pictures`: what the targets
    that are `remade` show now."""
    kept = {target.picture: (pictures or {})[target.name] for target in controls.targets if target.remade}
    if not before:
        return {controls.unsend: able(False), **kept}
    *earlier, last = before
    target = next(target for target in controls.targets if target.name == last.target)
    words = context.words
    if last.with_picture:
        text = words("Given back to {target}: prompt, picture and size", target=target.title)
    else:
        text = words("Given back to {target}: prompt", target=target.title)
    answer: Answer = {
        target.prompt: last.prompt, controls.before: earlier, controls.unsend: able(bool(earlier)),
        status: state("done", text), **kept,
    }  # fmt: skip
    if last.with_picture:
        answer[target.picture] = last.picture
    return answer | dict(zip(target.sizes, last.sizes or (), strict=False))


def _shown(value: Any) -> Any:
    """What a picture component holds, as it takes it; one with a mask holds both by name."""
    return value.get("image", value.get("background")) if isinstance(value, Mapping) else value
