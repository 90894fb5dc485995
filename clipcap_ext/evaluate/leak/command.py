"""The command `leak`: a model, or captions from a file, and a data set to what speaks for a leak or not."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from clipcap_ext.errors import UsageError
from clipcap_ext.evaluate.dataset import EvaluationSplit
from clipcap_ext.evaluate.leak.verbatim import FEWEST, Verbatim, count_people, count_verbatim, looks_seen
from clipcap_ext.evaluate.report.printed import aligned
from clipcap_ext.evaluate.report.results import check_writable, provenance, write_results
from clipcap_ext.evaluate.request import EvaluationRequest

WORD = "leak"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Subject:
    """Whose captions these are. remembered, among: how many training photos its checkpoint remembers, and how
    many of the images are among them; None where nothing is remembered, or the captions are from a file."""

    name: str
    split: EvaluationSplit
    captions: Mapping[str, str]
    remembered: int | None = None
    among: int | None = None


def leak_command(arguments: Sequence[str], say: Say) -> str:
    """Run `leak` on its words: what is to be printed."""
    args = parser().parse_args(arguments)
    if args.out is not None:
        check_writable(args.out)
    given = {name: getattr(args, name) for name in ("split", "images", "limit", "positions", "device")}
    request = EvaluationRequest(args.data, **{key: value for key, value in given.items() if value})
    is_file = Path(args.subject).is_file()
    if request.positions and not is_file:
        raise UsageError("--positions is said of the numbers in a file of captions.")
    subject = _of_file(Path(args.subject), request) if is_file else _of_model(args.subject, request, say)
    found = examine(subject, replace(request, split="all", limit=None).load(pictures=False).references)
    if args.out is not None:
        write_results(args.out, found)
    return said_of(found)


def examine(subject: Subject, everywhere: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """What is known of a leak, to be written as JSON. everywhere: the data set's captions by image."""
    own = {image_id: subject.split.references[image_id] for image_id in subject.captions}
    captions, people = count_verbatim(subject.captions, own, everywhere), count_people(own, everywhere)
    return {
        **provenance(), "kind": "leak", "subject": subject.name,
        "data": {"name": subject.split.corpus.name, "split": subject.split.label},
        "training_images": {"remembered": subject.remembered, "scored": subject.among},
        "captions": _counted(captions), "people": _counted(people) if people else None,
        "seen": bool(subject.among) or looks_seen(captions, people),
    }  # fmt: skip


def said_of(found: Mapping[str, Any]) -> str:
    """The findings for a terminal."""
    ours, people = found["captions"], found["people"]
    low, high = ours["interval"]
    columns = [ours, *([people] if people else [])]
    rows = [["", "captions", *(["people"] if people else [])]]
    names = {
        "own": "a reference of its photo, word for word",
        "only": f"that, of {FEWEST} words or more, and no other photo's",
        "others": "another photo's caption, word for word",
    }
    for key, name in names.items():
        rows.append([name, *(f"{100 * one[key] / one['images']:.1f}%" for one in columns)])
    data = found["data"]
    head = f"{found['subject']}: {ours['images']} captions of {data['name']} ({data['split']})"
    interval = f"The second line's 95% interval is {100 * low:.1f} - {100 * high:.1f}%."
    return "\n".join([head, *aligned(rows), interval, *_remembered(found), _verdict(found)])


def _remembered(found: Mapping[str, Any]) -> list[str]:
    trained = found["training_images"]
    if trained["remembered"] is None:
        return ["What photos it was trained on is not known."]
    return [
        f"It remembers {trained['remembered']} training photos; {trained['scored']} of these are among them."
    ]


def _verdict(found: Mapping[str, Any]) -> str:
    if found["training_images"]["scored"]:
        return "SEEN: it was trained on some of these photos."
    if found["seen"]:
        return (
            "LOOKS SEEN: it repeats these photos' own references, which no other photo has, more often than "
            "people repeat each other. Whoever has not seen them does not."
        )
    return "NO SIGN of a leak. That is no proof: what was seen and not learnt by heart leaves none."


def _counted(counts: Verbatim) -> dict[str, Any]:
    return {**asdict(counts), "interval": list(counts.interval)}


def _of_file(path: Path, request: EvaluationRequest) -> Subject:
    from clipcap_ext.evaluate.hypotheses.matching import match
    from clipcap_ext.evaluate.hypotheses.reading import read_hypotheses

    whole = request.load(pictures=False)
    numbering = whole.numbering if request.positions else None
    matched = match(path, read_hypotheses(path), whole.corpus.examples, numbering)
    return Subject(path.name, whole.having(matched.captions), matched.captions)


def _of_model(name: str, request: EvaluationRequest, say: Say) -> Subject:
    from clipcap_ext.engine.catalog import find_model
    from clipcap_ext.engine.encoder_names import model_folders, process_device
    from clipcap_ext.engine.factory import load_captioner
    from clipcap_ext.evaluate.leakage import training_overlap
    from clipcap_ext.evaluate.run import caption_split, share_of

    entry = find_model(name)
    config = entry.usable_config()
    split = request.load(share=share_of(config))
    overlap = training_overlap(model_folders(entry.folder, config.encoder), split.corpus.examples)
    captioner = load_captioner(name, process_device(request.device, 0))
    if split.features is not None:
        split.features.check_made_for(captioner)
    captions, _ = caption_split(captioner, split, config.scored_options(), request.batch_size, say)
    known = (overlap.remembered, len(overlap.image_ids)) if overlap.remembered else (None, None)
    return Subject(entry.name, split, captions, *known)


def parser() -> argparse.ArgumentParser:
    """The words of the command."""
    made = argparse.ArgumentParser(
        prog=f"python -m clipcap_ext.evaluate {WORD}",
        description="Whether captions look as if their maker had seen the test photos' own captions.",
    )
    made.add_argument(
        "subject", help="a model's name or folder, or a file of captions, as --hypotheses takes"
    )
    made.add_argument("--data", type=Path, required=True, help="folder or annotation file of the data set")
    made.add_argument("--split", help="part of the data set (default: karpathy-test)")
    made.add_argument("--images", type=Path, help="folder of the images, if not with the annotations")
    made.add_argument("--limit", type=int, help="only the first images")
    made.add_argument("--positions", action="store_true", help="numbers in the file count from 0")
    made.add_argument("--device", help="auto, cpu, cuda or cuda:N (default: auto)")
    made.add_argument("--out", type=Path, help="leak.json to write")
    return made
