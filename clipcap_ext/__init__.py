"""Captions for images, from a terminal or inside a Stable Diffusion WebUI; importing this loads no torch."""

__version__ = "0.1.0"
