"""Captioners in the form that BLIP's authors publish, as WebUIs fetch one: told, read as data, converted."""
