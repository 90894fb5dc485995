"""What one pane of one open page has going, so that its Stop ends that and nobody else's. No interface."""

from __future__ import annotations

from typing import Any

from clipcap_ext.service.runs import Run


class Asker:
    """Lives in a gr.State, one for each page: gradio copies the first, and a copy has nothing going yet."""

    def __init__(self) -> None:
        self._runs: list[Run] = []

    def __deepcopy__(self, memo: dict[int, Any]) -> Asker:
        return Asker()

    def own(self, run: Run) -> Run:
        """Take `run` for ours; returns it."""
        self._runs = [*(one for one in self._runs if not one.ended), run]
        return run

    def stop(self) -> None:
        """Ask what goes on here to end after the batch it is at; never waits."""
        for run in self._runs:
            run.stop()
