"""Where a reproduction keeps what it makes, below one folder; it reads and writes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from clipcap_ext.reproduce.recipes import Recipe

RESULTS, PAGE, PLOTS = "results.json", "results.md", "results"


@dataclass(frozen=True)
class Places:
    """The folder of a reproduction; `stand_in` says which of the two kinds of run is meant, `smoke` that it
    is a trial on less: a word of its own for each, empty for a run in earnest."""

    out: Path
    stand_in: bool = False
    smoke: str = ""

    @property
    def kind(self) -> str:
        """The word for the kind of run in paths."""
        kind = "stand-in" if self.stand_in else "full"
        return f"{kind}-{self.smoke}" if self.smoke else kind

    def run(self, recipe: Recipe, seed: int) -> Path:
        """The trainer's folder."""
        return (
            self.out
            / "runs"
            / (recipe.weights_of or recipe.table.name)
            / f"{recipe.run}-{self.kind}-seed{seed}"
        )

    def scores(self, recipe: Recipe, seed: int) -> Path:
        """The file of one scored run."""
        return self.out / "scores" / recipe.table.name / f"{recipe.row.name}-{self.kind}-seed{seed}.json"

    def gpt2(self, seed: int) -> Path:
        """The stand-in GPT-2 that every row of that seed starts from."""
        return self.out / "runs" / f"stand-in-gpt2-seed{seed}"

    def labels(self, table: str) -> Path:
        """The label bank of full SBG runs."""
        return self.out / f"labels-{table}.json"

    @property
    def features(self) -> Path:
        """Encoded photos."""
        return self.out / "features"
