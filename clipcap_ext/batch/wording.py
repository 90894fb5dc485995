"""What is written for a caption: prefix, suffix, trigger word, and how it meets a text that is already there.

Not a file format: it turns strings into strings.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clipcap_ext.engine.judging.tags import SENTENCE, check_form, in_form
from clipcap_ext.errors import UsageError

POLICIES = ("skip", "overwrite", "append", "prepend", "only-empty")
ADDING = ("append", "prepend")  # those that keep the text that is there
_BEGINS, _ENDS = tuple(",.;:!?)"), tuple(",.;:!?")  # what needs no comma before it, and behind it
_REPEATS = re.compile(r"^\d+_(?=.)")  # kohya's folders: 10_rex dog


def bare(text: str | None) -> str:
    """A text file's words: no byte order mark, no blank around them."""
    return (text or "").removeprefix("\ufeff").strip()


def joined(first: str, second: str, separator: str = ", ") -> str:
    """Two texts with `separator` between them, or a blank where the first already ends in punctuation."""
    first, second = first.strip(), second.strip()
    if not first or not second:
        return first or second
    if second.startswith(_BEGINS):
        return first + second
    return first + (" " if first.endswith(_ENDS) else separator) + second


def writable(text: str) -> str:
    """`text` with U+FFFD for what UTF-8 has no bytes for: half an emoji, a file name that is not UTF-8."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


@dataclass(frozen=True)
class Wording:
    """How captions are dressed. `{name}` and `{folder}` in the three texts stand for the picture's own (the
    folder's without kohya's repeats, `10_`).

    policy: what happens where a caption already exists (one of POLICIES). form: one of FORMS, see `in_form`.
    """

    policy: str = "skip"
    prefix: str = ""
    suffix: str = ""
    trigger: str = ""
    form: str = SENTENCE

    def __post_init__(self) -> None:
        if self.policy not in POLICIES:
            raise UsageError(f"The policy must be one of {', '.join(POLICIES)}, not {self.policy!r}.")
        check_form(self.form)

    def compose(self, caption: str, image: Path, old: str | None = None, keywords: Sequence[str] = ()) -> str:
        """The text for `image`; `old` is the one it has, `keywords` what the model saw. The trigger word
        comes first, and what is added is added once."""
        prefix, suffix, trigger = (_filled(text, image) for text in (self.prefix, self.suffix, self.trigger))
        text = joined(joined(prefix, in_form(caption, keywords, self.form), " "), suffix, " ")
        before = _without_trigger(bare(old), trigger)
        if self.policy == "append" and joined(before.removesuffix(text), text) != before:
            text = joined(before, text)
        elif self.policy == "prepend" and joined(text, before.removeprefix(text)) != before:
            text = joined(text, before)
        elif self.policy in ADDING:
            text = before
        return writable(_with_trigger(text, trigger))


def _filled(template: str, image: Path) -> str:
    folder = _REPEATS.sub("", Path(os.path.abspath(image)).parent.name)
    own = {"{name}": image.stem, "{folder}": folder}
    return re.sub(r"\{(?:name|folder)\}", lambda match: own[match[0]], template).strip()


def _begins_with(text: str, trigger: str) -> bool:
    """Whether `trigger` is the first word, or words, of `text`, in capitals or not."""
    rest = text[len(trigger) :]
    return text[: len(trigger)].lower() == trigger.lower() and not (rest[:1].isalnum() or rest[:1] == "_")


def _with_trigger(text: str, trigger: str) -> str:
    """`text` with the trigger word first; where it begins with it, as in "a man in a hat", nothing is
    doubled."""
    if trigger and _begins_with(text, trigger):
        return trigger + text[len(trigger) :]
    return joined(trigger, text)


def _without_trigger(text: str, trigger: str) -> str:
    """`text` less a leading trigger word that a comma ends; one that a sentence goes on from stays."""
    rest = text[len(trigger) :].lstrip()
    if trigger and text.startswith(trigger) and rest[:1] in ("", ","):
        return rest.lstrip(" ,")
    return text
