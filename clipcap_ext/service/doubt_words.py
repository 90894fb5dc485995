"""Why a caption is doubted, in words; numbers come from the engine."""

from __future__ import annotations

from clipcap_ext.caption import Doubt

# by what is measured, see MEASURES of caption.py; {value} and {least} are numbers
REASONS = {
    "evidence": "the surest thing its image classifier saw has a probability of {value}, below {least}",
    "similarity": "the caption's similarity to the picture is {value}, below {least}",
    "logprob": "the caption's log-probability is {value}, below {least}",
}


def reason_numbers(doubt: Doubt) -> dict[str, str]:
    """The numbers for a reason's places."""
    return {"value": f"{doubt.value:.2f}", "least": f"{doubt.least:.2f}"}


def doubt_text(doubt: Doubt) -> str:
    """`not sure: ...`, in English."""
    return "not sure: " + REASONS[doubt.measure].format(**reason_numbers(doubt))
