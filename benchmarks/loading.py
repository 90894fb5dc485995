"""Loading a full-size captioner against the first extension's way: seconds and peak memory, each in a fresh
process

The first extension initialised a GPT-2, read a pickle of the whole model and copied the one into the other.
Ours builds the model without weights and gives it those of model.safetensors, which stay where the system
mapped them. Both weigh the same: GPT-2 small, MLP 768, prefix 10, random weights. Imports are over before
anything is measured. The same for an encoder folder of a random ViT-L/14 in float16, whose published way is
to initialise open_clip's class, read all and copy it over. Last, the whole start of `caption` for one photo:
wall and processor seconds and the peak memory of the process, which is torch's mostly.
"""

from __future__ import annotations

import argparse
import json
import os
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
from clipcap_ext.engine.clip.loading import build_clip, load_encoder, save_encoder
from clipcap_ext.engine.clip.preprocess import Preprocess
from clipcap_ext.engine.clipcap.checkpoint import load_clipcap
from clipcap_ext.engine.clipcap.model import ClipCapConfig, ClipCapModel
from clipcap_ext.engine.language.gpt2 import GPT2_SMALL

PICKLE, FOLDER = "weights.pt", "checkpoint"
WAYS = ("published", "ours", "ours, half")
ENCODER, ENCODER_WAYS = "encoder", ("encoder, published", "encoder, ours")
ROOT = Path(__file__).parents[1]
PHOTO = ROOT / "clipcap_ext" / "examples" / "cat.jpg"


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
    model: nn.Module
    from transformers import GPT2LMHeadModel  # noqa: F401  (imports are not measured)

    if way in ENCODER_WAYS:
        import open_clip  # noqa: F401

    with Peak() as peak:
        start = time.perf_counter()
        if way in ENCODER_WAYS:
            model = load_either(way, place / ENCODER)
        elif way == "published":
            model = Published()
            model.load_state_dict(torch.load(place / PICKLE, map_location="cpu", weights_only=True))
            model.eval()
        else:
            config = read_config(place / FOLDER)
            dtype = torch.float16 if way == "ours, half" else torch.float32
            model = load_clipcap(place / FOLDER, config, dtype)
        seconds = time.perf_counter() - start
    total = sum(float(parameter.detach().double().sum()) for parameter in model.parameters())
    return {"seconds": seconds, **peak.mebibytes, "sum": total}


def load_either(way: str, folder: Path) -> nn.Module:
    """An encoder folder's CLIP in float32, as it is published to be loaded or as we do."""
    if way == "encoder, ours":
        return load_encoder(EncoderConfig("random", ""), folder=folder)._clip
    import open_clip
    from safetensors.torch import load_file

    clip = open_clip.CLIP(**open_clip.get_model_config("ViT-L-14"))
    clip.load_state_dict(load_file(folder / "model.safetensors"))
    return clip.eval()


def write_encoder(place: Path) -> None:
    """A random ViT-L/14 as an encoder folder."""
    import open_clip

    torch.manual_seed(0)
    config = open_clip.get_model_config("ViT-L-14")
    save_encoder(place / ENCODER, build_clip(config), config, Preprocess(), "random")


