"""Time of `evaluate` on finished captions beside pycocoevalcap's plain use on them; it makes no caption.

python benchmarks/scoring.py --data ../shared/data/flickr8k --hypotheses captions.json [--positions]
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from clipcap_ext.evaluate.dataset import load_split
from clipcap_ext.evaluate.hypotheses.matching import match
from clipcap_ext.evaluate.hypotheses.reading import read_hypotheses

NAMES = {"Bleu_1": "BLEU-1", "Bleu_4": "BLEU-4", "METEOR": "METEOR", "ROUGE_L": "ROUGE-L", "CIDEr": "CIDEr-D"}
DIGITS = 6  # in which both must agree


def main() -> int:
    """Alternate the two; print the medians and the ratio, in wall-clock and in processor seconds."""
    args = _arguments()
    if args.plain is not None:
        print(json.dumps(plain(json.loads(args.plain.read_text(encoding="utf-8")))))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        prepared, out = Path(folder) / "prepared.json", Path(folder) / "results.json"
        prepared.write_text(json.dumps(_captions(args)), encoding="utf-8")
        positions = ["--positions"] if args.positions else []
        commands = {
            "evaluate": ["-m", "clipcap_ext.evaluate", "--hypotheses", str(args.hypotheses), *positions,
                         "--data", str(args.data), "--out", str(out)],
            "pycocoevalcap": [str(Path(__file__)), "--plain", str(prepared)],
        }  # fmt: skip
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        said: dict[str, str] = {}
        for turn in range(args.rounds):
            for name, command in commands.items():
                taken[name].append(_time([sys.executable, *command], said, name))
                print(
                    f"{turn + 1}: {name} {taken[name][-1][0]:.1f} s, {taken[name][-1][1]:.1f} s of processors"
                )
        ours = json.loads(out.read_text(encoding="utf-8"))["results"]
    for name, value in json.loads(said["pycocoevalcap"].splitlines()[-1]).items():
        if round(ours[NAMES[name]]["value"] - value, DIGITS):
            raise SystemExit(f"{name}: {ours[NAMES[name]]['value']} against {value}")
    _report(taken)
    return 0


def plain(prepared: list[dict[str, list[str]]]) -> dict[str, float]:
    """What pycocoevalcap gives, used as its own example does: tokenise both, then one scorer after another.

    prepared: image -> references, then image -> its caption in a list.
    """
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.meteor.meteor import Meteor
    from pycocoevalcap.rouge.rouge import Rouge
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    told = [{key: [{"caption": one} for one in texts] for key, texts in part.items()} for part in prepared]
    references, captions = (PTBTokenizer().tokenize(part) for part in told)
    values: dict[str, float] = {}
    several, _ = Bleu(4).compute_score(references, captions)
    values |= {f"Bleu_{order}": float(several[order - 1]) for order in (1, 4)}
    for name, scorer in (("METEOR", Meteor()), ("ROUGE_L", Rouge()), ("CIDEr", Cider())):
        values[name] = float(scorer.compute_score(references, captions)[0])
    return values


def _captions(args: argparse.Namespace) -> list[dict[str, list[str]]]:
    split = load_split(args.data, "test", "karpathy", pictures=False)
    numbering = split.numbering if args.positions else None
    matched = match(args.hypotheses, read_hypotheses(args.hypotheses), split.corpus.examples, numbering)
    references = {name: list(split.references[name]) for name in matched.captions}
    return [references, {name: [text] for name, text in matched.captions.items()}]


def _time(command: list[str], said: dict[str, str], name: str) -> tuple[float, float]:
    """Wall-clock and processor seconds of a program and all that it starts."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    said[name] = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _report(taken: dict[str, list[tuple[float, float]]]) -> None:
    medians = {
        name: [statistics.median(times) for times in zip(*rows, strict=True)] for name, rows in taken.items()
    }
    for name, (wall, processor) in medians.items():
        print(f"{name}: {wall:.1f} s, {processor:.1f} s of processors")
    ours, theirs = medians["evaluate"], medians["pycocoevalcap"]
    print(f"ratio: {ours[0] / theirs[0]:.2f}, {ours[1] / theirs[1]:.2f} of processors")


def _arguments() -> argparse.Namespace:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--data", type=Path, help="a data set with a karpathy test part")
    made.add_argument("--hypotheses", type=Path, help="captions of it")
    made.add_argument("--positions", action="store_true", help="as evaluate's")
    made.add_argument("--rounds", type=int, default=3)
    made.add_argument("--plain", type=Path, help=argparse.SUPPRESS)
    return made.parse_args()


if __name__ == "__main__":
    sys.exit(main())
