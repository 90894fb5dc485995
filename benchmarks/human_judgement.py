"""How far each metric agrees with people: Kendall's tau with Flickr8k-Expert and Flickr8k-CF

Standard tokenisation; the judged caption is left out where it is one of the photo's own. An encoder adds
CLIPScore.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from clipcap_ext.corpus import Corpus, read_corpus
from clipcap_ext.engine.encoder_names import load_named_encoder
from clipcap_ext.evaluate.judge import ClipJudge
from clipcap_ext.evaluate.people.judgements import CROWD, EXPERT, JudgementSet, agreements, read_judgements
from clipcap_ext.metrics import DEFAULT_METRICS, score
from clipcap_ext.metrics.clip_score import CLIP_SCORE

# Reported with the judgements' protocol by Hessel et al. (CLIPScore, 2021), tau x 100.
PUBLISHED = {
    EXPERT.name: {
        "BLEU-1": 32.3,
        "BLEU-4": 30.8,
        "METEOR": 41.8,
        "ROUGE-L": 32.3,
        "CIDEr-D": 43.9,
        "CLIPScore": 51.2,
    },
    CROWD.name: {"CLIPScore": 34.4},
}


def rows_of(
    kind: JudgementSet, corpus: Corpus, folder: Path, encoder_name: str
) -> tuple[list[list[str]], str]:
    """A row a metric (name, tau here, tau published), and the signature of the scores."""
    judged = read_judgements(kind, corpus, folder)
    judge, metrics = None, list(DEFAULT_METRICS)
    if encoder_name:
        encoder, _ = load_named_encoder(encoder_name, "cpu")
        judge, metrics = ClipJudge(Path(encoder_name).name, encoder, corpus), [*metrics, CLIP_SCORE.name]
    scored = score(
        judged.captions, judged.references, "standard", metrics, data=corpus.name, split=kind.name,
        judge=judge, photos=judged.images,
    )  # fmt: skip
    taus = agreements(judged, scored.per_image, kind.variant)
    known = PUBLISHED[kind.name]
    rows = [[name, f"{100 * tau:.1f}", str(known.get(name, ""))] for name, tau in taus.items()]
    return rows, f"{kind.name}, tau-{kind.variant}, {len(judged.captions)} pairs: `{scored.signature}`"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="Flickr8k's folder, with the judgement files in it")
    parser.add_argument(
        "--only", choices=("expert", "crowd"), help="one of the two (the crowd's takes minutes)"
    )
    parser.add_argument("--encoder", default="", help="also CLIPScore by this encoder")
    arguments = parser.parse_args()
    from benchmarks.measure import publish, table

    corpus = read_corpus(arguments.data)
    texts = []
    for word, kind in (("expert", EXPERT), ("crowd", CROWD)):
        if arguments.only in (None, word):
            rows, said = rows_of(kind, corpus, arguments.data, arguments.encoder)
            texts.append(f"{said}\n\n{table([kind.name, 'tau x 100 here', 'published'], rows)}")
    if arguments.only is None:
        publish("human_judgement", "\n\n".join(texts))
    else:
        print("\n\n".join(texts))


if __name__ == "__main__":
    main()
