"""The Models pane's downloads: what can be fetched, a moving bar, Cancel, and Remove for what was fetched."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from clipcap_ext.errors import Cancelled, CaptionError
from clipcap_ext.hub.client import Progress
from clipcap_ext.service.downloads import Downloads
from clipcap_ext.service.runs import Run
from clipcap_ext.webui.tab.compat import QUICK, QUIET, forgotten, hidden_text, js
from clipcap_ext.webui.tab.context import Context
from clipcap_ext.webui.tab.header import Header, chosen, facts_line, from_the_hub, offered
from clipcap_ext.webui.tab.ids import elem_id
from clipcap_ext.webui.tab.markup import duration, failure, size_text, state
from clipcap_ext.webui.words import Words


@dataclass(frozen=True)
class DownloadControls:
    """The components; `sure` carries the answer to the question before a removal."""

    choice: Any
    start: gr.Button
    cancel: gr.Button
    status: gr.HTML
    unwanted: Any
    remove: gr.Button
    sure: Any

    @property
    def choices(self) -> list[Any]:
        """The two lists, to be updated with `list_updates`."""
        return [self.choice, self.unwanted]


def build_downloads(context: Context) -> DownloadControls:
    """Lay them out."""
    words = context.words
    with gr.Row(elem_classes=["clipcap_tight"]):
        choice = forgotten(
            gr.Dropdown([], value=None, label=words("To download"), elem_id=elem_id("fetchable"), scale=3)
        )
        start = gr.Button(
            words("Download"), interactive=False, elem_id=elem_id("fetch"), scale=1, min_width=90
        )
        cancel = gr.Button(
            words("Cancel"), interactive=False, elem_id=elem_id("fetch_cancel"), scale=1, min_width=80
        )
        unwanted = forgotten(
            gr.Dropdown([], value=None, label=words("Downloaded"), elem_id=elem_id("removable"), scale=3)
        )
        remove = gr.Button(
            words("Remove"), interactive=False, elem_id=elem_id("remove"), scale=1, min_width=80
        )
    status = gr.HTML("", elem_id=elem_id("fetch_status"))
    return DownloadControls(choice, start, cancel, status, unwanted, remove, hidden_text("sure"))


def wire_downloads(
    context: Context, header: Header, controls: DownloadControls, table: gr.HTML, show: Callable[[], str]
) -> None:
    """Connect them; `show` makes the table anew."""
    downloads = context.downloads
    buttons = [controls.status, controls.start, controls.cancel]
    lists = [*controls.choices, table, header.model, header.facts]

    def after(status: str, model: str | None) -> list[Any]:
        return [
            status,
            gr.update(interactive=True),
            gr.update(interactive=False),
            *_lists(context, show, model),
        ]

    def unfinished(status: str, model: str | None) -> list[Any]:
        told = after(status, model)
        told[len(buttons)] = gr.update()  # what was to be fetched stays chosen: Download tries again
        return told

    def fetch(name: str | None, model: str | None) -> Iterator[list[Any]]:
        words, same = context.words, [gr.update()] * len(lists)
        try:
            run = downloads.start(str(name))
        except CaptionError as error:
            yield [failure(words, error), gr.update(), gr.update(), *same]
            return
        for _ in run.watch():
            yield [bar(words, downloads), gr.update(interactive=False), gr.update(interactive=True), *same]
        problem = problem_of(words, run)
        if problem:
            yield unfinished(problem, model)
        else:
            yield after(state("done", words("{name} is ready.", name=name)), str(name))

    def remove(name: str | None, sure: str, model: str | None) -> list[Any]:
        words = context.words
        if not name or sure != "yes":
            return [gr.update()] * (1 + len(lists))
        try:
            removal = downloads.removal(name)
            if context.service.loaded() == name:
                context.service.unload()
            freed = removal.carry_out()
        except CaptionError as error:
            return [failure(words, error), *_lists(context, show, model)]
        told = words("{name} is removed, {size} are free again.", name=name, size=size_text(freed))
        return [state("done", told), *_lists(context, show, model)]

    controls.start.click(fetch, [controls.choice, header.model], [*buttons, *lists], **QUIET)
    controls.cancel.click(lambda: downloads.cancel(), None, None, **QUICK)
    question = json.dumps(context.words("Remove this model from the disk?"))
    ask = f"(name, _, model) => [name, name && confirm({question} + '\\n' + name) ? 'yes' : '', model]"
    inputs = [controls.unwanted, controls.sure, header.model]
    controls.remove.click(remove, inputs, [controls.status, *lists], **QUIET, **js(ask))
    _wire_choices(context, controls)


def _wire_choices(context: Context, controls: DownloadControls) -> None:
    """A choice enables its button, and says how much is to be fetched or deleted."""

    def picked(name: str | None) -> list[Any]:
        able = gr.update(interactive=bool(name) and context.downloads.running is None)
        return [able, state("idle", from_the_hub(context, name)) if name else gr.update()]

    def unwanted(name: str | None) -> list[Any]:
        return [gr.update(interactive=bool(name)), removal_text(context, name) if name else gr.update()]

    controls.choice.change(picked, [controls.choice], [controls.start, controls.status], **QUICK)
    controls.unwanted.change(unwanted, [controls.unwanted], [controls.remove, controls.status], **QUICK)


def list_updates(context: Context) -> list[Any]:
    """The two lists as they are now, nothing chosen."""
    downloads = context.downloads
    fetchable = [name for name, _ in downloads.fetchable()]
    return [gr.update(choices=fetchable, value=None), gr.update(choices=downloads.removable(), value=None)]


def removal_text(context: Context, name: str) -> str:
    """What Remove would delete, and where, or why it would not."""
    try:
        removal = context.downloads.removal(name)
    except CaptionError as error:
        return failure(context.words, error)
    size, place = size_text(removal.size), str(removal.folder)
    return state("idle", context.words("Remove deletes {size} in {place}", size=size, place=place))


def problem_of(words: Words, run: Run) -> str:
    """What to say of a download that ended without bringing everything, empty if it is all here."""
    if isinstance(run.error, Cancelled):
        return state("stopped", words("Stopped. What has arrived is kept: Download goes on from there."))
    return failure(words, run.error) if run.error is not None else ""


def bar(words: Words, downloads: Downloads) -> str:
    """What is being fetched, how much of it is here, how fast it comes and how long it will take."""
    progress: Progress | None = downloads.progress
    parts, width = [downloads.step or words("Asking the Hub")], ""
    if progress is not None and progress.total:
        parts.append(
            words("{done} of {total}", done=size_text(progress.done), total=size_text(progress.total))
        )
        width = f' style="width:{100 * progress.done / progress.total:.1f}%"'
        if progress.rate > 0:
            parts.append(f"{progress.rate / 1e6:.1f} MB/s")
        if progress.seconds_left is not None and progress.done < progress.total:
            parts.append(words("{time} left", time=duration(progress.seconds_left)))
    kind = "clipcap_bar" if width else "clipcap_bar clipcap_moving"
    moving = f'<div class="{kind}"><span{width}></span></div>'
    return f'<div class="clipcap_state clipcap_busy" role="status">{escape(" · ".join(parts))}{moving}</div>'


def _lists(context: Context, show: Callable[[], str], kept: str | None) -> list[Any]:
    """The two lists, the table, and the header: its models, `kept` chosen where it is offered, and that one's
    facts."""
    name = chosen(context, kept)
    model = gr.update(choices=offered(context), value=name)
    return [*list_updates(context), show(), model, facts_line(context, name)]
