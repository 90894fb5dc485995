"""What each pane's handlers answer, without a browser; it needs gradio, which test_beside_the_hosts.py
brings."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from folder_runs import at_once
from PIL import Image
from tiny import tiny_images

pytest.importorskip("gradio", reason="no gradio here; test_beside_the_hosts.py runs this where it is")

import gradio as gr

from clipcap_ext.__main__ import main
from clipcap_ext.batch.folder import FolderTask, Plan, note_of, plan_folder
from clipcap_ext.batch.run import run_plan
from clipcap_ext.batch.wording import Wording
from clipcap_ext.caption import Candidate, Caption, DecodingOptions, Doubt
from clipcap_ext.cli.streams import Streams
from clipcap_ext.service.asker import Asker
from clipcap_ext.service.downloads import Downloads
from clipcap_ext.service.host import HostComponents
from clipcap_ext.service.service import CaptionService
from clipcap_ext.service.standalone import StandaloneHost
from clipcap_ext.service.work import Result, Work
from clipcap_ext.webui.decoding_controls import DecodingForm
from clipcap_ext.webui.shown import Begun, Shown
from clipcap_ext.webui.tab import models
from clipcap_ext.webui.tab.batch import build_batch, caption_uploads, edited
from clipcap_ext.webui.tab.binding import Answer
from clipcap_ext.webui.tab.compat import Unreadable, able
from clipcap_ext.webui.tab.context import Context
from clipcap_ext.webui.tab.decoding import build_control
from clipcap_ext.webui.tab.folder.asked import Asked
from clipcap_ext.webui.tab.folder.looking import look
from clipcap_ext.webui.tab.folder.pane import build_folder
from clipcap_ext.webui.tab.folder.writing import undo, write
from clipcap_ext.webui.tab.header import list_states
from clipcap_ext.webui.tab.model_cards import card_here
from clipcap_ext.webui.tab.single.events import picture_changed
from clipcap_ext.webui.tab.single.pane import SinglePane, build_single
from clipcap_ext.webui.tab.single.run import candidate_choices, caption_picture, result_status
from clipcap_ext.webui.tab.single.sending import send, unsend, wire_send
from clipcap_ext.webui.words import Words

DECODING = DecodingForm.start().values
MODEL = "tiny-clipcap"


class SendingHost(StandaloneHost):
    """Has tabs to send to."""

    send_targets = ("txt2img", "img2img", "inpaint")


def context_of(host: StandaloneHost, components: HostComponents | None = None) -> Context:
    parts = components or HostComponents()
    return Context(CaptionService(host), host, parts, Words(""), Downloads(host.models_dir))


@pytest.fixture
def context(tiny_folder: Path) -> Context:
    return context_of(StandaloneHost(tiny_folder, "cpu"))


@pytest.fixture
def pane(context: Context) -> SinglePane:
    with gr.Blocks():
        return build_single(context)


def last_of(steps: Iterable[Answer], outputs: list[Any]) -> Answer:
    """The last answer, once none named a component that the event does not change."""
    answers = list(steps)
    assert all(component in outputs for answer in answers for component in answer)
    return answers[-1]


def test_a_caption_comes_with_its_candidates_and_one_can_begin_again(
    context: Context, pane: SinglePane
) -> None:
    picture = tiny_images(1)[0]
    steps = caption_picture(context, pane, picture, Shown(), MODEL, "by hand", [], DECODING, Asker())
    last = last_of(steps, pane.outputs)
    assert " ms" in last[pane.status]
    assert (last[pane.begin], last[pane.stop]) == (able(True), able(False))
    texts = [text for _, text in last[pane.caption.candidates]["choices"]]
    assert last[pane.caption.text] == texts[0] and len(set(texts)) == len(texts)
    assert last[pane.caption.history] == ["by hand"]


@pytest.mark.parametrize(
    ("candidates", "shown"),
    [
        ([(-1.0, 0.3), (-0.5, 0.2)], ["0.30 a", "0.20 b"]),
        ([(-0.5, 0.2), (-1.0, 0.3)], ["61% a", "37% b"]),
        ([(-0.5, None), (-1.0, None)], ["61% a", "37% b"]),
        ([(-1.0, 0.2), (-0.5, 0.3)], ["a", "b"]),
    ],
)
def test_the_number_before_a_candidate_is_what_it_is_in_order_of(
    candidates: list[tuple[float, float | None]], shown: list[str]
) -> None:
    made = [Candidate(text, *numbers) for text, numbers in zip("ab", candidates, strict=True)]
    choices = candidate_choices(Caption("a", MODEL, tuple(made)))["choices"]
    assert [label for label, _ in choices] == shown


def test_doubt_is_said_in_the_place_of_the_tick(context: Context) -> None:
    caption = Caption("a cat .", MODEL, (), doubt=Doubt("evidence", 0.11, 0.3))
    status = result_status(context, Result((caption,), "cpu", "fp32", 80.0, MODEL), None)
    assert "clipcap_unsure" in status and "clipcap_done" not in status
    assert "Not sure: the surest thing" in status and "0.11, below 0.30" in status and "80 ms" in status


@pytest.mark.parametrize(("image", "model", "said"), [(None, MODEL, "No picture"), ("any", None, "No model")])
def test_without_a_picture_or_a_model_it_says_so(
    context: Context, pane: SinglePane, image: Any, model: str | None, said: str
) -> None:
    steps = caption_picture(context, pane, image, Shown(), model, None, [], DECODING, Asker())
    last = last_of(steps, pane.outputs)
    assert said in last[pane.status] and pane.caption.text not in last


def test_another_picture_clears_what_was_said_and_keeps_it_for_undo(
    context: Context, pane: SinglePane
) -> None:
    shown, outputs = Shown(), [*pane.outputs, pane.found.box, pane.found.text]
    pictures = tiny_images(2)
    first = picture_changed(context, pane, pictures[0], shown, None, [])
    assert pane.caption.text not in first and first[pane.begin] == able(True)
    other = last_of([picture_changed(context, pane, pictures[1], shown, "a dog", [])], outputs)
    assert (other[pane.caption.text], other[pane.caption.history]) == ("", ["a dog"])


@pytest.mark.parametrize("gone", [None, Unreadable("cut short")])
def test_no_picture_and_one_that_cannot_be_read_clear_what_was_said(
    context: Context, pane: SinglePane, gone: Any
) -> None:
    shown, outputs = Shown(), [*pane.outputs, pane.found.box, pane.found.text]
    picture_changed(context, pane, tiny_images(1)[0], shown, None, [])
    answer = last_of([picture_changed(context, pane, gone, shown, "a dog", [])], outputs)
    assert (answer[pane.caption.text], answer[pane.caption.history]) == ("", ["a dog"])
    assert answer[pane.caption.candidates]["choices"] == [] and answer[pane.begin] == able(False)


def test_a_picture_told_of_again_after_its_caption_keeps_what_was_said_of_it(
    context: Context, pane: SinglePane
) -> None:
    """Gradio 3 may tell of a picture a second time when its caption is there already."""
    shown, pictures = Shown(), tiny_images(2)
    ready = picture_changed(context, pane, pictures[0], shown, None, [])[pane.status]
    steps = caption_picture(context, pane, pictures[0], shown, MODEL, "", [], DECODING, Asker())
    captioned = last_of(steps, pane.outputs)[pane.status]
    assert " ms" in captioned and captioned != ready
    again = picture_changed(context, pane, pictures[0], shown, "a dog", [])
    assert again[pane.status] == captioned and pane.caption.text not in again
    assert picture_changed(context, pane, pictures[1], shown, "a dog", [])[pane.status] == ready
    assert picture_changed(context, pane, pictures[0], shown, "", [])[pane.status] == ready


def test_a_run_whose_picture_was_replaced_says_nothing_of_the_next() -> None:
    shown, pictures = Shown(), tiny_images(2)
    shown.put(pictures[0], "ready")
    begun = Begun.now(shown, pictures[0])
    shown.put(pictures[1], "ready, too")
    begun.ended("captioned")
    assert shown.status == "ready, too"


def test_a_caption_that_the_page_shows_beside_another_picture_is_cleared(
    context: Context, pane: SinglePane
) -> None:
    shown, picture = Shown(), tiny_images(1)[0]
    picture_changed(context, pane, picture, shown, None, [], '{"picture": "b"}')
    told = '{"picture": "b", "captioned": "a"}'
    late = picture_changed(context, pane, picture, shown, "a dog", [], told)
    assert late[pane.caption.text] == "" and "b" in late[pane.marks.status]
    told = '{"picture": "b", "captioned": "b"}'
    assert pane.caption.text not in picture_changed(context, pane, picture, shown, "a cat", [], told)


def test_uploads_are_captioned_and_a_broken_one_is_named(context: Context, tmp_path: Path) -> None:
    with gr.Blocks():
        batch = build_batch(context)
    for number, image in enumerate(tiny_images(2)):
        image.save(tmp_path / f"{number}.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    files = [str(tmp_path / name) for name in ("0.png", "broken.png", "1.png")]
    last = last_of(caption_uploads(context, batch, files, MODEL, DECODING, Asker()), batch.outputs)
    rows = last[batch.rows]
    assert [(row.file_name, bool(row.text)) for row in rows] == [
        ("0.png", True), ("broken.png", False), ("1.png", True),
    ]  # fmt: skip
    assert "2 of 3 captioned" in last[batch.status] and last[batch.download["zip"]] == able(True)
    assert edited(rows, '{"0": "mine"}')[0].text == "mine"


def test_a_closed_page_ends_its_own_batch_and_no_other(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = threading.Event()

    def captioning(work: Work, options: object) -> Any:
        def caption(images: Any) -> list[Caption]:
            assert go.wait(60)
            return [Caption("x", MODEL, (Candidate("x", 0.0),)) for _ in images]

        return at_once(caption)

    monkeypatch.setattr(Work, "captioning", captioning)
    with gr.Blocks():
        batch = build_batch(context)
    tiny_images(1)[0].save(tmp_path / "a.png")
    files, pages = [str(tmp_path / "a.png")], (Asker(), Asker())
    closed, open_page = (caption_uploads(context, batch, files, MODEL, DECODING, page) for page in pages)
    next(closed)
    next(open_page)
    closed.close()
    assert [page._runs[0].stopping.is_set() for page in pages] == [True, False]
    go.set()
    assert "1 of 1 captioned" in last_of(open_page, batch.outputs)[batch.status]


def test_a_folder_is_looked_at_written_and_put_back(context: Context, tmp_path: Path) -> None:
    with gr.Blocks():
        pane = build_folder(context)
    tiny_images(1)[0].save(tmp_path / "dog.png")
    task = {name: "" for name in pane.task}
    task |= {
        "folder": str(tmp_path),
        "recursive": False,
        "extension": ".txt",
        "policy": "skip",
        "form": "tags",
    }
    found = last_of(look(context, pane, MODEL, task, DECODING, Asker()), pane.outputs)
    assert "1 to write" in found[pane.status] and found[pane.write] == able(True)
    assert not (tmp_path / "dog.txt").exists()
    looked = found[pane.looked]
    other = last_of(
        write(context, pane, looked, MODEL, {**task, "prefix": "a"}, DECODING, Asker()), pane.outputs
    )
    assert "look first again" in other[pane.status] and other[pane.looked] is None
    done = last_of(write(context, pane, looked, MODEL, dict(task), dict(DECODING), Asker()), pane.outputs)
    assert "1 written" in done[pane.status] and (tmp_path / "dog.txt").read_text().strip()
    assert "1 caption files" in undo(context, pane, str(tmp_path))[pane.status]
    assert not (tmp_path / "dog.txt").exists()
    assert "no run to undo" in undo(context, pane, str(tmp_path))[pane.status]


def folder_of(pictures: int, folder: Path) -> dict[str, Any]:
    """A folder of pictures, and the Folder pane's controls for it."""
    for number, image in enumerate(tiny_images(pictures)):
        image.save(folder / f"{number}.png")
    texts = {"folder": str(folder), "extension": ".txt", "policy": "append", "form": "sentence"}
    return {**dict.fromkeys(("prefix", "suffix", "trigger"), ""), "recursive": False, **texts}


