"""KeywordSelector: SBG's hierarchy, from image features to keywords; pure ranking over label tables, no
language model.

Where the published notebook and the published extension differ, the notebook is followed, since the weights
were
trained on its keywords: the weather is skipped if the *hierarchy* (not the bank's words) said "indoor". Of
two equal texts the hierarchy's counts, so that it keeps its facet. A group without labels gives its own name
only. The best label of an activity group is said, the group is not. Occupations are all labels of the human
facet, without a limit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from clipcap_ext.caption import Keyword
from clipcap_ext.engine.clip.similarity import nearest_first
from clipcap_ext.engine.concepts.evidence import Evidence, EvidenceConfig, strongest
from clipcap_ext.engine.sbg.constants import SelectionConstants
from clipcap_ext.engine.sbg.label_table import LabelTable, build_table
from clipcap_ext.engine.sbg.labels import LabelBank
from clipcap_ext.engine.sbg.tree import Answer, Branch, KeywordTree

if TYPE_CHECKING:
    from clipcap_ext.engine.clip.encoder import ClipEncoder

SHARES = 2.0**32  # steps in which the likeliest answer's weight is counted
SLACK = 1e-6  # a summed share that passes by no more has not passed: last digits differ between processors
SHOWN = 5  # answers of a question that a tree keeps at least
# subject -> (facet of the keywords, facet of the taxonomy); people have questions of their own
BRANCHES = {
    "landscape": ("scene", "scenery"),
    "animal": ("animal", "animal"),
    "plant": ("plant", "plant"),
    "some object": ("object", "object"),
}
PEOPLE, ANIMAL, WORD, CONCEPT = "people", "animal", "word", "concept"
Look = Mapping[str, np.ndarray]  # template -> one image's cosines with that template's table (L,)


@dataclass(frozen=True)
class Question:
    """Labels to be ranked in one template, with their rows in its table."""

    template: str
    labels: tuple[str, ...]
    rows: np.ndarray


class KeywordSelector:
    """Chooses keywords for images by the hierarchy; `tables` holds one LabelTable for each template."""

    def __init__(
        self, bank: LabelBank, tables: Mapping[str, LabelTable], constants: SelectionConstants,
        concepts: Sequence[str] = (),
    ) -> None:  # fmt: skip
        """concepts: the words whose probabilities stand last in image features; none are looked at
        without."""
        self.bank = bank
        self.constants = constants
        self._tables = dict(tables)
        self._concepts = tuple(concepts)
        self._questions = {
            name: Question(template, labels, self._tables[template].rows(labels))
            for name, (template, labels) in questions(bank, constants).items()
        }
        self._sets = {" and ".join(subjects): subjects for subjects in constants.subject_sets()}

    @classmethod
    def build(
        cls, encoder: ClipEncoder, bank: LabelBank, constants: SelectionConstants | None = None,
        cache: Path | None = None,
    ) -> KeywordSelector:  # fmt: skip
        """Encode every text the hierarchy may ask for, or find them in the folder `cache`."""
        constants = constants or SelectionConstants()
        wanted: dict[str, list[str]] = {constants.bare: []}
        for template, labels in questions(bank, constants).values():
            wanted.setdefault(template, []).extend(labels)
            wanted[constants.bare].extend(labels)
        concepts = encoder.concept_words if constants.concepts_low else ()
        wanted[constants.bare].extend(concepts)
        tables = {
            template: build_table(encoder, labels, template, cache) for template, labels in wanted.items()
        }
        return cls(bank, tables, constants, concepts)

    def select(self, image_features: Tensor) -> list[tuple[Keyword, ...]]:
        """Image features (B, clip_dim) -> each image's keywords, nearest to the image first."""
        return [tree.keywords for tree in self.trees(image_features)]

    def trees(self, image_features: Tensor) -> list[KeywordTree]:
        """Image features (B, clip_dim) -> each image's keywords with all that led to them."""
        cosines = {template: table.similarities(image_features) for template, table in self._tables.items()}
        seen = self._seen(image_features)
        return [
            self._tree({name: rows[i] for name, rows in cosines.items()}, seen[i])
            for i in range(len(image_features))
        ]

    def _seen(self, image_features: Tensor) -> list[tuple[Evidence, ...]]:
        if not self._concepts:
            return [()] * len(image_features)
        low = self.constants.concepts_low
        config = EvidenceConfig(most=self.constants.concepts_most, low=low, likely=low, sure=1.0)
        return strongest(image_features[:, -len(self._concepts) :], self._concepts, config)

    def _concept_branch(self, look: Look, seen: Sequence[Evidence]) -> Branch:
        """What the classifier saw: a facet of its own, each word with its probability."""
        least = f"{self.constants.concepts_low:g}"
        reason = f"the encoder's classifier saw it with a probability of {least} or more"
        if not seen:
            reason = f"the encoder's classifier saw nothing with a probability of {least}"
            return Branch(CONCEPT, False, reason)
        words = tuple(evidence.word for evidence in seen)
        table = self._tables[self.constants.bare]
        cosines = look[self.constants.bare][table.rows(words)].tolist()
        answers = tuple(
            Answer(evidence.word, cosine, evidence.probability, True)
            for evidence, cosine in zip(seen, cosines, strict=True)
        )
        return Branch(CONCEPT, True, reason, groups=answers, keywords=words)

    def _tree(self, look: Look, seen: Sequence[Evidence]) -> KeywordTree:
        subjects = self._ask(look, "subjects", 1)
        best = self._sets[subjects[0].text]
        # The order of the questions is the published one, and it decides. The weather comes behind the
        # scenes, for "indoor" among their keywords silences it. Of equal texts the first facet counts, so
        # what the classifier saw comes first and the bank's words last. The prompt has another order:
        # `_final` ranks all anew, as bare words.
        branches = [self._concept_branch(look, seen)] if self._concepts else []
        branches += self._subject_branches(look, best)
        scene = {text for branch in branches for text in branch.keywords}
        branches += [self._time(look), self._weather(look, scene), self._activity(look, best)]
        words = self._words(look)
        chosen = [(text, branch.facet) for branch in branches for text in branch.keywords]
        chosen += [(answer.text, WORD) for answer in words if answer.taken]
        return KeywordTree(subjects, tuple(branches), words, self._final(look, chosen))

    def _subject_branches(self, look: Look, best: Sequence[str]) -> list[Branch]:
        branches: list[Branch] = []
        for subject in self.constants.subjects:
            opened = subject in best or subject in self.constants.always
            reason = self._reason(subject, best)
            if subject == PEOPLE:
                branches += self._people(look, opened, reason)
            elif opened:
                branches.append(self._group(look, subject, reason))
            else:
                branches.append(Branch(BRANCHES[subject][0], False, reason))
        return branches

    def _reason(self, subject: str, best: Sequence[str]) -> str:
        sentence = self.constants.picture.format(" and ".join(best))
        if subject in self.constants.always:
            return "asked for every image"
        return f'the best subject sentence is "{sentence}"' + (
            "" if subject in best else f", without {subject}"
        )

    def _group(self, look: Look, subject: str, reason: str) -> Branch:
        facet, name = BRANCHES[subject]
        taken = self.constants.animal_keywords if subject == ANIMAL else self.constants.group_keywords
        groups = self._ask(look, name, 1)
        if not groups:
            return Branch(facet, True, f"{reason}; the taxonomy has no groups here", self.constants.picture)
        labels = self._ask(look, f"{name}/{groups[0].text}", taken)
        return Branch(
            facet, True, reason, self.constants.picture, groups, labels, (groups[0].text, *_taken(labels))
        )

    def _people(self, look: Look, opened: bool, reason: str) -> list[Branch]:
        asked = {
            "people": self.constants.picture,
            "occupation": self.constants.picture,
            "clothing": self.constants.wearing,
        }
        if not opened:
            return [Branch(facet, False, reason) for facet in asked]
        answers = {facet: self._ask(look, facet, 1) for facet in asked}
        return [
            Branch(facet, True, reason, question, answers[facet], keywords=_taken(answers[facet]))
            for facet, question in asked.items()
        ]

    def _time(self, look: Look) -> Branch:
        groups = self._ask(look, "time", 1)
        return Branch(
            "time", True, "asked for every image", self.constants.during, groups, keywords=_taken(groups)
        )

    def _weather(self, look: Look, scene: set[str]) -> Branch:
        indoor = self.constants.indoor
        if indoor in scene:
            return Branch("weather", False, f'the scene is "{indoor}"')
        groups = self._ask(look, "weather", 1)
        reason = f'the scene is not "{indoor}"'
        return Branch("weather", True, reason, self.constants.during, groups, keywords=_taken(groups))

    def _activity(self, look: Look, best: Sequence[str]) -> Branch:
        actors = [subject for subject in (PEOPLE, ANIMAL) if subject in best]
        if not actors:
            return Branch("activity", False, "the best subject sentence has neither people nor an animal")
        reason = f"the best subject sentence has {' and '.join(actors)}"
        groups = self._ask(look, "activity", 1)
        labels = (
            self._ask(look, f"activity/{groups[0].text}", self.constants.activity_keywords) if groups else ()
        )
        return Branch("activity", True, reason, self.constants.activity, groups, labels, _taken(labels))

    def _words(self, look: Look) -> tuple[Answer, ...]:
        """The bank's words whose summed probability just passes words_probability, the one that passes it
        included."""
        question = self._questions["words"]
        order, cosines, shares = self._rank(look, question)
        passed = np.cumsum(shares[order]) > self.constants.words_probability + SLACK
        count = int(passed.argmax()) + 1 if passed.any() else len(order)
        count = min(count, self.constants.words_most or count)
        return _answers(question, order, cosines, shares, count)

    def _final(self, look: Look, chosen: Sequence[tuple[str, str]]) -> tuple[Keyword, ...]:
        """All keywords once more against the image, as bare words; equal texts once, the first facet kept.
        What the classifier saw stands in front."""
        facets: dict[str, str] = {}
        for text, facet in chosen:
            facets.setdefault(text, facet)
        table = self._tables[self.constants.bare]
        cosines = look[self.constants.bare][table.rows(list(facets))]
        keywords = [
            Keyword(text, facet, float(cosine))
            for (text, facet), cosine in zip(facets.items(), cosines, strict=True)
        ]
        near = [keywords[i] for i in nearest_first(cosines)]
        return tuple(sorted(near, key=lambda keyword: keyword.facet != CONCEPT))

    def _ask(self, look: Look, name: str, taken: int) -> tuple[Answer, ...]:
        question = self._questions[name]
        return _answers(question, *self._rank(look, question), taken)

    def _rank(self, look: Look, question: Question) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The order of the labels, nearest first and ties as listed, with their cosines and softmax
        shares."""
        cosines = look[question.template][question.rows]
        weights = np.exp(self.constants.logit_scale * (cosines - cosines.max(initial=-1.0)))
        whole = np.rint(weights * SHARES)  # an exponential's last digit differs between processors
        return nearest_first(cosines), cosines, whole / max(whole.sum(), 1.0)


def questions(bank: LabelBank, constants: SelectionConstants) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Every question the hierarchy may ask: name -> (template, labels)."""
    asked = {
        "words": (constants.bare, bank.words(constants.words_pos, constants.words_limit)),
        "subjects": (constants.picture, tuple(map(" and ".join, constants.subject_sets()))),
        "people": (constants.picture, constants.people()),
        "occupation": (constants.picture, bank.members("human")),
        "clothing": (constants.wearing, constants.clothes()),
        "time": (constants.during, tuple(bank.groups("time"))),
        "weather": (constants.during, tuple(bank.groups("weather"))),
    }
    for facet in (*(taxonomy for _, taxonomy in BRANCHES.values()), "activity"):
        template = constants.activity if facet == "activity" else constants.picture
        left_out = constants.object_groups_left_out if facet == "object" else ()
        groups = {group: labels for group, labels in bank.groups(facet).items() if group not in left_out}
        asked[facet] = (template, tuple(groups))
        for group, labels in groups.items():
            asked[f"{facet}/{group}"] = (template, labels[: constants.group_limit])
    return asked


def _answers(
    question: Question, order: np.ndarray, cosines: np.ndarray, shares: np.ndarray, taken: int
) -> tuple[Answer, ...]:
    return tuple(
        Answer(question.labels[i], float(cosines[i]), float(shares[i]), place < taken)
        for place, i in enumerate(order[: max(SHOWN, taken)])
    )


def _taken(answers: Sequence[Answer]) -> tuple[str, ...]:
    return tuple(answer.text for answer in answers if answer.taken)
