"""The command `models`: what can be asked for by name; it loads none of them."""

from __future__ import annotations

import argparse
import json
from typing import Any

from clipcap_ext.cli.models_in_use import add_models_dir
from clipcap_ext.cli.streams import Streams
from clipcap_ext.engine.catalog import ModelEntry, list_models
from clipcap_ext.webui.hosts.standalone import StandaloneHost

EXAMPLES = """example:
  python -m clipcap_ext models --models-dir runs"""


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Enter the command."""
    parser = commands.add_parser(
        "models", help="list the models there are", epilog=EXAMPLES,
        description="List the bundled models and those in the models folder: name, kind, encoder, size, scores, place.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add_models_dir(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, streams: Streams) -> int:
    """One model a line; 0, and 1 if there is none."""
    folder = StandaloneHost(models_dir=args.models_dir).models_dir
    entries = list_models(folder)
    for entry in entries:
        record = describe(entry)
        streams.result(json.dumps(record, ensure_ascii=False) if args.json else _line(record))
    streams.say(f"{len(entries)} models; further ones are looked for in {folder}")
    return 0 if entries else 1


def describe(entry: ModelEntry) -> dict[str, Any]:
    """What is known of a model without loading it."""
    about: dict[str, Any] = {"name": entry.name, "folder": str(entry.folder), "bytes": entry.size}
    if entry.config is None:
        return about | {"problem": entry.problem}
    encoder = entry.config.encoder
    return about | {
        "kind": entry.config.kind, "encoder": " ".join(filter(None, (encoder.model, encoder.pretrained))),
        "trained_on": entry.config.training.get("data", ""), "terms": entry.config.training.get("terms", ""),
        "scores": [dict(row) for row in entry.config.scores],
    }  # fmt: skip


def _line(record: dict[str, Any]) -> str:
    name, megabytes = f"{record['name']:<24}", f"{record['bytes'] / 1e6:.1f} MB"
    if "problem" in record:
        return f"{name}  cannot be used: {record['problem']}"
    parts = [record["kind"], f"on {record['encoder']}", megabytes]
    parts += [f"trained on {record['trained_on']}"] if record["trained_on"] else []
    parts += [_scores(row) for row in record["scores"][:1]]
    return f"{name}  {'; '.join(parts)}\n{'':<24}  {record['folder']}"


def _scores(row: dict[str, Any]) -> str:
    values = row.get("values", {})
    shown = ", ".join(f"{name} {value:.3f}" for name, value in values.items() if isinstance(value, (int, float)))
    return f"{shown} ({row.get('signature', 'no signature')})"
