"""What is written for a caption: prefix, suffix, trigger word, and how it meets a text that is already there.

Not a file format: it turns strings into strings.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from clipcap_ext.errors import UsageError

POLICIES = ("skip", "overwrite", "append", "prepend", "only-empty")
_CLOSING = tuple(",.;:!?)")


def plain_caption(text: str) -> str:
    """A caption as people write it: the model's closing " ." is left out."""
    return " ".join(text.split()).removesuffix(".").rstrip()


def bare(text: str | None) -> str:
    """A text file's words: no byte order mark, no blank around them."""
    return (text or "").removeprefix("\ufeff").strip()


def joined(first: str, second: str, separator: str = ", ") -> str:
    """Two texts with `separator` between them, or a blank where the first already ends in punctuation."""
    first, second = first.strip(), second.strip()
    if not first or not second:
        return first or second
    if second.startswith(_CLOSING):
        return first + second
    return first + (" " if first.endswith(_CLOSING) else separator) + second


@dataclass(frozen=True)
class Wording:
    """How captions are dressed; `{name}` and `{folder}` in the three texts stand for the picture's own.

    policy: what happens where a caption already exists (one of POLICIES).
    """

    policy: str = "skip"
    prefix: str = ""
    suffix: str = ""
    trigger: str = ""

    def __post_init__(self) -> None:
        if self.policy not in POLICIES:
            raise UsageError(f"The policy must be one of {', '.join(POLICIES)}, not {self.policy!r}.")

    def compose(self, caption: str, image: Path, old: str | None = None) -> str:
        """The text for `image`; `old` is the one it has. The trigger word comes first, and once."""
        prefix, suffix, trigger = (_filled(text, image) for text in (self.prefix, self.suffix, self.trigger))
        text = joined(joined(prefix, plain_caption(caption), " "), suffix, " ")
        before = _without_trigger(bare(old), trigger)
        if self.policy == "append":
            text = joined(before, text)
        elif self.policy == "prepend":
            text = joined(text, before)
        return joined(trigger, _without_trigger(text, trigger))


def _filled(template: str, image: Path) -> str:
    return template.replace("{name}", image.stem).replace("{folder}", image.parent.name).strip()


def _without_trigger(text: str, trigger: str) -> str:
    """`text` less a leading trigger word and the comma or blank after it."""
    if not trigger or not text.startswith(trigger):
        return text
    rest = text[len(trigger) :]
    return rest.lstrip(" ,") if not rest or rest[0] in " ," else text
