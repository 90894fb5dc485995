"""The protocols' texts: a table for each, and the PTB tokenizer against the toolkit's own wrapper."""

from __future__ import annotations

import pytest

from clipcap_ext.errors import ScoringError
from clipcap_ext.metrics.protocols import cut_at_full_stop, get_protocol, plain_words, raw_lower
from clipcap_ext.metrics.ptb import ptb_tokenize

TEXTS = [
    "A dog runs .",
    "Two men, one in red; isn't it?",
    'The man\'s T-shirt says "U.S."',
    "He paid 3.50 for a half-eaten hot dog...",
    "a dog (brown) runs -- fast!",
    "café naïve “quoted” it’s",
    "  spaces \t and\nlines  ",
    "...",
    "",
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A dog runs .", "a dog runs ."),
        ("A dog runs. And a cat.", "a dog runs ."),
        ("a  dog\nruns", "a dog runs ."),
        ("The U.S. flag", "the u ."),
        (".", "."),
        ("", "."),
    ],
)
def test_the_papers_hypothesis_is_cut(text: str, expected: str) -> None:
    assert cut_at_full_stop(text) == expected


def test_the_papers_reference_is_raw() -> None:
    assert raw_lower(" A man's  T-shirt , red .\r\nAnd more . ") == "a man's  t-shirt , red . and more ."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A dog runs .", "a dog runs"),
        ("Two men, one in red; isn't it?", "two men one in red is n't it"),
        ("The man's T-shirt", "the man 's t-shirt"),
        ("can’t won't 'quoted'", "ca n't wo n't quoted"),
        ("...", ""),
    ],
)
def test_plain_words(text: str, expected: str) -> None:
    assert plain_words(text) == expected


def test_unknown_protocol() -> None:
    with pytest.raises(ScoringError, match="known: standard, paper, words"):
        get_protocol("coco")


@pytest.mark.java
def test_ptb_tokens_are_the_toolkits() -> None:
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    asked = {number: [{"caption": text}] for number, text in enumerate(TEXTS)}
    toolkit = PTBTokenizer().tokenize(asked)
    # The wrapper reads Java's answer in the locale's encoding, so plain ASCII only is compared.
    ours = ptb_tokenize(TEXTS)
    assert len(ours) == len(TEXTS)
    for number, text in enumerate(TEXTS):
        if text.isascii() and text.strip():
            assert ours[number] == toolkit[number][0], text
    assert ours[5].startswith("café naïve") and ours[-2:] == ["", ""]


@pytest.mark.java
@pytest.mark.parametrize("locale", ["C", "POSIX", "tr_TR.UTF-8"])
def test_ptb_does_not_depend_on_the_locale(locale: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", locale)
    monkeypatch.setenv("LANG", locale)
    assert ptb_tokenize(["É INDIAN café 犬"]) == ["é indian café 犬"]


@pytest.mark.java
def test_ptb_writes_nothing_beside_the_toolkit() -> None:
    from clipcap_ext.metrics.java import toolkit_file

    folder = toolkit_file("tokenizer/ptbtokenizer.py").parent
    before = folder.stat().st_mtime_ns
    ptb_tokenize(["A dog runs ."])
    assert folder.stat().st_mtime_ns == before


@pytest.mark.java
@pytest.mark.slow
def test_plain_words_are_near_to_ptb_tokens(shared_data) -> None:
    rows = (shared_data / "flickr8k" / "Flickr8k.token.txt").read_text(encoding="utf-8").splitlines()[::20]
    captions = [row.split("\t")[1] for row in rows]
    same = sum(plain_words(text) == ptb for text, ptb in zip(captions, ptb_tokenize(captions), strict=True))
    assert same / len(captions) > 0.98
