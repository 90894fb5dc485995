"""The decoding form: what can act, what it means, and that nothing it can hold is refused by the engine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipcap_ext.batch.folder import note_of
from clipcap_ext.caption import DecodingOptions
from clipcap_ext.decoding_option import STRATEGIES, DecodingOption
from clipcap_ext.engine.image_to_text.lacking import LACKING
from clipcap_ext.webui.decoding_controls import STRATEGY, DecodingForm, most_candidates, rows


def what_a_control_holds(option: DecodingOption) -> st.SearchStrategy[Any]:
    if option.control.own_words:
        return st.sampled_from([*option.control.names, "What is in it?"])
    if option.choices:
        return st.sampled_from(option.choices)
    low, high = option.control.low, option.control.high
    if low is None or high is None:
        return st.integers(-1, 99)
    whole = isinstance(option.start, int)
    return st.integers(int(low), int(high)) if whole else st.floats(low, high)


FORMS = st.fixed_dictionaries(
    {
        STRATEGY: st.sampled_from(STRATEGIES),
        **{name: what_a_control_holds(option) for name, option in DecodingOptions.table().items()},
    }
).map(DecodingForm.of_values)
START = DecodingForm.start()
TABLE = DecodingOptions.table()
VARIED = {"diversity": START.values["diversity"]}


def form(**values: Any) -> DecodingForm:
    return DecodingForm.of_values({**START.values, **values})


@given(FORMS)
def test_a_folder_s_journal_notes_a_form_as_the_terminal_does(form: DecodingForm) -> None:
    """What a form means is the same each time, and what the flags of the same decoding mean."""
    note = note_of("a", form.lasting())
    assert note == note_of("a", form.lasting())
    again = DecodingForm.of(form.lasting())
    assert note_of("a", again.lasting()) == note
    drawn = form.options(one=True)
    assert replace(drawn, seed=form.lasting().seed) == form.lasting()


@pytest.mark.parametrize("options", [DecodingOptions(), DecodingOptions(num_beams=3, length_penalty=0.5)])
def test_a_model_s_own_decoding_is_noted_alike_in_the_tab_and_the_terminal(options: DecodingOptions) -> None:
    assert note_of("a", DecodingForm.of(options).lasting()) == note_of("a", options)


@given(FORMS, st.booleans())
def test_every_form_means_options_that_the_engine_takes(form: DecodingForm, one: bool) -> None:
    assert form.options(one).strategy == form.strategy


@given(FORMS, st.sampled_from(DecodingForm.names()), st.data())
def test_a_control_that_is_greyed_out_changes_nothing_and_the_others_do(
    form: DecodingForm, name: str, data: st.DataObject
) -> None:
    other = data.draw(FORMS)
    fixed = DecodingForm.of_values({**form.values, "seed": max(form.values["seed"], 0)})
    changed = DecodingForm.of_values({**fixed.values, name: other.values[name]})
    if name not in fixed.acting() and name not in changed.acting():
        assert changed.options() == fixed.options()


@given(FORMS, st.booleans())
def test_what_a_kind_lacks_is_greyed_out_and_never_asked_for(form: DecodingForm, one: bool) -> None:
    without = DecodingForm.of_values(form.values, LACKING)
    assert without.acting() == form.acting() - set(LACKING)
    without.options(one).check_without(LACKING)
    usual = DecodingForm.of_values({**form.values, **{name: TABLE[name].default for name in LACKING}})
    assert without.lasting(one) == usual.lasting(one)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (DecodingOptions(), DecodingOptions()),
        (DecodingOptions(num_beams=5), DecodingOptions(num_beams=5, num_candidates=5, **VARIED)),
        (
            DecodingOptions(num_beams=12),
            DecodingOptions(num_beams=12, num_candidates=most_candidates(), **VARIED),
        ),
        (
            DecodingOptions(temperature=1.0, top_k=9, num_candidates=5, rank_by="similarity", seed=3),
            DecodingOptions(temperature=1.0, top_k=9, num_candidates=5, rank_by="similarity", seed=3),
        ),
        (
            DecodingOptions(num_beams=3, length_penalty=0.5, max_new_tokens=20, no_repeat_ngram_size=3),
            DecodingOptions(
                num_beams=3,
                length_penalty=0.5,
                max_new_tokens=20,
                no_repeat_ngram_size=3,
                num_candidates=3,
                **VARIED,
            ),
        ),
    ],
)
def test_a_models_own_options_come_back_with_other_candidates_that_differ(
    options: DecodingOptions, expected: DecodingOptions
) -> None:
    assert DecodingForm.of(options).options() == expected


def test_for_files_only_the_best_beam_is_asked_for() -> None:
    beams = form(strategy="beams", num_beams=5, num_candidates=5)
    assert beams.options(one=True) == DecodingOptions(num_beams=5)
    assert (
        form(strategy="beams", num_beams=5, num_candidates=5).options().diversity == VARIED["diversity"] > 0
    )
    assert not {"rank_by", "diversity"} & form(strategy="beams", num_candidates=1).acting()
    ranked = form(strategy="beams", num_beams=5, num_candidates=5, rank_by="similarity")
    assert ranked.options(one=True).num_candidates == 5


def test_a_random_seed_is_drawn_and_can_be_shown() -> None:
    seeds = {form(strategy="sampling").options().seed for _ in range(5)}
    assert None not in seeds
    assert len(seeds) > 1


@pytest.mark.parametrize(
    "values",
    [{}, {"strategy": "fastest", "rank_by": 3}, {"num_beams": None, "seed": "x"}, {"top_k": float("inf")}],
)
def test_what_a_page_remembers_wrongly_becomes_the_default(values: dict[str, object]) -> None:
    assert DecodingForm.of_values(values) == START


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("tags", "tags"), (" Which breed\nis it? ", "Which breed is it?"), ("", "sentence"), (None, "sentence"),
     (["tags"], "sentence")],
)  # fmt: skip
def test_a_task_is_one_line_of_words(sent: Any, kept: str) -> None:
    assert form(task=sent).options().task == kept


def test_numbers_come_as_pages_send_them() -> None:
    sent = DecodingForm.of_values({"num_beams": 3.0, "temperature": 1})
    assert sent == form(num_beams=3, temperature=1.0)
    assert isinstance(sent.values["num_beams"], int)


def test_every_control_stands_in_one_row_within_its_span() -> None:
    table, names = DecodingOptions.table(), [name for row in rows() for name in row]
    assert sorted(names) == sorted([STRATEGY, *table]) and rows()[0][0] == STRATEGY
    for row in rows():
        assert len({table[name].acts_in for name in row if name != STRATEGY}) == 1
    for name, option in table.items():
        low, high = option.control.low, option.control.high
        if low is not None and high is not None:
            assert option.low <= low <= option.start <= high <= option.high, name
