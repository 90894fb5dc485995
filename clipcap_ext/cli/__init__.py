"""The commands of `python -m clipcap_ext`, as functions of parsed arguments and streams; it decodes nothing
itself."""
