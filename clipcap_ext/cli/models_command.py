"""The command `models`: what can be asked for by name, here or to be fetched, and what was refused; it loads
none."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from clipcap_ext.cli.models_in_use import add_models_dir
from clipcap_ext.cli.streams import Streams
from clipcap_ext.engine.catalog import ModelEntry, command_for, is_ready, list_models, list_to_fetch
from clipcap_ext.engine.checkpoint.places import BUNDLED
from clipcap_ext.engine.folder_kinds import problem_to_fetch
from clipcap_ext.engine.published.published_models import PublishedModel
from clipcap_ext.errors import UsageError
from clipcap_ext.hub.removal import Removal, is_downloaded, plan_removal
from clipcap_ext.service.model_facts import MEMORY_BYTES, architecture_of, memory_of
from clipcap_ext.service.standalone import StandaloneHost

EXAMPLES = """examples:
  python -m clipcap_ext models --models-dir runs
  python -m clipcap_ext models --remove clipcap-flickr8k-gradient      # also ViT-L-14/openai, a CLIP alone"""


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Enter the command."""
    parser = commands.add_parser(
        "models", help="list the models there are", epilog=EXAMPLES,
        description="List the bundled models, those in the models folder and those to download: name, "
        "state, kind, encoder, size, scores and place; and what was refused there, with the reason.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add_models_dir(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument(
        "--remove", metavar="NAME", help="delete a downloaded model, or a CLIP as MODEL/TAG, once you agree"
    )
    parser.add_argument("--yes", action="store_true", help="agree beforehand to what --remove deletes")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, streams: Streams) -> int:
    """One model a line; 0, and 1 if there is none."""
    folder = StandaloneHost(models_dir=args.models_dir).models_dir
    if args.remove:
        return remove(plan_removal(args.remove, folder), args.yes, streams)
    entries = list_models(folders=[folder])
    records = [describe(entry, folder) for entry in entries] + [
        to_fetch(model) for model in list_to_fetch(folders=[folder])
    ]
    for record in records:
        streams.result(json.dumps(record, ensure_ascii=False) if args.json else _line(record, folder))
    streams.say(f"{len(entries)} models; further ones are looked for in {folder}")
    return 0 if entries else 1


def remove(removal: Removal, agreed: bool, streams: Streams) -> int:
    """Say what would go, and delete it if whoever asks agrees; 0 deleted, 1 not. UsageError where nobody can
    be asked."""
    count = f"{len(removal.files)} file{'s' * (len(removal.files) != 1)}"
    streams.say(
        f"{removal.name}: {count}, {removal.size / 1e6:.1f} MB, downloaded from {removal.repo}, in "
        f"{removal.folder}"
    )
    for path in removal.kept:
        streams.say(f"{path} was not downloaded and stays.")
    if removal.clip:
        how = command_for(f"models --remove {removal.clip}", folders=[removal.models_dir])
        streams.say(f"CLIP {removal.clip} ({removal.clip_size / 1e6:.1f} MB) stays, for other models: {how}")
    answer = agreed or streams.ask("Remove it from this disk?")
    if answer is None:
        raise UsageError("Nothing is removed, for nobody is there to agree to it: add --yes to the command.")
    if not answer:
        streams.say("Nothing is removed.")
        return 1
    freed = removal.carry_out()
    streams.say(f"{removal.name} is removed, {freed / 1e6:.1f} MB are free again")
    return 0


def describe(entry: ModelEntry, models_dir: Path) -> dict[str, Any]:
    """What is known of a model without loading it. state: bundled, downloaded, own, file, or refused."""
    about: dict[str, Any] = {
        "name": entry.name,
        "state": _state(entry, models_dir),
        "folder": str(entry.folder),
        "bytes": entry.size,
    }
    if entry.config is None or entry.problem:
        return about | {"problem": entry.problem}
    encoder, memory = entry.config.encoder, memory_of(entry)
    through = " ".join(filter(None, (encoder.model, encoder.pretrained))) if encoder else ""
    own = {"architecture": architecture_of(entry), "memory_bytes": memory} if memory else {}
    return about | own | {
        "kind": entry.config.kind, "encoder": through,
        "precision": entry.config.decoding_options().precision,
        "ready": is_ready(entry, folders=[models_dir]),
        "trained_on": entry.config.training.get("data", ""), "terms": entry.config.training.get("terms", ""),
        "scores": [dict(row) for row in entry.config.scores],
    }  # fmt: skip


def to_fetch(model: PublishedModel) -> dict[str, Any]:
    """What is known of a published model that is not here. state: to download, by hand, or refused."""
    encoder = f"{model.encoder.model} {model.encoder.pretrained}" if model.encoder else ""
    problem, memory = problem_to_fetch(model), MEMORY_BYTES * model.weights
    state = "refused" if problem else "to download" if model.repo else "by hand"
    about: dict[str, Any] = {
        "name": model.name, "state": state, "repo": model.repo,
        "bytes": model.size, "kind": model.kind, "encoder": encoder, "licence": model.licence,
        "terms": model.terms, "purpose": model.purpose,
    }  # fmt: skip
    return about | ({"memory_bytes": memory} if memory else {}) | ({"problem": problem} if problem else {})


def _state(entry: ModelEntry, models_dir: Path) -> str:
    if entry.config is None or entry.problem:
        return "refused"
    if entry.folder.parent == BUNDLED:
        return "bundled"
    return "file" if entry.file is not None else "downloaded" if is_downloaded(entry, models_dir) else "own"


def _line(record: dict[str, Any], models_dir: Path) -> str:
    name, megabytes = f"{record['name']:<26}", f"{record['bytes'] / 1e6:.1f} MB"
    if "problem" in record:
        return f"{name}  cannot be used: {record['problem']}"
    if "repo" in record:
        size = f"; about {record['bytes'] / 1e6:.0f} MB" if record["bytes"] else ""
        by_hand = "its file has to be fetched by hand"
        how = command_for(f"download {record['name']}", folders=[models_dir]) if record["repo"] else by_hand
        return f"{name}  {record['state']}; {record['purpose'] or record['repo']}{size}; {how}"
    lacks = f"; its encoder is missing: {command_for('download ' + record['name'], folders=[models_dir])}"
    state = {"file": "a file, made into a folder on first use"}.get(record["state"], record["state"])
    parts = [state + ("" if record["ready"] else lacks), record["kind"]]
    if "architecture" in record:
        memory = f"{record['memory_bytes'] / 1e6:.1f} MB of memory on a CPU"
        parts += [record["architecture"], megabytes, memory]
    else:
        parts += [f"on {record['encoder']}", megabytes]
    parts += [f"trained on {record['trained_on']}"] if record["trained_on"] else []
    parts += [_scores(row) for row in record["scores"][:1]]
    return f"{name}  {'; '.join(parts)}\n{'':<26}  {record['folder']}"


def _scores(row: dict[str, Any]) -> str:
    values = row.get("values", {})
    shown = ", ".join(
        f"{name} {value:.3f}" for name, value in values.items() if isinstance(value, (int, float))
    )
    return f"{shown} ({row.get('signature', 'no signature')})"
