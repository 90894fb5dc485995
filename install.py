"""The WebUI's door for dependencies, run at every start: adds what the host lacks, touches nothing that it
has.

Packages are installed without their dependencies, so pip cannot change torch, numpy or anything else the host
pins; each that we need ourselves is on the list. No models are fetched here. A failure costs one line and the
start goes on.
"""

from __future__ import annotations

import importlib
import importlib.util

# what we import -> what pip calls it. AUTOMATIC1111, Forge and reForge have them all; SD.Next lacks
# open_clip.
NEEDED = {
    "open_clip": "open_clip_torch",
    "timm": "timm",
    "regex": "regex",
    "ftfy": "ftfy",
    "wcwidth": "wcwidth",
    "safetensors": "safetensors",
    "tokenizers": "tokenizers",
    "tqdm": "tqdm",
}
# open_clip_torch 3 wants a newer timm than some hosts have
TIMM_FOR_OPEN_CLIP_3 = (1, 0, 17)
PIP_OPTIONS = "--no-deps --disable-pip-version-check --no-input --retries 1 --timeout 10"


def missing(modules: dict[str, str]) -> list[str]:
    """Those of `modules` that cannot be imported; nothing is imported to find out."""
    return [name for name in modules if importlib.util.find_spec(name) is None]


def requirement(name: str) -> str:
    """What to ask pip for, held to versions that fit what the host has."""
    import importlib.metadata  # slow to import, and not needed at an ordinary start
    import re

    if name != "open_clip":
        return NEEDED[name]
    try:
        timm = tuple(int(part) for part in re.findall(r"\d+", importlib.metadata.version("timm"))[:3])
    except importlib.metadata.PackageNotFoundError:
        timm = TIMM_FOR_OPEN_CLIP_3  # it is installed along with this, in its newest version
    return f"open_clip_torch>=2.20,<{4 if timm >= TIMM_FOR_OPEN_CLIP_3 else 3}"


def install(names: list[str]) -> str:
    """Install, with the host's own pip command. Returns the line to show, empty for none."""
    wanted = " ".join(f'"{requirement(name)}"' for name in names)
    try:
        import launch

        if getattr(launch.args, "skip_install", False):
            return f"ClipCap: {wanted} missing; not installed because of --skip-install."
        launch.run_pip(f"install {PIP_OPTIONS} {wanted}", "what the Caption tab needs")
        importlib.invalidate_caches()
        if not missing({name: NEEDED[name] for name in names}):
            return f"ClipCap: installed {wanted}."
        reason = "pip did not install it"
    except Exception as error:  # offline, no `launch` around, a full disk: the WebUI starts all the same
        reason = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
    return f"ClipCap: {wanted} missing ({reason}). By hand: pip install --no-deps {wanted}"


def main() -> None:
    """Nothing, quickly, on a host that has it all."""
    names = missing(NEEDED)
    if names:
        print(install(names))


if __name__ == "__main__":
    main()
