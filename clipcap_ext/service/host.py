"""What a program that hosts the Caption tab must offer, and nothing of any particular program; loads no
torch."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch

    from clipcap_ext.captioning import Captioner

MODELS_FOLDER = "ClipCap"
SEND_TARGETS = ("txt2img", "img2img", "inpaint")
MEMORY_MODES = ("keep", "ram", "free")


class Job(Protocol):
    """One piece of work the host shows as running."""

    def step(self, text: str = "") -> None:
        """One of the job's parts is done: move the host's progress on and show `text`."""
        ...

    @property
    def stopped(self) -> bool:
        """True once the user pressed any of the host's own Interrupt buttons."""
        ...


class Host(Protocol):
    """The running program as the rest of the extension sees it."""

    @property
    def name(self) -> str:
        """As people know it: AUTOMATIC1111, Forge, reForge, SD.Next or standalone."""
        ...

    @property
    def send_targets(self) -> tuple[str, ...]:
        """The tabs that take a prompt, named as in SEND_TARGETS or, where a host has others, as it does."""
        ...

    @property
    def models_dir(self) -> Path:
        """Where a user's captioners live; need not exist."""
        ...

    @property
    def directories_allowed(self) -> bool:
        """May the interface name folders of this machine?"""
        ...

    @property
    def shows_folders(self) -> bool:
        """Whether whoever sees the interface sits at this machine, so that a folder may be opened on its
        screen."""
        ...

    def device(self) -> torch.device:
        """Where captioning runs: the host's choice, --clipcap-device before it. UsageError if that is no
        device."""
        ...

    def dtype(self, device: torch.device) -> torch.dtype:
        """float16 on CUDA unless the host was told never to use it, float32 on the CPU, MPS and all else."""
        ...

    def loading(self) -> AbstractContextManager[None]:
        """Hold while weights are built, inside `job` or on its own; waits until the host builds none
        itself."""
        ...

    def job(self, title: str, total: int) -> AbstractContextManager[Job]:
        """Hold while captioning `total` images: waits for the host's queue and is shown as running.

        Inside `within_queue` it neither waits nor disturbs the host's own job.
        """
        ...

    def within_queue(self) -> AbstractContextManager[None]:
        """Say that this thread is called by the host from inside its queue: a generation, Extras."""
        ...

    def make_room(self) -> None:
        """Move what the host can spare out of the accelerator's memory, where it is short of it."""
        ...

    def before_caption(self, captioner: Captioner) -> None:
        """Bring a captioner that `after_caption` moved away back to `device()`."""
        ...

    def after_caption(self, captioner: Captioner) -> bool:
        """Apply the memory mode; True tells the owner to let go of the captioner."""
        ...

    def setting(self, key: str, default: Any) -> Any:
        """A value of the host's settings page, `default` where it has none."""
        ...

    def report(self, message: str, exc_info: bool = True) -> None:
        """Put a message, and the current exception, where the host puts its own."""
        ...


@dataclass(frozen=True)
class HostComponents:
    """What was caught of the host's interface while it was built, so that the tab needs no `modules` to use
    it.

    By target ("txt2img", "img2img", "inpaint"): prompts, the prompt box; pictures, the component that takes a
    PIL image; sizes, its (width, height) sliders; titles, what the host's page calls it where that is another
    name. `drawn` are the targets whose picture only the page's own script can show. `register` takes the
    tab's own picture component and must be called at the end of the tab, inside its Blocks: it wires what the
    host sends to us.
    """

    prompts: dict[str, Any] = field(default_factory=dict)
    pictures: dict[str, Any] = field(default_factory=dict)
    sizes: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    register: Callable[[Any], None] | None = None
    titles: dict[str, str] = field(default_factory=dict)
    drawn: frozenset[str] = frozenset()
