"""The decoding form: what can act, what it means, and that nothing it can hold is refused by the engine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.webui.decoding_controls import MOST_CANDIDATES, STRATEGIES, DecodingForm

FORMS = st.builds(
    DecodingForm, st.sampled_from(STRATEGIES), st.integers(1, 8), st.sampled_from(["logprob", "similarity"]),
    st.integers(2, 16), st.floats(0, 2), st.floats(0.1, 2), st.floats(0.05, 1), st.integers(0, 100),
    st.integers(-1, 99), st.integers(5, 100), st.integers(0, 5),
)  # fmt: skip


@given(FORMS, st.booleans())
def test_every_form_means_options_that_the_engine_takes(form: DecodingForm, one: bool) -> None:
    assert form.options(one).strategy == form.strategy


@given(FORMS, st.sampled_from(DecodingForm.names()), st.data())
def test_a_control_that_is_greyed_out_changes_nothing_and_the_others_do(
    form: DecodingForm, name: str, data: st.DataObject
) -> None:
    other = data.draw(FORMS)
    fixed = DecodingForm.of_values({**vars(form), "seed": max(form.seed, 0)})
    changed = DecodingForm.of_values({**vars(fixed), name: getattr(other, name)})
    if name not in fixed.acting() and name not in changed.acting():
        assert changed.options() == fixed.options()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (DecodingOptions(), DecodingOptions()),
        (DecodingOptions(num_beams=5), DecodingOptions(num_beams=5, num_candidates=5)),
        (DecodingOptions(num_beams=12), DecodingOptions(num_beams=12, num_candidates=MOST_CANDIDATES)),
        (
            DecodingOptions(temperature=1.0, top_k=9, num_candidates=5, rank_by="similarity", seed=3),
            DecodingOptions(temperature=1.0, top_k=9, num_candidates=5, rank_by="similarity", seed=3),
        ),
        (
            DecodingOptions(num_beams=3, length_penalty=0.5, max_new_tokens=20, no_repeat_ngram_size=3),
            DecodingOptions(
                num_beams=3, length_penalty=0.5, max_new_tokens=20, no_repeat_ngram_size=3, num_candidates=3
            ),
        ),
    ],
)
def test_a_models_own_options_come_back_with_the_other_beams(
    options: DecodingOptions, expected: DecodingOptions
) -> None:
    assert DecodingForm.of(options).options() == expected


def test_for_files_only_the_best_beam_is_asked_for() -> None:
    assert DecodingForm("beams", 5, num_beams=5).options(one=True) == DecodingOptions(num_beams=5)
    assert DecodingForm("beams", 5, "similarity").options(one=True).num_candidates == 5


def test_a_random_seed_is_drawn_and_can_be_shown() -> None:
    seeds = {DecodingForm("sampling").options().seed for _ in range(5)}
    assert None not in seeds
    assert len(seeds) > 1


@pytest.mark.parametrize(
    "values",
    [{}, {"strategy": "fastest", "rank_by": 3}, {"num_beams": None, "seed": "x"}, {"top_k": float("inf")}],
)
def test_what_a_page_remembers_wrongly_becomes_the_default(values: dict[str, object]) -> None:
    assert DecodingForm.of_values(values) == DecodingForm()


def test_numbers_come_as_pages_send_them() -> None:
    assert DecodingForm.of_values({"num_beams": 3.0, "temperature": 1}) == DecodingForm(
        num_beams=3, temperature=1.0
    )