def typed(context: Context, part: str, folder: Path, *more: str) -> tuple[int, str]:
    """`python -m clipcap_ext folder PART` on the same folder; its code and all it said."""
    streams = Streams(io.StringIO(), io.StringIO())
    model = ["--models-dir", str(context.host.models_dir), "--model", MODEL] if part == "caption" else []
    code = main(["folder", part, str(folder), *more, *model], streams)
    return code, streams.out.getvalue() + streams.err.getvalue()


def stopped_after_one(plan: Plan) -> None:
    with closing(run_plan(plan, at_once(one_caption), batch_size=1)) as results:
        next(results)


def one_caption(images: Any) -> list[Caption]:
    return [Caption("x", MODEL, (Candidate("x", 0.0),)) for _ in images]


def test_what_the_pane_began_and_did_not_end_is_told_and_continued_in_the_terminal(
    context: Context, tmp_path: Path
) -> None:
    task = folder_of(3, tmp_path)
    decoding = DecodingForm.of(context.service.default_options(MODEL)).values
    stopped_after_one(plan_folder(Asked(MODEL, task, decoding).folder_task()))
    code, said = typed(context, "status", tmp_path)
    assert code == 0 and f"1 caption files: append, {MODEL}" in said and "not finished" in said
    assert "DecodingForm" not in said
    code, said = typed(context, "caption", tmp_path, "--policy", "append")
    assert code == 0 and "2 written, 1 skipped, 0 failed" in said
    assert (tmp_path / "0.txt").read_text() == "x", "written once"
    assert "not finished" not in typed(context, "status", tmp_path)[1]


