"""Makes a model folder (config.json, model.safetensors, tokenizer.json) of a language model in GGUF.

    python tools/gguf_to_folder.py MODEL.gguf FOLDER

The weights are dequantised to float32: no better than the quantised ones they come from, four bytes each. It
needs the package `gguf` beside transformers: pip install gguf. Nothing in the file is run.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from clipcap_ext.engine.checkpoint.folder import tied_names
from clipcap_ext.engine.checkpoint.safefile import write_safetensors
from clipcap_ext.files import write_folder

OF_THE_FILE = ("quantization_config", "_model_name_or_path", "_name_or_path")  # true of the GGUF alone


def main(arguments: list[str] | None = None) -> int:
    """The command; 0 if the folder was written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("file", type=Path, metavar="MODEL.gguf")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="written anew; it must not exist")
    args = parser.parse_args(arguments)
    if args.folder.exists():
        parser.error(f"{args.folder} exists: take another name.")
    if not args.file.is_file():
        parser.error(f"{args.file}: no such file.")
    numbers = convert(args.file, args.folder)
    print(f"{args.folder}: {numbers} weights in float32", file=sys.stderr)
    return 0


def convert(file: Path, folder: Path) -> int:
    """Write `folder`; returns how many weights there are."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    where = {"gguf_file": file.name, "local_files_only": True}
    tokenizer = AutoTokenizer.from_pretrained(str(file.parent), **where)
    model = AutoModelForCausalLM.from_pretrained(str(file.parent), **where)
    tied = tied_names(model)
    state = {name: tensor.float() for name, tensor in model.state_dict().items() if name not in tied}
    with write_folder(folder) as made:
        write_safetensors(made / "model.safetensors", state, {"format": "pt"})
        (made / "config.json").write_text(json.dumps(_config(model), indent=2) + "\n", encoding="utf-8")
        tokenizer.save_pretrained(str(made))
    return sum(tensor.numel() for tensor in state.values())


def _config(model: Any) -> dict[str, Any]:
    config = json.loads(model.config.to_json_string(use_diff=False))
    kept = {name: value for name, value in config.items() if name not in OF_THE_FILE}
    return {**kept, "architectures": [type(model).__name__]}


if __name__ == "__main__":
    raise SystemExit(main())
