# SPDX-License-Identifier: Apache-2.0
"""What a virtual machine of the kernel tests boots: a disk image with Debian's user space, and an initramfs with the
kernel's modules and what is under test. Both are for one architecture; the image is made once and kept."""

import lzma
import os
import shutil
import subprocess
from pathlib import Path

from packages import Apt, fingerprint, run, unpack

HERE = Path(__file__).resolve().parent
TOP = HERE.parents[1]
PACKAGES = (
    "base-files", "bash", "busybox-static", "coreutils", "curl", "findutils", "gawk", "grep", "hostname", "iproute2", "kmod", "libc-bin",
    "libteam-utils", "login", "mount", "procps", "psmisc", "python3", "python3-cryptography", "python3-prometheus-client", "python3-pytest",
    "python3-redis", "redis-server", "sed", "strace", "tar", "util-linux",
)  # fmt: skip
USERS = "root:x:0:0::/root:/bin/bash\nnobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\nredis:x:101:101::/:/bin/false\n"
GROUPS = "root:x:0:\nnogroup:x:65534:\nredis:x:101:\n"
WITHOUT = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "usr/share/lintian")
SPARE_MIB = 64

# To mount the root, in any kernel that has them as modules.
FOR_ROOT = ("virtio_pci", "virtio_mmio", "virtio_blk", "virtio_console", "ext4", "overlay", "crc32c_generic")
# What the scenarios use; the kernel loads them itself, by modprobe.
FOR_TESTS = (
    "8021q", "bonding", "bridge", "dummy", "e1000", "ipvlan", "macsec", "macvlan", "net_failover", "netdevsim", "nlmon",
    "shpchp", "team", "team_mode_activebackup", "team_mode_broadcast", "team_mode_loadbalance", "team_mode_random",
    "team_mode_roundrobin", "tun", "veth", "virtio_net", "vrf", "vxlan", "inet_diag", "tcp_diag", "unix_diag",
    "netlink_diag", "gcm", "aes_generic", "ghash-generic", "gf128mul", "tls",
)  # fmt: skip
PAYLOAD = ("tests/system", "tests/data", "tests/chaos", "deploy", "docs", "man", "src")
PROGRAMS = ("portsyncd", "portsyncctl", "tests/unit/sandbox_probe")


def suite() -> str:
    """This machine's: what it builds runs there."""
    text = Path("/etc/os-release").read_text()
    return next(line.partition("=")[2] for line in text.splitlines() if line.startswith("VERSION_CODENAME="))


def libraries(build: Path) -> list[str]:
    """The packages of what our programs are linked with, by their names on this machine, which built them."""
    needed = {
        line.partition("[")[2].rstrip("]")
        for name in PROGRAMS
        for line in run("readelf", "--dynamic", build / name).splitlines()
        if "(NEEDED)" in line
    }
    found = run("dpkg", "--search", *(f"*/{name}" for name in sorted(needed) if not name.startswith("ld-")))
    return sorted({line.partition(":")[0] for line in found.splitlines() if "-linux-gnu" in line and ", " not in line})


def recipe(build: Path) -> str:
    return fingerprint(suite(), PACKAGES, libraries(build), USERS, GROUPS, WITHOUT, Path(__file__).read_text())