def test_what_the_terminal_began_and_did_not_end_is_told_and_continued_in_the_pane(
    context: Context, tmp_path: Path
) -> None:
    task = folder_of(3, tmp_path)
    options = context.service.default_options(MODEL)
    began = FolderTask(tmp_path, Wording("append"), note=note_of(MODEL, options))
    stopped_after_one(plan_folder(began))
    with gr.Blocks():
        pane = build_folder(context)
    decoding = DecodingForm.of(options).values
    other = last_of(look(context, pane, MODEL, {**task, "trigger": "sks"}, decoding, Asker()), pane.outputs)
    assert f"is not finished (append, {MODEL}" in other[pane.status] and "3 to write" in other[pane.status]
    found = last_of(look(context, pane, MODEL, task, decoding, Asker()), pane.outputs)
    assert "2 to write, 1 to skip" in found[pane.status] and "is not finished" not in found[pane.status]
    steps = write(context, pane, found[pane.looked], MODEL, task, decoding, Asker())
    assert "2 written, 1 skipped" in last_of(steps, pane.outputs)[pane.status]
    assert (tmp_path / "0.txt").read_text() == "x", "written once"
    assert "not finished" not in typed(context, "status", tmp_path)[1]


def test_a_caption_is_sent_with_its_picture_and_taken_back(tiny_folder: Path) -> None:
    with gr.Blocks():
        prompts = {name: gr.Textbox() for name in ("txt2img", "img2img")}
        prompts["inpaint"] = prompts["img2img"]  # one box for both, as in the WebUIs
        picture, width, height = gr.Image(), gr.Slider(), gr.Slider()
        parts = HostComponents(prompts, {"img2img": picture}, {"img2img": (width, height)})
        context = context_of(SendingHost(tiny_folder, "cpu"), parts)
        pane = build_single(context)
    controls, status = pane.send, pane.status
    assert controls is not None
    targets = {target.name: target for target in controls.targets}
    image, theirs = Image.new("RGB", (30, 20)), Image.new("RGB", (8, 8))
    box = prompts["img2img"]
    asked = {"caption": "a dog .", "mode": "append", "with_picture": True, "image": image}
    beside = {"there": {"image": theirs, "mask": None}, "sizes": {"width": 512, "height": 768}}
    first = send(controls, targets["img2img"], prompt="old", before=[], **asked, **beside)
    assert (first[box], first[picture], first[width], first[height]) == ("old, a dog", image, 30, 20)
    mixed = {**asked, "keywords": "dog, snow, night", "form": "sentence+tags"}
    assert send(controls, targets["txt2img"], prompt="", before=[], **mixed)[prompts["txt2img"]] == (
        "a dog, snow, night"
    )
    prompt_alone = {**asked, "with_picture": False}
    assert picture not in send(controls, targets["img2img"], prompt="", before=[], **prompt_alone, **beside)
    second = send(controls, targets["txt2img"], prompt="mine", before=first[controls.before], **asked)
    assert picture not in second
    back = unsend(context, controls, status, second[controls.before])
    assert back[prompts["txt2img"]] == "mine" and not {box, picture, width} & set(back)
    assert "txt2img: prompt" in back[status] and back[controls.unsend] == able(True)
    back = unsend(context, controls, status, back[controls.before])
    assert (back[box], back[picture], back[width], back[height]) == ("old", theirs, 512, 768)
    assert "img2img: prompt, picture" in back[status] and back[controls.unsend] == able(False)
    assert unsend(context, controls, status, back[controls.before]) == {controls.unsend: able(False)}


