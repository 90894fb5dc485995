"""The Folder pane: captions beside the pictures of a folder of this machine; look first, then write, then
undo."""
