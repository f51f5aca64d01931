# SPDX-License-Identifier: Apache-2.0
"""Debian packages of any architecture, with their dependencies: fetched and unpacked, never installed. None of their
code runs, so that a root for ARM needs no ARM machine."""

import hashlib
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
MERGED = ("bin", "sbin", "lib", "lib64")  # links into /usr, which no package contains


def run(*command: str | Path, stdin: str | None = None) -> str:
    done = subprocess.run([str(word) for word in command], input=stdin, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}: exit {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


def mirrors(suite: str) -> list[str]:
    """Lines of sources.list for this suite, from the mirrors that this machine's apt has."""
    form = "$(CODENAME) $(COMPONENT) $(REPO_URI)"
    rows = {tuple(row.split()) for row in run("apt-get", "indextargets", "--format", form, "Created-By: Packages").splitlines()}
    found = {}
    for codename, component, uri in (row for row in rows if len(row) == 3):
        kind = codename.partition("-")[2]
        if component == "main" and kind in ("", "security") and "debian" in uri:
            found[kind] = uri
    if "" not in found:
        raise SystemExit("apt's sources name no mirror of Debian")
    return [f"deb [signed-by={KEYRING}] {uri} {suite}{f'-{kind}' if kind else ''} main" for kind, uri in found.items()]


class Apt:
    """apt with its own state, for one architecture and suite. In that state nothing is installed."""

    def __init__(self, folder: Path, suite: str, arch: str) -> None:
        self._folder, self._arch = folder / f"apt-{suite}-{arch}", arch
        state, cache = self._folder / "state", self._folder / "cache"
        for made in (state / "lists/partial", cache / "archives/partial", self._folder / "etc"):
            made.mkdir(parents=True, exist_ok=True)
        sources = self._folder / "sources.list"
        sources.write_text("".join(f"{line}\n" for line in mirrors(suite)))
        (self._folder / "status").touch()
        self._config = self._folder / "apt.conf"
        self._config.write_text(
            f'Dir::State "{state}";\nDir::State::status "{self._folder}/status";\nDir::Cache "{cache}";\n'
            f'Dir::Etc::sourcelist "{sources}";\nDir::Etc::sourceparts "/dev/null";\nDir::Etc::preferencesparts "/dev/null";\n'
            f'APT::Architecture "{arch}";\nAPT::Architectures {{ "{arch}"; }};\n'
            'APT::Install-Recommends "false";\nAPT::Sandbox::User "root";\nAcquire::Languages "none";\n'
        )
        if not any((state / "lists").glob("*Packages*")):
            self._run("update")

    def _run(self, *arguments: str) -> str:
        # apt reads the architecture before the option -c.
        environment = {**os.environ, "APT_CONFIG": str(self._config), "DEBIAN_FRONTEND": "noninteractive"}
        command = ["apt-get", "-q", "-y", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command)} ({self._arch}): {done.stderr[-2000:]}")
        return done.stdout

    def depends(self, package: str) -> str:
        """The first dependency of the package: for the name of the newest kernel, that kernel."""
        environment = {**os.environ, "APT_CONFIG": str(self._config)}
        shown = subprocess.run(["apt-cache", "depends", package], capture_output=True, text=True, env=environment, check=True)
        return next(line.split()[1] for line in shown.stdout.splitlines() if line.strip().startswith("Depends:"))

    def fetch(self, packages: Sequence[str], alone: bool = False) -> list[Path]:
        """Fetches their .deb files, and unless alone those of all their dependencies."""
        if alone:
            uris = self._run("--print-uris", "download", *packages)
        else:
            uris = self._run("--print-uris", "install", *packages)
        files = []
        for line in uris.splitlines():
            if line.startswith("'"):
                uri, name, _, checksum = (*line.split(), "")[:4]
                files.append(self._download(uri.strip("'"), name, checksum))
        return files

    def _download(self, uri: str, name: str, checksum: str) -> Path:
        path = self._folder / "cache" / name
        if not path.is_file():
            part = path.with_suffix(".part")
            run("/usr/lib/apt/apt-helper", "download-file", uri, part, checksum) if checksum else run(
                "/usr/lib/apt/apt-helper", "download-file", uri, part
            )
            part.rename(path)
        return path


def unpack(files: Sequence[Path], root: Path) -> None:
    for name in MERGED:
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        if not (root / name).is_symlink():
            (root / name).symlink_to(f"usr/{name}")
    for file in files:
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", file], stdout=subprocess.PIPE) as packed:
            subprocess.run(["tar", "-x", "--keep-directory-symlink", "-C", root], stdin=packed.stdout, check=True)
        if packed.returncode != 0:
            raise SystemExit(f"{file} cannot be unpacked")


def fingerprint(*parts: object) -> str:
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()