def make_tree(cache: Path, arch: str, build: Path, tree: Path) -> None:
    unpack(Apt(cache, suite(), arch).fetch([*PACKAGES, *libraries(build)]), tree)
    (tree / "etc/passwd").write_text(USERS)
    (tree / "etc/group").write_text(GROUPS)
    (tree / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
    (tree / "etc/awk").unlink(missing_ok=True)
    for link, target in {"usr/bin/awk": "gawk", "usr/bin/python": "python3"}.items():
        if not (tree / link).exists():
            (tree / link).symlink_to(target)
    for name in WITHOUT:
        shutil.rmtree(tree / name, ignore_errors=True)
    for name in ("proc", "sys", "dev", "run", "tmp", "var/tmp", "root", "srv/portsyncd"):
        (tree / name).mkdir(parents=True, exist_ok=True)
    compile_python(tree)


def compile_python(tree: Path) -> None:
    """Else each start would compile all of it again, in software."""
    folders = [str(path) for path in (tree / "usr/lib").glob("python3*")]
    command = ["/usr/bin/python3", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "-s", str(tree)]
    subprocess.run([*command, *folders], check=False, stdout=subprocess.DEVNULL)


def image(cache: Path, arch: str, build: Path) -> Path:
    """The disk image, as it was made before if nothing changed."""
    path, stamp = cache / f"root-{arch}.ext4", cache / f"root-{arch}.recipe"
    if path.is_file() and stamp.is_file() and stamp.read_text() == recipe(build):
        return path
    tree = cache / f"root-{arch}"
    shutil.rmtree(tree, ignore_errors=True)
    make_tree(cache, arch, build, tree)
    mib = int(run("du", "-sm", tree).split()[0]) * 5 // 4 + SPARE_MIB
    path.unlink(missing_ok=True)
    run("mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", tree, path, f"{mib}M")
    shutil.copy(tree / "usr/bin/busybox", cache / f"busybox-{arch}")
    shutil.rmtree(tree)
    stamp.write_text(recipe(build))
    return path


# --- the kernel ---


def kernel_files(cache: Path, version: str, arch: str) -> tuple[Path, str]:
    """The unpacked package of Debian's newest kernel of this series, and that kernel's release. 6.1 and 6.12 are both of
    Debian 12: the former is its own, the latter is the one that it has from Debian 13."""
    flavour = {"armhf": "armmp"}.get(arch, arch)
    apt = Apt(cache, "bookworm", arch)
    package = apt.depends(f"linux-image-{flavour}" if version == "6.1" else f"linux-image-{version}-{flavour}")
    (file,) = apt.fetch([package], alone=True)
    folder = cache / file.stem
    if not folder.is_dir():
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        run("dpkg-deb", "-x", file, part)
        part.rename(folder)
    return folder, package.removeprefix("linux-image-")


class Modules:
    """Those of a kernel that are wanted, with what they need."""

    def __init__(self, folder: Path, release: str) -> None:
        base = next(path for path in (folder / "lib/modules", folder / "usr/lib/modules") if path.is_dir())
        self._release, self._folder = release, base / release
        if not (self._folder / "modules.dep").is_file():
            run("depmod", "--basedir", base.parents[len(base.relative_to(folder).parts) - 1], release)
        self._needs: dict[str, list[str]] = {}
        for line in (self._folder / "modules.dep").read_text().splitlines():
            path, _, needs = line.partition(":")
            self._needs[path] = needs.split()
        self._paths = {self._name(path): path for path in self._needs}

    @staticmethod
    def _name(path: str) -> str:
        return Path(path).name.partition(".")[0].replace("-", "_")

    def closure(self, names: tuple[str, ...]) -> list[str]:
        """In the order in which they load. Those that are built in, or that this kernel lacks, are left out."""
        ordered: dict[str, None] = {}
        for name in names:
            path = self._paths.get(name.replace("-", "_"))
            for one in [*reversed(self._needs[path]), path] if path else []:
                ordered[one] = None
        return list(ordered)

    def copy(self, paths: list[str], root: Path) -> None:
        target = root / "lib/modules" / self._release
        for path in paths:
            plain = target / path.removesuffix(".xz")
            plain.parent.mkdir(parents=True, exist_ok=True)
            data = (self._folder / path).read_bytes()
            plain.write_bytes(lzma.decompress(data) if path.endswith(".xz") else data)
        for name in ("modules.builtin", "modules.order", "modules.builtin.modinfo"):
            shutil.copy(self._folder / name, target)
        run("depmod", "--basedir", root, self._release)


def initramfs(cache: Path, arch: str, modules: Modules, build: Path, arguments: list[str], target: Path) -> None:
    """busybox and /init, modules, and /payload: the tree under test, and what pytest gets."""
    root = target.with_suffix(".tree")
    shutil.rmtree(root, ignore_errors=True)
    for name in ("bin", "dev", "proc", "sys", "root", "payload/build/tests/unit"):
        (root / name).mkdir(parents=True)
    shutil.copy(cache / f"busybox-{arch}", root / "bin/busybox")
    shutil.copy(HERE / "guest" / "init", root / "init")
    first = modules.closure(FOR_ROOT)
    modules.copy([*first, *modules.closure(FOR_TESTS)], root)
    (root / "modules").write_text("".join(f"{path.removesuffix('.xz')}\n" for path in first))
    payload = root / "payload"
    for name in PAYLOAD:
        shutil.copytree(TOP / name, payload / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in PROGRAMS:
        shutil.copy(build / name, payload / "build" / name)
    for file in HERE.glob("guest/*.py"):
        shutil.copy(file, payload / "tests/system")
    shutil.copy(HERE / "guest" / "start", payload)
    (payload / "arguments").write_text("".join(f"{one}\n" for one in arguments))
    files = subprocess.run(["find", "."], cwd=root, capture_output=True, check=True).stdout
    with target.open("wb") as out:
        command = ["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"]
        subprocess.run(command, cwd=root, input=files, stdout=out, check=True)
    shutil.rmtree(root)


def default_build(arch: str) -> Path:
    """What is tested if nothing else is named. Another architecture's is cross-built."""
    if arch == run("dpkg", "--print-architecture").strip():
        return TOP / "build"
    subprocess.run([TOP / "scripts" / "cross", "build", arch], check=False)
    return TOP / f"build-{arch}"


def cache_folder() -> Path:
    return Path(os.environ.get("KERNEL_TEST_CACHE", TOP / "build-root" / "kernel"))
