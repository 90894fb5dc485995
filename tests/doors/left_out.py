"""The printed commands that are not run as they are printed, each with its reason; not a test.

Every one of this package's is still read by the door's own parser, so a flag, a preset, an option or a row
that does not exist fails. An entry that no page prints any more fails.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

FULL_SIZE = "full-size CLIP and GPT-2, and hours"
ROWS = "tests/reproduce/test_every_row.py runs each behind a smoke run's settings"


@dataclass(frozen=True)
class LeftOut:
    """Commands that `pattern` matches whole. short: what is typed behind, and then they are run."""

    pattern: str
    reason: str
    short: str = ""

    def holds(self, command: str) -> bool:
        """Whether a command is meant."""
        return re.fullmatch(self.pattern, command) is not None


LONG = "minutes at the least, where a batch is full"
ONE_EPOCH = "--set epochs=1 --set batch_size=8 --set validate_images=2"

LEFT_OUT = (
    LeftOut(r"make .*", "a door of the checkout, not of the package; the Makefile must have it"),
    LeftOut(r"bash \.ci/run", "it is what runs this"),
    LeftOut(r"pip install .*", "it asks the net; the package's own extras are looked up"),
    LeftOut(r"hf (download|auth) .*", "it asks the net; the command is huggingface_hub's own"),
    LeftOut(r"python -m accelerate\.commands\.launch --multi_gpu .*", "two graphics cards"),
    LeftOut(r"python -m clipcap_ext\.train .* --set lm=.*", f"{FULL_SIZE}, and a language model's folder"),
    LeftOut(r"torchrun .*", f"{FULL_SIZE}, on tars that are fetched"),
    LeftOut(r"python -m clipcap_ext\.corpus features .*", f"{FULL_SIZE}, on pictures that are fetched"),
    LeftOut(r"python -m clipcap_ext\.train (flickr8k-gradient|conceptual-captions) .*", FULL_SIZE),
    LeftOut(r"python -m clipcap_ext\.train tiny-.* --out runs/tiny(-[a-z]+)?( .*)?", LONG, ONE_EPOCH),
    LeftOut(r"python -m clipcap_ext\.train sbg-tiny .*", LONG, ONE_EPOCH),
    LeftOut(r"python -m clipcap_ext\.train --resume .*", "a run of the line before, which is left out"),
    LeftOut(r"python -m clipcap_ext\.train tiny-.*", LONG),
    LeftOut(
        r"python tools/average_weights\.py .*runs/tiny-flickr8k[/-].*",
        "what the lines before train; those of docs/training.md are run",
    ),
    LeftOut(
        r"python -m clipcap_ext caption .* --model runs/(encoder/)?tiny-flickr8k-.* > .*",
        "what the lines before train; those of docs/training.md are run",
    ),
    LeftOut(r"python -m clipcap_ext\.reproduce .*--stand-in.*", f"hours of training; {ROWS}"),
    LeftOut(r"python -m clipcap_ext\.reproduce (?!.*--stand-in).*", f"{FULL_SIZE}; {ROWS}"),
    LeftOut(r"python -m clipcap_ext publish .* --push", "it pushes; tests/hub/test_publishing.py does"),
    LeftOut(r"python -m clipcap_ext\.labels build .*", "spaCy's English pipeline and WordNet"),
)


def left_out(command: str) -> LeftOut | None:
    """Why a command is left out; None if it is run as it is printed."""
    return next((one for one in LEFT_OUT if one.holds(command)), None)
