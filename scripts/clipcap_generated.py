"""The WebUI's door to captions of generated images: it registers the classes it finds in this file."""

from clipcap_ext.webui.hosts.generated import GeneratedCaptions

__all__ = ["GeneratedCaptions"]