def test_the_canvas_of_forge_is_always_answered_with_a_picture(tiny_folder: Path) -> None:
    with gr.Blocks():
        prompts = {name: gr.Textbox() for name in ("txt2img", "img2img")}
        canvas = gr.Textbox()  # what its LogicalImage is to gradio
        context = context_of(SendingHost(tiny_folder, "cpu"), HostComponents(prompts, {"img2img": canvas}))
        pane = build_single(context)
        wire_send(context, pane.send, {"caption": pane.caption.text}, pane.picture, pane.status)
    controls = pane.send
    to_text, to_image = controls.targets
    image, theirs = Image.new("RGB", (30, 20)), Image.new("RGB", (8, 8))
    asked = {"caption": "a dog", "prompt": "", "mode": "append", "image": image, "there": theirs}
    alone = send(controls, to_image, with_picture=False, before=[], **asked)
    assert alone[canvas] is theirs, "an update would make it anew, and it would take no picture any more"
    sent = send(controls, to_text, with_picture=True, before=alone[controls.before], **asked)
    shown = {"img2img": theirs}
    back = unsend(context, controls, pane.status, sent[controls.before], shown)
    assert back[canvas] is theirs, "it stays as it is when txt2img is given back"
    both = send(controls, to_image, with_picture=True, before=[], **asked)
    assert both[canvas] is image
    assert unsend(context, controls, pane.status, both[controls.before], {"img2img": image})[canvas] is theirs
    assert unsend(context, controls, pane.status, [], shown)[canvas] is theirs


