"""A caption as comma tags, alone or behind its sentence: "a woman in a red coat, snow, night"; text alone, no
picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from clipcap_ext.caption_text import plain_caption
from clipcap_ext.engine.judging.grammar import NAMING, Role, read_tokens
from clipcap_ext.errors import UsageError

SENTENCE, TAGS, BOTH = FORMS = ("sentence", "tags", "sentence+tags")


def check_form(form: str) -> None:
    """UsageError for what is none of FORMS."""
    if form not in FORMS:
        raise UsageError(f"The form must be one of {', '.join(FORMS)}, not {form!r}.")


def in_form(caption: str, keywords: Sequence[str] = (), form: str = SENTENCE) -> str:
    """A caption in one of FORMS; its tags are `keywords`, where the model has any, else its own words of
    meaning. No word is said twice, in the singular or the plural: of "soccer ball" behind "a ball" nothing is
    left, of "red ball" and "red hat" the hat alone is. A sentence without any keyword stays as it is.
    Keywords that stand in the caption with commas between, as a tagger's do, are its tags to the letter."""
    check_form(form)
    sentence = plain_caption(caption)
    if form == SENTENCE:
        return sentence
    if keywords and set(keywords) <= {part.strip() for part in sentence.split(",")}:
        return ", ".join(keywords) if form == TAGS else sentence.rstrip(" ,")
    tags = list(keywords) or (own_tags(sentence) if form == TAGS else [])
    if form == TAGS:
        return ", ".join(_fresh(tags, ())) or sentence
    return ", ".join(filter(None, (sentence.rstrip(" ,"), *_fresh(tags, _words(sentence)))))


def own_tags(sentence: str) -> list[str]:
    """The nouns of a sentence with their adjectives, and its verbs, in their order."""
    tags: list[str] = []
    before = Role.MARK
    for token in read_tokens(sentence):
        if token.role in NAMING and before in NAMING:
            tags[-1] += f" {token.text}"
        elif token.role in NAMING or token.role is Role.VERB:
            tags.append(token.text)
        before = token.role
    return tags


def _fresh(tags: Iterable[str], said: Iterable[str]) -> list[str]:
    """The tags less what is said already, by `said` or by a tag before; one whose last word is said is left
    out."""
    stems, kept = {_stem(word) for word in said}, []
    for tag in tags:
        words = tag.split()
        if not words or _stem(words[-1]) in stems:
            continue
        fresh: dict[str, str] = {}
        for word in words:
            if _stem(word) not in stems:
                fresh.setdefault(_stem(word), word)
        kept.append(" ".join(fresh.values()))
        stems |= fresh.keys()
    return kept


def _words(text: str) -> list[str]:
    return [token.text for token in read_tokens(text)]


def _stem(word: str) -> str:
    """The singular, near enough to compare: dogs, dog; boxes, box; buses, bus."""
    word = word.lower().strip(".,;:!?")
    for end in ("es", "s"):
        if word.endswith(end) and len(word) > len(end) + 2:
            return word.removesuffix(end).removesuffix("e")
    return word.removesuffix("e") if len(word) > 3 else word
