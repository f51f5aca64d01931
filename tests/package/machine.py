# SPDX-License-Identifier: Apache-2.0
"""A Debian 12 in which packages are installed and removed: an overlay of memory over scripts/test-root's root. It is in
a mount namespace that ends with this process, so nothing can be left behind."""

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

# Holds the namespace until stdin is closed. As in scripts/boot-root, the root's path may have any characters.
HOLD = """
set -e
exec 3<"$1"
mount -t tmpfs tmpfs /run
mkdir /run/upper /run/work /run/root
mount -t overlay overlay -o lowerdir=/proc/self/fd/3,upperdir=/run/upper,workdir=/run/work /run/root
cd /run/root
mount -t proc proc proc
mount -t tmpfs tmpfs run
mount --bind /dev/null dev/null
exec 3<&-
exec chroot . sh -c 'echo mounted; exec cat'
"""
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "DEBIAN_FRONTEND": "noninteractive",
    "LC_ALL": "C.UTF-8",
}


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """The command's output, stderr included. AssertionError with it if the command fails."""
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert done.returncode == 0, f"{' '.join(words)}: exit {done.returncode}:\n{done.stdout}"
    return done.stdout


class Machine:
    """systemd is installed in it, but is not PID 1, so no services run."""

    def __init__(self, lower: Path) -> None:
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "bash", "-c", HOLD, "bash", str(lower)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._holder.stdout and self._holder.stdout.readline() == b"mounted\n"

    def close(self) -> None:
        self._holder.communicate()

    def path(self, inside: str) -> Path:
        """A file of the machine, as seen from outside. (Its absolute symbolic links lead to the host's files.)"""
        return Path(f"/proc/{self._holder.pid}/root") / inside.lstrip("/")

    def _done(self, *command: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["nsenter", f"--target={self._holder.pid}", "--mount", "--root", "--wd", *command],
            env=ENVIRONMENT,
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
        return os.path.lexists(self.path(path))

    def read(self, path: str) -> str:
        return self.path(path).read_text()

    def write(self, path: str, text: str) -> None:
        self.path(path).parent.mkdir(parents=True, exist_ok=True)
        self.path(path).write_text(text)

    def append(self, path: str, text: str) -> None:
        with self.path(path).open("a") as file:
            file.write(text)

    def dpkg(self, *arguments: str) -> str:
        """Runs dpkg as an operator without a terminal: edited configuration files are kept."""
        return self("dpkg", "--force-unsafe-io", "--force-confold", *arguments)

    def put(self, file: Path, path: str) -> None:
        """Copies a file of the host to this path of the machine."""
        shutil.copy(file, self.path(path))

    def install(self, *packages: Path) -> str:
        """Installs them in this order, by one call of dpkg."""
        for package in packages:
            self.put(package, f"/{package.name}")
        return self.dpkg("--install", *(f"/{package.name}" for package in packages))

    def status(self, package: str) -> str:
        """"ii", "rc" (removed, configuration is left), "un" (unknown), ..."""
        done = self._done("dpkg-query", "--show", "--showformat=${db:Status-Abbrev}", package)
        return done.stdout.strip() if done.returncode == 0 else "un"
