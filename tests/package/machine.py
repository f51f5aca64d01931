# SPDX-License-Identifier: Apache-2.0
"""A Debian 12 in which packages are installed and removed: an overlay over scripts/test-root's root. It is mounted again
for each command, in a mount namespace that ends with the command, so nothing can be left behind."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

IN_ROOT = """
set -e
mount -t overlay overlay -o "lowerdir=$LOWER,upperdir=$FOLDER/upper,workdir=$FOLDER/work" "$FOLDER/root"
mount -t proc proc "$FOLDER/root/proc"
mount -t tmpfs tmpfs "$FOLDER/root/run"
mount --bind /dev/null "$FOLDER/root/dev/null"
exec chroot "$FOLDER/root" "$@"
"""


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """The command's output, stderr included. AssertionError with it if the command fails."""
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert done.returncode == 0, f"{' '.join(words)}: exit {done.returncode}:\n{done.stdout}"
    return done.stdout


class Machine:
    """systemd is installed in it, but is not PID 1, so no services run."""

    def __init__(self, lower: Path) -> None:
        self._lower = lower
        self._folder = Path(tempfile.mkdtemp(prefix="portsyncd-package-", dir="/var/tmp"))
        for name in ("upper", "work", "root"):
            (self._folder / name).mkdir()

    def close(self) -> None:
        shutil.rmtree(self._folder)

    def _done(self, *command: str) -> "subprocess.CompletedProcess[str]":
        environment = {
            "LOWER": str(self._lower),
            "FOLDER": str(self._folder),
            "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin",
            "DEBIAN_FRONTEND": "noninteractive",
            "LC_ALL": "C.UTF-8",
        }
        return subprocess.run(
            ["unshare", "--mount", "--propagation", "private", "bash", "-c", IN_ROOT, "bash", *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def __call__(self, *command: str) -> str:
        """The command's output in the machine. AssertionError if it fails."""
        done = self._done(*command)
        assert done.returncode == 0, f"{' '.join(command)}: exit {done.returncode}:\n{done.stdout}"
        return done.stdout

    def says(self, *command: str) -> bool:
        """Whether the command succeeds."""
        return self._done(*command).returncode == 0

    def exists(self, path: str) -> bool:
        return self.says("test", "-e", path) or self.says("test", "-L", path)

    def read(self, path: str) -> str:
        return self("cat", path)

    def write(self, path: str, text: str) -> None:
        self("install", "-d", os.path.dirname(path))
        self("bash", "-c", 'printf %s "$1" >"$2"', "bash", text, path)

    def append(self, path: str, text: str) -> None:
        self("bash", "-c", 'printf %s "$1" >>"$2"', "bash", text, path)

    def dpkg(self, *arguments: str) -> str:
        """Runs dpkg as an operator without a terminal: edited configuration files are kept."""
        return self("dpkg", "--force-unsafe-io", "--force-confold", *arguments)

    def put(self, file: Path, path: str) -> None:
        """Copies a file of the host to this path of the machine."""
        shutil.copy(file, self._folder / "upper" / path.lstrip("/"))

    def install(self, *packages: Path) -> str:
        """Installs them in this order, by one call of dpkg."""
        for package in packages:
            self.put(package, f"/{package.name}")
        return self.dpkg("--install", *(f"/{package.name}" for package in packages))

    def status(self, package: str) -> str:
        """"ii", "rc" (removed, configuration is left), "un" (unknown), ..."""
        done = self._done("dpkg-query", "--show", "--showformat=${db:Status-Abbrev}", package)
        return done.stdout.strip() if done.returncode == 0 else "un"
