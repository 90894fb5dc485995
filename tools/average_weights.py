"""Averages a fine-tuned captioner with the one it started from (WiSE-FT, Wortsman et al., 2022). It trains
nothing.

python tools/average_weights.py runs/tiny/best runs/tiny-evidence/last --share .8 --out runs/averaged

Where fine-tuning costs on the first data what it brings elsewhere, the average often keeps most of either.
What only the fine-tuned one has is taken whole.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from clipcap_ext.engine.checkpoint.config import CONFIG_FILE, read_config
from clipcap_ext.engine.checkpoint.folder import WEIGHTS_FILE
from clipcap_ext.engine.checkpoint.safefile import read_safetensors, write_safetensors
from clipcap_ext.files import write_folder

WORDS = ("vocab.json", "merges.txt")


def averaged(start: Mapping[str, Tensor], tuned: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """`share` of each tuned weight and the rest of the one it started from, in the tuned one's precision.

    SystemExit where a weight of the start is not among the tuned, or has another shape.
    """
    alien = [name for name, tensor in start.items() if name not in tuned or tuned[name].shape != tensor.shape]
    if alien:
        raise SystemExit(f"These were not fine-tuned from each other; they differ in {', '.join(alien)}.")
    return {
        name: tensor
        if name not in start
        else (share * tensor.float() + (1 - share) * start[name].float()).to(tensor.dtype)
        for name, tensor in tuned.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("start", type=Path, help="folder of the captioner that training started from")
    parser.add_argument(
        "tuned", type=Path, help="folder of the fine-tuned one, whose config and card are kept"
    )
    parser.add_argument("--share", type=float, required=True, help="of the fine-tuned one, from 0 to 1")
    parser.add_argument("--out", type=Path, required=True, help="a folder that is not there yet")
    arguments = parser.parse_args()
    start, tuned, share = arguments.start, arguments.tuned, arguments.share
    if not 0 <= share <= 1:
        parser.error(f"--share must be from 0 to 1, not {share}.")
    for folder in (start, tuned):
        missing = [name for name in (*WORDS, CONFIG_FILE, WEIGHTS_FILE) if not (folder / name).is_file()]
        if missing:
            raise SystemExit(f"{folder} is no folder of a trained captioner: no {', '.join(missing)} there.")
    for name in WORDS:
        if (start / name).read_bytes() != (tuned / name).read_bytes():
            raise SystemExit(f"{start} and {tuned} have another {name}: their weights mean other words.")
    weights = averaged(read_safetensors(start / WEIGHTS_FILE), read_safetensors(tuned / WEIGHTS_FILE), share)
    config = read_config(tuned)
    training = {**config.training, "averaged_with_start": share}
    with write_folder(arguments.out) as partial:
        shutil.copytree(tuned, partial, dirs_exist_ok=True)
        write_safetensors(partial / WEIGHTS_FILE, weights)
        text = replace(config, training=training, scores=()).to_json()
        (partial / CONFIG_FILE).write_text(text, encoding="utf-8")
    print(f"{arguments.out}: {share:g} of {tuned}, the rest of {start}")


if __name__ == "__main__":
    main()
