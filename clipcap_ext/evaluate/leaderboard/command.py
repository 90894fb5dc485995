"""The command `leaderboard`: results.json files to one page; it scores no caption."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from clipcap_ext.errors import UsageError
from clipcap_ext.evaluate.leaderboard.boards import Board, read_boards
from clipcap_ext.evaluate.leaderboard.page import BoardPage, leaderboard_page
from clipcap_ext.evaluate.leaderboard.pairs import all_pairs
from clipcap_ext.evaluate.leaderboard.thumbnails import chosen, thumbnails
from clipcap_ext.evaluate.report.results import check_writable
from clipcap_ext.evaluate.statistics.bootstrap import Bootstrap
from clipcap_ext.files import write_whole

WORD = "leaderboard"
MOST_PICTURES = 200  # of all boards together; each is about 20 KB of the page


def leaderboard_command(arguments: Sequence[str]) -> str:
    """Run `leaderboard` on its words: the page's path. UsageError names a file that holds no scores."""
    args = parser().parse_args(arguments)
    check_writable(args.out)
    if args.resamples < 1 or args.pictures < 0:
        raise UsageError("--resamples must be at least 1 and --pictures 0 or more.")
    boards = read_boards(args.results)
    if args.pictures * len(boards) > MOST_PICTURES:
        raise UsageError(
            f"--pictures {args.pictures} on {len(boards)} boards: at most {MOST_PICTURES} in a page."
        )
    bootstrap = Bootstrap(samples=args.resamples, seed=args.resampling_seed)
    parts = [_part(board, bootstrap, args.pictures, args.images) for board in boards]
    write_whole(args.out, leaderboard_page(args.title, parts))
    return str(args.out)


def _part(board: Board, bootstrap: Bootstrap, pictures: int, images: Path | None) -> BoardPage:
    shown = chosen(board.image_ids, pictures) if pictures else []
    return BoardPage(board, all_pairs(board, bootstrap), shown, thumbnails(images, shown))


def parser() -> argparse.ArgumentParser:
    """The words of the command."""
    made = argparse.ArgumentParser(
        prog=f"python -m clipcap_ext.evaluate {WORD}",
        description="One page of many runs: a table to sort, intervals, which differences are more than "
        "chance, pictures with what each system says. It needs no network.",
    )
    made.add_argument("results", type=Path, nargs="+", help="results.json files, from anywhere")
    made.add_argument("--out", type=Path, required=True, help="page.html to write")
    made.add_argument("--title", default="Caption leaderboard", help="(default: %(default)s)")
    made.add_argument("--images", type=Path, help="folder of the photos, for small pictures in the page")
    made.add_argument("--pictures", type=int, default=12, help="images shown a board (default: %(default)s)")
    made.add_argument("--resamples", type=int, default=1000, help="random swaps (default: %(default)s)")
    made.add_argument("--resampling-seed", type=int, default=0)
    return made