def test_nothing_to_send_to_leaves_no_buttons(pane: SinglePane) -> None:
    assert pane.send is None


def test_the_folder_of_a_listed_model_alone_is_opened_and_on_this_machine_alone(
    context: Context, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []

    def open_window(folder: Path) -> bool:
        opened.append(folder)
        return True

    monkeypatch.setattr(models, "open_window", open_window)
    folder = tiny_folder / MODEL
    assert str(folder) in models.looked(context, MODEL) and opened == [folder]
    assert "clipcap_failed" in models.looked(context, "/") and opened == [folder]
    elsewhere = context_of(StandaloneHost(tiny_folder, "cpu", shows_folders=False))
    assert str(folder) in models.looked(elsewhere, MODEL) and opened == [folder]
    entry = next(entry for entry in elsewhere.service.models() if entry.name == MODEL)
    assert not card_here(elsewhere, entry).opened


def test_the_list_says_here_or_how_much_is_to_be_fetched(context: Context) -> None:
    states = list_states(context)
    assert states[MODEL] == states["tiny-flickr8k"] == "here"
    assert states["clipcap-flickr8k-gradient"].endswith((" MB", " GB"))
    assert "clipcap-coco" not in states, "nobody can download it here"


def test_a_list_that_takes_other_words_offers_the_tasks_by_what_they_are_sent_as(context: Context) -> None:
    option = DecodingOptions.table()["task"]
    with gr.Blocks():
        shown = build_control(context.words, "task", option.control, "sentence")
    values = [one[1] if isinstance(one, tuple) else one for one in shown.choices]
    assert values == list(option.control.names)