# what a system tells of a child's peak may be its parent's, so the child reads its own as it ends
TELLING = """
import atexit, re, runpy, sys
def tell(place):
    with open("/proc/self/status") as status, open(place, "w") as file:
        file.write(re.search("VmHWM:[^0-9]*([0-9]+)", status.read())[1])
atexit.register(tell, sys.argv.pop(1))
module = sys.argv.pop(1)
sys.path.insert(0, "")
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


def started(module: str, arguments: list[str], folder: Path) -> dict[str, float]:
    """One run of a module there: wall and processor seconds, and its peak of memory in MiB."""
    with tempfile.TemporaryDirectory() as place:
        peak = Path(place, "peak")
        start = time.perf_counter()
        with subprocess.Popen(
            [sys.executable, "-c", TELLING, str(peak), module, *arguments], cwd=folder,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - start
        assert process.returncode == 0, (module, *arguments)
        own = int(peak.read_text()) / 1024
    return {"wall": wall, "processor": used.ru_utime + used.ru_stime, "peak": own}


def start_table(rounds: int, before: Path | None) -> str:
    """The start of `caption`, in turns with an older checkout's and with what importing torch alone takes."""
    from benchmarks.measure import table

    caption = ["caption", str(PHOTO)]
    ways = {
        "`import torch`, alone": ("torch.version", [], ROOT),
        "`caption one.jpg`": ("clipcap_ext", caption, ROOT),
    }
    if before is not None:
        ways["`caption one.jpg`, before"] = ("clipcap_ext", caption, before)
    runs: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    for turn in range(rounds + 1):
        for way, asked in ways.items():
            ran = started(*asked)
            if turn:
                runs[way].append(ran)
    rows = []
    for way, some in runs.items():
        middle = [statistics.median(run[key] for run in some) for key in ("wall", "processor", "peak")]
        rows.append([way, f"{middle[0]:.1f}", f"{middle[1]:.1f}", f"{middle[2]:.0f}"])
    return table(["from nothing to the caption", "seconds", "processor seconds", "peak MiB"], rows)


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
    parser.add_argument("--before", type=Path, help="an older checkout, whose start is measured in turns")
    parser.add_argument("--only", choices=("start", "weights"))
    parser.add_argument("--child", nargs=2, metavar=("WAY", "PLACE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(child(arguments.child[0], Path(arguments.child[1]))))
        return
    parts = []
    if arguments.only != "start":
        with tempfile.TemporaryDirectory() as place:
            parts = [weights_table(Path(place), arguments.rounds)]
    if arguments.only != "weights":
        parts.append(start_table(arguments.rounds, arguments.before))
    from benchmarks.measure import publish

    text = "\n\n".join(parts)
    print(text) if arguments.only else publish("loading", text)


def weights_table(place: Path, rounds: int) -> str:
    """All ways to load weights, in turns, each in a process of its own."""
    write_both(place)
    write_encoder(place)
    ways = (*WAYS, *ENCODER_WAYS)
    runs: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    for turn in range(rounds + 1):
        for way in ways:
            command = [sys.executable, __file__, "--child", way, str(place)]
            ran = subprocess.run(command, check=True, capture_output=True, text=True)
            if turn:  # the first turn brings the files into the system's cache for all
                runs[way].append(json.loads(ran.stdout.splitlines()[-1]))
    middle = {
        way: {key: statistics.median(run[key] for run in some) for key in some[0]}
        for way, some in runs.items()
    }
    for one, other in ((WAYS[0], WAYS[1]), ENCODER_WAYS):
        assert abs(middle[one]["sum"] - middle[other]["sum"]) < 1, "the two did not load the same weights"
    return report(middle)


def report(middle: dict[str, dict[str, float]]) -> str:
    """Each way's figures, and what they are of the published way's."""
    from benchmarks.measure import table

    names = {
        "published": "GPT-2 initialised, pickle read, copied over", "ours": "`load_clipcap`, float32",
        "ours, half": "`load_clipcap`, float16",
        ENCODER_WAYS[0]: "ViT-L/14 initialised, all read, copied over",
        ENCODER_WAYS[1]: "`load_encoder` of its folder",
    }  # fmt: skip
    rows = []
    for way, one in middle.items():
        base = middle["encoder, published" if way in ENCODER_WAYS else "published"]
        shown = [f"{one['seconds']:.2f}", *(f"{one[key]:.0f}" for key in ("all", "own"))]
        ratios = [f"{one[key] / base[key]:.2f}" for key in ("seconds", "all", "own")]
        rows.append([names[way], *(cell for pair in zip(shown, ratios, strict=True) for cell in pair)])
    header = [
        "loading 156 M weights, or an encoder of 428 M, whose text tower waits for the first text",
        "seconds",
        "of the first",
        "peak MiB",
        "of the first",
        "without file pages",
        "of the first",
    ]
    return table(header, rows)


if __name__ == "__main__":
    main()
