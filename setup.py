"""What pyproject.toml cannot say: a wheel carries the files that WebUIs read at the top of the extension."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

TOP = Path(__file__).resolve().parent
PATTERNS = ("style.css", "javascript/*.js", "localizations/*.json")
PLACE = "clipcap_ext/webui/assets"  # see clipcap_ext/webui/asset.py


class BuildWithAssets(build_py):
    """Builds the package with copies of those files in it; an editable install reads them where they are."""

    def _copies(self) -> list[tuple[Path, Path]]:
        """(file, its copy) of each."""
        found = [path for pattern in PATTERNS for path in sorted(TOP.glob(pattern))]
        return [(path, Path(self.build_lib, PLACE, path.relative_to(TOP))) for path in found]

    def run(self) -> None:
        super().run()
        for source, copy in [] if self.editable_mode else self._copies():
            self.mkpath(str(copy.parent))
            self.copy_file(str(source), str(copy))

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        return [*super().get_outputs(include_bytecode), *(str(copy) for _, copy in self._copies())]


setup(cmdclass={"build_py": BuildWithAssets})
