"""Keeps gradio and huggingface_hub from reporting home; to be called before gradio is imported, which asks at
once."""

from __future__ import annotations

import os


def without_telemetry() -> None:
    """Switch it off in this process, unless the user has said otherwise. The WebUIs do so for gradio
    themselves."""
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
