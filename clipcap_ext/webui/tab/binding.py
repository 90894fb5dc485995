"""Ties handlers to events by name: values come as keyword arguments, answers say which component gets what.

It is the one place that counts positions, as gradio does; it knows no pane.
"""

from __future__ import annotations

import inspect
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

import gradio as gr

from clipcap_ext.webui.tab.compat import MAJOR, QUICK, hidden_button, js

Inputs = Mapping[str, Any]  # a component, or a mapping of components, by the name of the handler's parameter
Answer = dict[Any, Any]  # component -> its new value or an update; what is not in it stays as it is
_FOLLOWED = itertools.count()


def on(
    event: Callable[..., Any], handler: Callable[..., Any], inputs: Inputs, outputs: Iterable[Any] = (),
    script: str = "", **options: Any,
) -> Any:  # fmt: skip
    """Answer an event with `handler`, which returns an Answer over `outputs`, yields several or changes none.

    script: a JavaScript function that is given the inputs' values by name before, and returns those it
    changes.
    """
    targets = list(dict.fromkeys(outputs))
    first = js(_changing(script, inputs)) if script else {}
    components = list(flat(inputs).values())
    return event(positional(handler, inputs, targets), components, targets, **options, **first)


def page_only(event: Callable[..., Any], script: str, inputs: Inputs | None = None) -> Any:
    """An event that calls a JavaScript function with the inputs' values by name, and no handler."""
    asked = inputs or {}
    told = f"(...values) => {{ ({script})({_by_name(asked)}); return []; }}"
    return event(fn=None, inputs=list(flat(asked).values()), outputs=None, **QUICK, **js(told))


def follow(
    event: Callable[..., Any], handler: Callable[..., Any], inputs: Inputs, outputs: Iterable[Any],
    script: str = "() => ({})",
) -> None:  # fmt: skip
    """Answer every change at once, the last one for certain, whatever comes while an earlier one is being
    answered; `script` as in `on`.

    Gradio 3 drops a change that comes in between: there the script asks again if the values are no longer
    those that were asked about. So a handler that writes one of its own inputs must leave its own answer as
    it is.
    """
    if MAJOR >= 4:
        on(event, handler, inputs, outputs, script, trigger_mode="always_last", **QUICK)
        return
    name, targets = f"missed_{next(_FOLLOWED)}", list(outputs)
    for start in (event, hidden_button(name).click):
        noting = f"(values) => {{ clipcap_asked('{name}', values); return ({script})(values); }}"
        asked = on(start, handler, inputs, targets, noting, **QUICK)
        page_only(asked.then, f"(values) => clipcap_missed('{name}', values)", inputs)


def flat(inputs: Inputs) -> dict[str, Any]:
    """Every component by a name of its own: `decoding.seed` is the seed of the mapping `decoding`."""
    by_name: dict[str, Any] = {}
    for name, part in inputs.items():
        if isinstance(part, Mapping):
            by_name |= {f"{name}.{inner}": component for inner, component in part.items()}
        else:
            by_name[name] = part
    return by_name


def positional(handler: Callable[..., Any], inputs: Inputs, outputs: Sequence[Any]) -> Callable[..., Any]:
    """`handler` as gradio calls it: values in the order of `flat`, and a value for each output."""

    def once(*values: Any) -> Any:
        return _listed(handler(**_named(inputs, values)), outputs)

    def steps(*values: Any) -> Iterator[Any]:
        with closing(handler(**_named(inputs, values))) as answers:  # a page that goes away ends the handler
            for answer in answers:
                yield _listed(answer, outputs)

    return steps if inspect.isgeneratorfunction(handler) else once


def _named(inputs: Inputs, values: Sequence[Any]) -> dict[str, Any]:
    left = iter(values)
    return {
        name: {inner: next(left) for inner in part} if isinstance(part, Mapping) else next(left)
        for name, part in inputs.items()
    }


def _listed(answer: Answer | None, outputs: Sequence[Any]) -> Any:
    answer = answer or {}
    strange = [component for component in answer if component not in outputs]
    if strange:
        raise ValueError(f"The answer names {strange[0]}, which is none of the event's outputs.")
    values = [answer.get(component, gr.update()) for component in outputs]
    return values[0] if len(values) == 1 else values


def _changing(script: str, inputs: Inputs) -> str:
    """gradio counts values and takes as many back."""
    given = f"const given = {_by_name(inputs)};"
    return f"(...values) => {{ {given} return Object.values({{...given, ...({script})(given)}}); }}"


def _by_name(inputs: Inputs) -> str:
    """An expression for an object of `values`, of which gradio 3 passes more than the inputs."""
    names = json.dumps(list(flat(inputs)))
    return f"Object.fromEntries({names}.map((name, place) => [name, values[place]]))"
