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
from clipcap_ext.webui.tab.binding import Answer, on
from clipcap_ext.webui.tab.compat import QUICK, QUIET, able, forgotten, hidden_button, hidden_text
from clipcap_ext.webui.tab.context import Context
from clipcap_ext.webui.tab.header import Header, from_the_hub, models_now
from clipcap_ext.webui.tab.ids import elem_id
from clipcap_ext.webui.tab.markup import duration, failure, size_text, state
from clipcap_ext.webui.words import Words


@dataclass(frozen=True, kw_only=True)
class DownloadControls:
    """The components; `sure` carries the answer to the question before a removal. The script puts the name of
    a card into `named` and presses `start_named`."""

    choice: Any
    start: gr.Button
    cancel: gr.Button
    status: gr.HTML
    unwanted: Any
    remove: gr.Button
    sure: Any
    named: Any
    start_named: gr.Button

    @property
    def lists(self) -> list[Any]:
        """The two lists, which `lists_now` fills."""
        return [self.choice, self.unwanted]

    def busy(self, status: str) -> Answer:
        """A download goes on and can be cancelled."""
        return {self.status: status, self.start: able(False), self.cancel: able(True)}

    def idle(self, status: str) -> Answer:
        """None goes on, and one can be begun."""
        return {self.status: status, self.start: able(True), self.cancel: able(False)}


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
    return DownloadControls(
        choice=choice, start=start, cancel=cancel, status=status, unwanted=unwanted, remove=remove,
        sure=hidden_text("sure"), named=hidden_text("fetch_named"), start_named=hidden_button("fetch_card"),
    )  # fmt: skip


def wire_downloads(
    context: Context, header: Header, controls: DownloadControls, table: gr.HTML, show: Callable[[], str]
) -> None:
    """Connect them; `show` makes the table anew."""
    words, downloads = context.words, context.downloads

    def lists(model: str | None) -> Answer:
        return {**lists_now(context, controls), table: show(), **models_now(context, header, model)}

    def fetch(name: str | None, model: str | None) -> Iterator[Answer]:
        try:
            run = downloads.start(str(name))
        except CaptionError as error:
            yield {controls.status: failure(words, error)}
            return
        for _ in run.watch(downloads.told):
            yield controls.busy(bar(words, downloads))
        problem = problem_of(words, run)
        if problem:
            listing = lists(model)
            del listing[controls.choice]  # what was to be fetched stays chosen: Download tries again
            yield {**controls.idle(problem), **listing}
        else:
            ready = state("done", words("{name} is ready.", name=name))
            yield {**controls.idle(ready), **lists(str(name))}

    def remove(name: str | None, sure: str, model: str | None) -> Answer:
        if not name or sure != "yes":
            return {}
        try:
            removal = downloads.removal(name)
            if context.service.loaded() == name:
                context.service.unload()
            freed = removal.carry_out()
        except CaptionError as error:
            return {controls.status: failure(words, error), **lists(model)}
        told = words("{name} is removed, {size} are free again.", name=name, size=size_text(freed))
        return {controls.status: state("done", told), **lists(model)}

    shown = [controls.status, *controls.lists, table, header.model, header.facts]
    begun = [controls.start, controls.cancel, *shown]
    asked = {"name": controls.choice, "model": header.model}
    on(controls.start.click, fetch, asked, begun, **QUIET)
    of_card = {"name": controls.named, "model": header.model}
    on(controls.start_named.click, fetch, of_card, begun, "clipcap_named", **QUIET)
    on(controls.cancel.click, downloads.cancel, {}, **QUICK)
    question = json.dumps(words("Remove this model from the disk?"))
    ask = f"({{name}}) => ({{sure: name && confirm({question} + '\\n' + name) ? 'yes' : ''}})"
    unwanted = {"name": controls.unwanted, "sure": controls.sure, "model": header.model}
    on(controls.remove.click, remove, unwanted, shown, ask, **QUIET)
    _wire_choices(context, controls)


def _wire_choices(context: Context, controls: DownloadControls) -> None:
    """A choice enables its button, and says how much is to be fetched or deleted."""

    def picked(name: str | None) -> Answer:
        answer: Answer = {controls.start: able(bool(name) and context.downloads.running is None)}
        return {**answer, controls.status: state("idle", from_the_hub(context, name))} if name else answer

    def unwanted(name: str | None) -> Answer:
        answer: Answer = {controls.remove: able(bool(name))}
        return {**answer, controls.status: removal_text(context, name)} if name else answer

    choice = {"name": controls.choice}
    on(controls.choice.change, picked, choice, [controls.start, controls.status], **QUICK)
    unwanted_name = {"name": controls.unwanted}
    on(controls.unwanted.change, unwanted, unwanted_name, [controls.remove, controls.status], **QUICK)


def lists_now(context: Context, controls: DownloadControls) -> Answer:
    """The two lists as they are now, nothing chosen."""
    downloads = context.downloads
    fetchable = [name for name, _ in downloads.fetchable()]
    return {
        controls.choice: gr.update(choices=fetchable, value=None),
        controls.unwanted: gr.update(choices=downloads.removable(), value=None),
    }


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
