"""What the walk must know of each WebUI: how it starts on a CPU and what its page calls things; no steps."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Target:
    """A place our tab sends to, as its button's id ends: the tab to be seen then, its prompt box, and what
    shows its picture."""

    name: str
    tab: str
    prompt: str
    picture: str = ""


@dataclass(frozen=True, kw_only=True)
class Maker:
    """Where pictures are made: a tab, its button, its gallery; `picture` takes one to work on, and `numbers`
    are typed into the sliders named, for a picture that a CPU has time for."""

    tab: str
    button: str
    gallery: str
    picture: str = ""
    numbers: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of WebUI. `command` follows the interpreter; `ready` is the line of its log after which
    requests may come; `tab` is what leads to ours, `scripts` to
    the scripts beside `txt2img` where they have a tab of their own."""

    title: str
    command: tuple[str, ...]
    ready: str
    tab: str = "Caption"
    targets: tuple[Target, ...]
    txt2img: Maker
    extras: Maker
    scripts: str = ""
    reload: str = "restart_reload"
    environment: dict[str, str] = field(default_factory=dict)


TXT2IMG = Target(name="txt2img", tab="txt2img", prompt="#txt2img_prompt textarea")
IMAGE_PROMPT = "#img2img_prompt textarea"
IMG2IMG = Target(name="img2img", tab="img2img", prompt=IMAGE_PROMPT, picture="#img2img_image img")
INPAINT = Target(name="inpaint", tab="img2img", prompt=IMAGE_PROMPT, picture="#img2maskimg :is(img, canvas)")
FORGE_TARGETS = (
    TXT2IMG,
    Target(name="img2img", tab="img2img", prompt=IMAGE_PROMPT, picture=".forge-image"),
    Target(name="inpaint", tab="img2img", prompt=IMAGE_PROMPT, picture=".forge-image"),
)
MAKER = Maker(
    tab="txt2img", button="#txt2img_generate", gallery="#txt2img_gallery",
    numbers={"#txt2img_steps": 1, "#txt2img_width": 128, "#txt2img_height": 128},
)  # fmt: skip
EXTRAS = Maker(
    tab="Extras", button="#extras_generate", gallery="#extras_gallery",
    picture="#extras_image",
)  # fmt: skip
FLAGS = (
    "--skip-torch-cuda-test", "--skip-python-version-check", "--skip-version-check", "--api",
    "--skip-prepare-environment",
)  # fmt: skip
A1111_FLAGS = (*FLAGS, "--no-download-sd-model")

KINDS = {
    "sdnext": Kind(
        title="SD.Next", ready="Startup time", tab="[tabitemid*=clipcap]",
        scripts="#control_scripts",
        command=(
            "launch.py", "--skip-git", "--skip-requirements", "--skip-torch", "--skip-env", "--experimental",
            "--use-cpu", "all", "--port", "{port}",
        ),
        targets=(
            Target(
                name="control", tab="#control_nav", prompt="#control_prompt textarea",
                picture="#kanvas-container canvas",
            ),
        ),
        txt2img=Maker(
            tab="#control_nav", button="#control_generate", gallery="#control_gallery",
        ),
        extras=Maker(
            tab="#extras_nav", button="#extras_generate", gallery="#extras_gallery", picture="#extras_image",
        ),
        environment={"SD_NOHASHING": "true"},
    ),
    "a1111": Kind(
        title="AUTOMATIC1111", ready="Startup time", targets=(TXT2IMG, IMG2IMG, INPAINT), txt2img=MAKER,
        extras=EXTRAS,
        command=(
            "launch.py", *A1111_FLAGS, "--no-half", "--disable-nan-check",
            "--opt-sdp-no-mem-attention", "--use-cpu", "all", "--port", "{port}",
        ),
    ),
    "reforge": Kind(
        title="reForge", ready="Startup time", targets=(TXT2IMG, IMG2IMG, INPAINT), txt2img=MAKER,
        extras=EXTRAS,
        command=(
            "launch.py", *A1111_FLAGS, "--always-cpu", "--all-in-fp32",
            "--disable-nan-check", "--port", "{port}",
        ),
    ),
    "forge": Kind(
        title="Forge", ready="Startup time", txt2img=MAKER, extras=EXTRAS,
        targets=FORGE_TARGETS,
        command=(
            "launch.py", *A1111_FLAGS, "--always-cpu", "--all-in-fp32",
            "--port", "{port}",
        ),
    ),
    "classic": Kind(
        title="Forge Classic", ready="Startup time", targets=(TXT2IMG, IMG2IMG, INPAINT), txt2img=MAKER,
        extras=EXTRAS,
        command=(
            "launch.py", *A1111_FLAGS, "--always-cpu", "--all-in-fp32",
            "--port", "{port}",
        ),
    ),
    "neo": Kind(
        title="Forge Neo", ready="Startup time", txt2img=MAKER, extras=EXTRAS, targets=FORGE_TARGETS,
        command=(
            "launch.py", *FLAGS, "--cpu", "--force-fp32",
            "--port", "{port}",
        ),
    ),
}  # fmt: skip
