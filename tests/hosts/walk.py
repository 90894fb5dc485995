"""Walks a real WebUI through what the extension promises and writes what was seen; run by hand, not by CI.

    python tests/hosts/walk.py sdnext --folder DIR --python DIR/venv/bin/python --out DIR

The folder is a checkout of the host whose requirements that interpreter has, with a checkpoint if generated
pictures are to be walked. The extension is linked into it and the link removed afterwards.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "webui" / "browser"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import artist
import steps
from driver import Browser
from kinds import KINDS, Kind, Target
from outcomes import NotThere, Outcome, Walked, read, table
from program import laid_into, running, versions
from webui_page import HostPage


def walk(name: str, folder: Path, python: Path, out: Path, only: Sequence[str] = ()) -> Walked:
    """Start the host, take every step (or those in whose names is one of `only`), leave `name`.json, a log
    and a picture a step in `out`."""
    kind = KINDS[name]
    out.mkdir(parents=True, exist_ok=True)
    with laid_into(folder), running(kind, folder, python, out / f"{name}.log") as address:
        browser = Browser(out, 600, 400)  # its splash is painted without a graphics card
        try:
            page = HostPage(browser, address, kind, folder, out / f"{name}.log")
            page.open()
            outcomes = []
            for number, (said, step) in enumerate(steps_of(kind)):
                if only and not any(part in said for part in only):
                    continue
                outcomes.append(take(page, said, step))
                browser.screenshot(out / f"{name}-{number:02}.png")
                print(outcomes[-1], flush=True)
        finally:
            browser.close()
    walked = Walked(kind.title, versions(folder, python), tuple(outcomes))
    walked.write(out, name)
    return walked


def steps_of(kind: Kind) -> Iterator[tuple[str, steps.Step]]:
    """Every step with its name in the table, in the order of a person's evening."""
    yield "our tab opens", steps.tab_opens
    yield "caption of an uploaded picture", steps.caption_upload
    for target in kind.targets:
        yield f"send to {target.name}", steps.send_to(target)
        yield f"undo send to {target.name}", steps.undo_of(target)
    yield from artists_walk(kind.targets[0])
    yield "Extras caption", steps.extras
    yield "button at the Extras gallery", steps.gallery_button("extras")
    yield "caption of a generated picture", steps.generated_caption
    yield "button at the gallery", steps.gallery_button("made")
    yield "interrogate button", steps.interrogate
    yield "REST", steps.rest
    yield "Reload UI", steps.reload_ui


def artists_walk(target: Target) -> Iterator[tuple[str, steps.Step]]:
    """What an artist does with one picture before its caption leaves our tab."""
    yield "doubt about a black picture", artist.doubt
    yield "candidates of two models", artist.two_models
    yield "a word dropped by a click", artist.dropped_word
    yield "sentence and tags appended, and undo", artist.send_mixed(target)


def take(page: HostPage, said: str, step: steps.Step) -> Outcome:
    """A failure of one step must not hide the others."""
    began = time.monotonic()
    try:
        seen = step(page)
    except NotThere as reason:
        return Outcome(said, "not there", str(reason))
    except Exception as error:
        traceback.print_exc(limit=-3)
        return Outcome(said, "failed", str(error).splitlines()[0] if str(error) else type(error).__name__)
    return Outcome(said, "ok", f"{seen} ({time.monotonic() - began:.0f} s)")


def main() -> int:
    """Walk one host; 0 if no step failed. `hosts.md` in the folder of results is made anew from all there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("host", choices=sorted(KINDS))
    parser.add_argument("--folder", type=Path, required=True, help="the host's checkout")
    parser.add_argument("--python", type=Path, required=True, help="the interpreter with its requirements")
    parser.add_argument("--out", type=Path, default=Path("walked"), help="for tables, logs and screenshots")
    parser.add_argument("--only", nargs="+", default=(), help="parts of the names of the steps to take")
    told = parser.parse_args()
    places = (told.folder.absolute(), told.python.absolute(), told.out.absolute())
    walked = walk(told.host, *places, told.only)
    text = table(read(path) for path in sorted(told.out.glob("*.json")))
    (told.out / "hosts.md").write_text(text, encoding="utf-8")
    return int(any(outcome.state == "failed" for outcome in walked.outcomes))


if __name__ == "__main__":
    sys.exit(main())
