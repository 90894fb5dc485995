"""One caption, the best of two and the best of five of an SBG model, over several seeds: mean and spread

    python benchmarks/sbg_candidates.py MODEL --data DIR [--out FILE] [--record]

Photos are encoded and keywords chosen once; each run samples, ranks and scores anew, under the standard
protocol on the official test images. The control says one typical caption for every photo. With --record the
mean rows are written into the checkpoint's config.json with their signatures.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.corpus import encode_corpus
from clipcap_ext.engine.catalog import find_model
from clipcap_ext.engine.checkpoint.config import CONFIG_FILE, read_config
from clipcap_ext.engine.factory import load_captioner
from clipcap_ext.engine.sbg.captioner import SbgCaptioner
from clipcap_ext.evaluate.caption_scores import score_captions
from clipcap_ext.evaluate.report.checkpoint_scores import is_same_score
from clipcap_ext.evaluate.request import EvaluationRequest
from clipcap_ext.metrics import DEFAULT_METRICS

COUNTS, SEEDS, BATCH = (1, 2, 5), (0, 1, 2), 50


def main() -> None:
    """Run everything and print one JSON object."""
    args = arguments()
    metrics = tuple(args.metrics.split(",")) if args.metrics else DEFAULT_METRICS
    request = EvaluationRequest(
        args.data, protocol=args.protocol, metrics=metrics, limit=args.limit, resamples=1
    )
    split = request.load()
    captioner = load_captioner(args.model)
    if not isinstance(captioner, SbgCaptioner):
        sys.exit(f"{args.model} does not guess from keywords.")
    table = encode_corpus(captioner.encoder, split.corpus, args.cache)
    features = table.features[:, 0]
    keywords = captioner.selector.select(features)
    rows: dict[int, dict[str, Any]] = {}
    for count in args.counts:
        runs = []
        for seed in SEEDS:
            options = sampling(count, seed, args.temperature, args.top_k)
            captions: dict[str, str] = {}
            for start in range(0, len(features), BATCH):
                part = slice(start, start + BATCH)
                names = table.image_ids[part]
                made = captioner.guess(features[part], keywords[part], options, keys=names)
                captions |= {name: caption.text for name, caption in zip(names, made, strict=True)}
            runs.append(score_captions(captions, split, request))
            print(f"N={count} seed={seed}: {values_of(runs[-1])}", file=sys.stderr, flush=True)
        rows[count] = row_of(runs, options)
    found = {"model": args.model, "seeds": SEEDS, "rows": rows, "gain": gain(rows)}
    text = json.dumps(found, indent=2)
    print(text)
    if args.out:
        args.out.write_text(text + "\n", encoding="utf-8")
    if args.record:
        record(find_model(args.model).folder, rows)


def arguments() -> argparse.Namespace:
    """The words of the command line."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("model", help="name or folder of an SBG checkpoint")
    made.add_argument("--data", type=Path, required=True)
    made.add_argument("--cache", type=Path, default=Path("features"), help="folder of encoded photos")
    made.add_argument("--counts", type=int, nargs="+", default=COUNTS, help="captions to choose from")
    made.add_argument("--metrics", help="separated by commas (default: all)")
    made.add_argument("--protocol", default="standard")
    made.add_argument("--temperature", type=float, default=1.0, help="the paper's is 1")
    made.add_argument("--top-k", type=int, default=50, help="the paper's is 50")
    made.add_argument("--limit", type=int)
    made.add_argument("--out", type=Path)
    made.add_argument(
        "--record", action="store_true", help="write the means into the checkpoint's config.json"
    )
    return made.parse_args()


def sampling(count: int, seed: int, temperature: float, top_k: int) -> DecodingOptions:
    """Sampling as published, `count` candidates."""
    options = DecodingOptions(temperature=temperature, top_k=top_k, seed=seed)
    return options if count == 1 else replace(options, num_candidates=count, rank_by="similarity")


def values_of(scored: dict[str, Any]) -> dict[str, float]:
    """Metric -> value."""
    return {name: round(figures["value"], 4) for name, figures in scored["results"].items()}


def row_of(runs: list[dict[str, Any]], options: DecodingOptions) -> dict[str, Any]:
    """Mean, standard deviation over the seeds, the constant-caption control, signature and decoding."""
    found = [values_of(run) for run in runs]
    control = [run["controls"]["constant_caption"]["results"] for run in runs]
    return {
        "mean": {name: round(statistics.mean(one[name] for one in found), 4) for name in found[0]},
        "deviation": {name: round(statistics.stdev(one[name] for one in found), 4) for name in found[0]},
        "constant_caption": {
            name: round(statistics.mean(one[name] for one in control), 4) for name in control[0]
        },
        "signature": f"{runs[0]['signature']}|mean:{len(runs)}seeds",
        "decoding": {**vars(options), "seed": list(SEEDS), "strategy": options.strategy},
    }


def gain(rows: dict[int, dict[str, Any]]) -> dict[str, float]:
    """How much the best of five is above one caption, as a part of it."""
    one, best = rows[min(rows)]["mean"], rows[max(rows)]["mean"]
    return {name: round(best[name] / one[name] - 1, 3) for name in one if one[name]}


def record(folder: Path, rows: dict[int, dict[str, Any]]) -> None:
    """Put the mean rows into config.json, in place of earlier ones of the same signature and decoding."""
    config = read_config(folder)
    date = datetime.now(timezone.utc).strftime("%Y-%m-%d")
    new = [
        {"signature": row["signature"], "values": row["mean"], "deviation": row["deviation"],
         "decoding": row["decoding"], "date": date}
        for row in rows.values()
    ]  # fmt: skip
    kept = [old for old in config.scores if not any(is_same_score(old, row) for row in new)]
    path = folder / CONFIG_FILE
    path.write_text(replace(config, scores=(*kept, *new)).to_json(), encoding="utf-8")


if __name__ == "__main__":
    main()
