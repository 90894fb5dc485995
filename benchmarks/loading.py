"""Loading a full-size captioner against the first extension's way: seconds and peak memory, each in a fresh
process

The first extension initialised a GPT-2, read a pickle of the whole model and copied the one into the other.
Ours builds the model without weights and gives it those of model.safetensors, which stay where the system
mapped them. Both weigh the same: GPT-2 small, MLP 768, prefix 10, random weights. Imports are over before
anything is measured.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import torch
from torch import nn

from clipcap_ext.engine.checkpoint.config import CheckpointConfig, EncoderConfig, read_config
from clipcap_ext.engine.clipcap.checkpoint import load_clipcap
from clipcap_ext.engine.clipcap.model import ClipCapConfig, ClipCapModel
from clipcap_ext.engine.language.gpt2 import GPT2_SMALL

PICKLE, FOLDER = "weights.pt", "checkpoint"
WAYS = ("published", "ours", "ours, half")


class Published(nn.Module):
    """A model of the published structure, initialised as every torch module is."""

    def __init__(self) -> None:
        from transformers import GPT2Config, GPT2LMHeadModel

        super().__init__()
        self.gpt = GPT2LMHeadModel(GPT2Config())
        width, length = GPT2_SMALL["n_embd"], 10
        hidden, out = width * length // 2, width * length
        self.clip_project = nn.Module()
        self.clip_project.model = nn.Sequential(nn.Linear(768, hidden), nn.Tanh(), nn.Linear(hidden, out))


class Peak:
    """The most memory resident while it runs, in MiB above what was resident before; looks every
    millisecond."""

    def __enter__(self) -> Peak:
        self._before, self._stop, self.mebibytes = resident(), threading.Event(), {"all": 0.0, "own": 0.0}
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while True:
            for name, now in resident().items():
                self.mebibytes[name] = max(self.mebibytes[name], now - self._before[name])
            if self._stop.wait(0.001):
                return

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def resident() -> dict[str, float]:
    """MiB of this process's memory: all, and its own without pages of files, which the system can take
    back."""
    lines = Path("/proc/self/status").read_text().splitlines()
    said = {
        line.split(":")[0]: line.split()[1]
        for line in lines
        if line.startswith("Rss") or line.startswith("VmRSS")
    }
    return {"all": int(said["VmRSS"]) / 1024, "own": int(said["RssAnon"]) / 1024}


def child(way: str, place: Path) -> dict[str, float]:
    """Load once in this process."""
    from transformers import GPT2LMHeadModel  # noqa: F401  (imports are not measured)

    with Peak() as peak:
        start = time.perf_counter()
        if way == "published":
            model: nn.Module = Published()
            model.load_state_dict(torch.load(place / PICKLE, map_location="cpu", weights_only=True))
            model.eval()
        else:
            config = read_config(place / FOLDER)
            dtype = torch.float16 if way == "ours, half" else torch.float32
            model = load_clipcap(place / FOLDER, config, dtype)
        seconds = time.perf_counter() - start
    total = sum(float(parameter.double().sum()) for parameter in model.parameters())
    return {"seconds": seconds, **peak.mebibytes, "sum": total}


def write_both(place: Path) -> None:
    """The same random weights as the first extension's pickle and as our folder."""
    from safetensors.torch import save_file

    torch.manual_seed(0)
    model = Published()
    torch.save(model.state_dict(), place / PICKLE)
    names = {"gpt.": "gpt2.", "clip_project.": "mapper."}
    state = {}
    for name, tensor in model.state_dict().items():
        old = next(prefix for prefix in names if name.startswith(prefix))
        if not name.endswith("lm_head.weight"):
            state[names[old] + name.removeprefix(old)] = tensor
    (place / FOLDER).mkdir()
    save_file(state, str(place / FOLDER / "model.safetensors"))
    config = CheckpointConfig("clipcap", "random", ClipCapConfig().to_dict(), EncoderConfig())
    (place / FOLDER / "config.json").write_text(config.to_json(), encoding="utf-8")
    assert set(ClipCapModel(ClipCapConfig()).state_dict()) - {"gpt2.lm_head.weight"} == set(state)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--child", nargs=2, metavar=("WAY", "PLACE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(child(arguments.child[0], Path(arguments.child[1]))))
        return
    runs: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as place:
        write_both(Path(place))
        for turn in range(arguments.rounds + 1):
            for way in WAYS:
                command = [sys.executable, __file__, "--child", way, place]
                ran = subprocess.run(command, check=True, capture_output=True, text=True)
                if turn:  # the first turn brings the files into the system's cache for all
                    runs[way].append(json.loads(ran.stdout.splitlines()[-1]))
    middle = {
        way: {key: statistics.median(run[key] for run in some) for key in some[0]}
        for way, some in runs.items()
    }
    assert abs(middle["published"]["sum"] - middle["ours"]["sum"]) < 1, (
        "the two did not load the same weights"
    )
    report(middle)


def report(middle: dict[str, dict[str, float]]) -> None:
    from benchmarks.measure import publish, table

    base = middle["published"]
    names = {
        "published": "GPT-2 initialised, pickle read, copied over", "ours": "`load_clipcap`, float32",
        "ours, half": "`load_clipcap`, float16",
    }  # fmt: skip
    rows = []
    for way, one in middle.items():
        shown = [f"{one['seconds']:.2f}", *(f"{one[key]:.0f}" for key in ("all", "own"))]
        ratios = [f"{one[key] / base[key]:.2f}" for key in ("seconds", "all", "own")]
        rows.append([names[way], *(cell for pair in zip(shown, ratios, strict=True) for cell in pair)])
    header = [
        "loading 156 M weights",
        "seconds",
        "of the first",
        "peak MiB",
        "of the first",
        "without file pages",
        "of the first",
    ]
    publish("loading", table(header, rows))


if __name__ == "__main__":
    main()
