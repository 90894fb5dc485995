"""The command line of a stand-in row of the reproduction's tests; not a test."""

from __future__ import annotations

from pathlib import Path


def words(drawn: Path, bpe: Path, out: Path, *more: str) -> list[str]:
    """The Flickr8k table of the data set `drawn`, with GPT-2's BPE from `bpe`, into `out`."""
    given = [
        "--table",
        "flickr8k",
        "--data",
        str(drawn),
        "--out",
        str(out),
        "--stand-in",
        "--gpt2-bpe",
        str(bpe),
    ]
    return [*given, *more]
