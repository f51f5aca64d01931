# SPDX-License-Identifier: Apache-2.0
"""deploy/sonic as a kit: `apply` on a skeleton of sonic-buildimage, whose result goes through the tools that read it
there: make, Jinja, supervisord's parser, monit, promtool. The skeleton has only names and includes of the original."""

import configparser
import os
import re
import subprocess
from pathlib import Path

import jinja2
import pytest
import yaml

from lib.daemon import ROOT
from lib.wait import patient, wait_for

KIT = ROOT / "deploy" / "sonic"
ORCHAGENT = "dockers/docker-orchagent"
SLAVES = ("sonic-slave-bookworm/Dockerfile.j2", "sonic-slave-trixie/Dockerfile.j2")

pytestmark = pytest.mark.plain

SKELETON = {
    "Makefile": """SRC_PATH = src
CONFIGURED_ARCH ?= amd64
SONIC_COMMON_FILES_LIST = Makefile
include rules/functions
include $(sort $(wildcard rules/*.mk))
include $(sort $(wildcard rules/*.dep))
show-%: ; @echo '$($*)'
show-orchagent-%: ; @echo '$($(DOCKER_ORCHAGENT)_$*)'
show-portsyncd-%: ; @echo '$($(PORTSYNCD)_$*)'
""",
    "rules/functions": "define add_derived_package\n$(2)_MAIN_DEB = $(1)\nSONIC_DERIVED_DEBS += $(2)\nendef\n",
    "rules/docker-orchagent.mk": "DOCKER_ORCHAGENT = docker-orchagent.gz\n"
    "$(DOCKER_ORCHAGENT)_DEPENDS += $(SWSS)\n"
    "$(DOCKER_ORCHAGENT)_BASE_IMAGE_FILES += swssloglevel:/usr/bin/swssloglevel",  # no newline
    "rules/swss.mk": "SWSS = swss_1.0.0_$(CONFIGURED_ARCH).deb\nSONIC_DPKG_DEBS += $(SWSS)\n",
    f"{ORCHAGENT}/base_image_files/swssloglevel": "",
    f"{ORCHAGENT}/supervisord.conf.common.j2": "{% if not fabric %}\n[program:portsyncd]\n"
    "command=/usr/bin/portsyncd\npriority={{ base + 3 }}\n{%- endif %}\n\n[program:orchagent]\ncommand=/usr/bin/orchagent.sh\n",
    "files/build_templates/sonic_debian_extension.j2": "{% if x %}\necho x\n{% endif %}\n",
    **{slave: "FROM debian\n{% if CROSS_BUILD_ENVIRON == 'y' %}\nARG arch=arm64\n{% endif %}\nRUN true\n" for slave in SLAVES},
}


def apply(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [str(KIT / "apply"), *options, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def files(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    for name, text in SKELETON.items():
        path = tmp_path / "image" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "image" / "src").mkdir()
    (tmp_path / "image" / "src" / "portsyncd").symlink_to(ROOT)
    return tmp_path / "image"


@pytest.fixture
def image(bare: Path) -> Path:
    done = apply(bare)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return bare


def value(image: Path, name: str, *variables: str) -> list[str]:
    command = ["make", "--silent", "--warn-undefined-variables", "-C", str(image), f"show-{name}", *variables]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def render(path: Path, **variables: object) -> str:
    return jinja2.Environment(autoescape=False).from_string(path.read_text()).render(**variables)  # noqa: S701


def test_make_finds_the_package_and_who_needs_it(image: Path) -> None:
    """The file name is that of dpkg-buildpackage's result, from debian/changelog, whose version is meson's."""
    found = re.search(r"^  version: '(.*)'", (ROOT / "meson.build").read_text(), re.MULTILINE)
    changelog = re.match(r"portsyncd \((.*)\)", (ROOT / "debian" / "changelog").read_text())
    assert found and changelog and found[1] == changelog[1]
    for arch in ("amd64", "arm64"):
        deb = f"portsyncd_{found[1]}_{arch}.deb"
        assert deb in value(image, "SONIC_DPKG_DEBS", f"CONFIGURED_ARCH={arch}")
        assert value(image, "orchagent-DEPENDS", f"CONFIGURED_ARCH={arch}") == [f"swss_1.0.0_{arch}.deb", deb]
    assert value(image, "portsyncd-SRC_PATH") == ["src/portsyncd"]
    control = (ROOT / "debian" / "control").read_text()
    built = re.findall(r"^Package: (\S+)\nArchitecture: (\S+)$", control, re.MULTILINE)
    also = [f"{name}_{found[1]}_{'amd64' if arch == 'linux-any' else arch}.deb" for name, arch in built[1:]]
    symbols = value(image, "orchagent-DBG_DEPENDS")
    assert symbols == [f"portsyncd-dbgsym_{found[1]}_amd64.deb"]
    assert sorted(value(image, "SONIC_DERIVED_DEBS")) == sorted([*also, *symbols])
    assert value(image, "portsyncd-CACHE_MODE") == ["GIT_CONTENT_SHA"]
    assert {"rules/portsyncd.mk", "rules/portsyncd.dep", "Makefile"} <= set(value(image, "portsyncd-DEP_FILES"))
    assert {"src/portsyncd/meson.build", "src/portsyncd/src/main.c"} <= set(value(image, "portsyncd-SMDEP_FILES"))


def test_what_goes_to_the_host_is_there(image: Path) -> None:
    """sonic_debian_extension.sh copies the files with their modes."""
    where = dict(name.split(":") for name in value(image, "orchagent-BASE_IMAGE_FILES"))
    folder = image / ORCHAGENT / "base_image_files"
    assert where.pop("swssloglevel") and set(where) <= set(os.listdir(folder))
    assert where["portsyncctl"] == "/usr/bin/portsyncctl"
    for name, path in where.items():
        assert os.access(folder / name, os.X_OK) == path.startswith("/usr/bin/")
    script = "sudo() { \"$@\"; }\n" + render(image / "files/build_templates/sonic_debian_extension.j2")
    subprocess.run(["bash", "-euc", script], cwd=image, env={**os.environ, "FILESYSTEM_ROOT": "fs"}, check=True)
    hook = image / "fs/usr/local/bin/debug-dump/portsyncd"
    assert hook.read_bytes() == (KIT / "debug-dump/portsyncd").read_bytes() and os.access(hook, os.X_OK)


@pytest.mark.parametrize("slave", SLAVES)
def test_the_slave_can_build_it(image: Path, slave: str) -> None:
    """The slave gets each Build-Depends of debian/control but debhelper, which it has; a cross build the target's."""
    control = (ROOT / "debian" / "control").read_text()
    needs = re.search(r"^Build-Depends:((?:.*\n )*.*)", control, re.MULTILINE)
    assert needs
    wanted = {word.split()[0].removesuffix(":any") for word in needs[1].split(",")} - {"debhelper-compat"}
    for cross, suffix in (("n", ""), ("y", ":$arch")):
        lines = render(image / slave, CROSS_BUILD_ENVIRON=cross)
        run = lines[lines.index("RUN apt-get update") :].partition("# portsyncd: end")[0]
        assert run.count("\nRUN ") == 0 and "\n# portsyncd: begin\n" in lines
        names = run.replace("\\\n", " ").split()
        assert wanted <= {name.removesuffix(suffix) for name in names}
        assert {name for name in names if "-dev" in name} == {f"{n}{suffix}" for n in wanted if n.endswith("-dev")}


def test_supervisord_expects_no_end(image: Path) -> None:
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";",))
    parser.read_string(render(image / ORCHAGENT / "supervisord.conf.common.j2", fabric=False, base=0))
    section = dict(parser["program:portsyncd"])
    deployed = configparser.RawConfigParser()
    deployed.read(ROOT / "deploy" / "supervisord" / "portsyncd.conf")
    ours = {key: deployed["program:portsyncd"][key] for key in ("command", "exitcodes", "stopwaitsecs")}
    assert section == {**ours, "priority": "3"} and section["exitcodes"] == ""
    assert set(parser["program:orchagent"]) == {"command"}


def test_it_can_be_applied_again_and_taken_out(image: Path) -> None:
    once = files(image)
    assert apply(image).returncode == 0 and files(image) == once
    assert apply(image, "--undo").returncode == 0
    assert {name: text.rstrip() for name, text in files(image).items()} == {k: v.rstrip() for k, v in SKELETON.items()}


@pytest.mark.parametrize("lost", ["rules/docker-orchagent.mk", f"{ORCHAGENT}/supervisord.conf.common.j2", "command"])
def test_nothing_is_changed_where_a_place_is_missing(bare: Path, lost: str) -> None:
    path = bare / (f"{ORCHAGENT}/supervisord.conf.common.j2" if lost == "command" else lost)
    if lost == "command":
        path.write_text(path.read_text().replace("command=/usr/bin/portsyncd", "command=/usr/bin/other"))
    else:
        path.unlink()
    before = files(bare)
    done = apply(bare)
    assert done.returncode == 1 and str(path.relative_to(bare)) in done.stderr
    assert files(bare) == before


# --- supervision ---


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A folder with a docker that lists $CONTAINERS, and a portsyncctl whose answer comes from a file."""
    (tmp_path / "docker").write_text('#!/bin/sh\n[ "$1" = ps ] && printf "%s\\n" $CONTAINERS\n')
    (tmp_path / "portsyncctl").write_text(f'#!/bin/sh\necho "$@"\nexit "$(cat {tmp_path}/${{4:-alone}})"\n')
    (tmp_path / "verify").symlink_to(KIT / "host" / "portsyncd_verify")
    for name in ("docker", "portsyncctl"):
        (tmp_path / name).chmod(0o755)
    return tmp_path


def verify(host: Path, containers: str) -> tuple[int, str]:
    environ = {"PATH": f"{host}:/usr/bin:/bin", "CONTAINERS": containers}
    done = subprocess.run([str(host / "verify")], capture_output=True, text=True, env=environ, check=False)
    return done.returncode, done.stdout + done.stderr


def test_each_asic_is_verified(host: Path) -> None:
    for name, status in (("alone", 0), ("asic0", 0), ("asic1", 1), ("asic10", 4)):
        (host / name).write_text(str(status))
    assert verify(host, "swss syncd database") == (0, "")
    assert verify(host, "swss0 syncd0") == (0, "")
    status, said = verify(host, "swss10 swss1 swss0 bgp")
    assert status == 1 and said.splitlines() == [
        "swss1:",
        "verify --quiet --namespace asic1",
        "swss10:",
        "verify --quiet --namespace asic10",
    ]
    assert verify(host, "bgp")[0] == 3


def test_monit_sees_what_differs_and_that_it_is_good_again(host: Path) -> None:
    """The real monit, with cycles of a second."""
    (host / "alone").write_text("1")
    check = (KIT / "host" / "monit_portsyncd").read_text()
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(host)}
    run = f"/usr/bin/env PATH={host}:/usr/bin:/bin CONTAINERS=swss {host}/verify"
    check = check.replace("/usr/bin/portsyncd_verify", run).replace("every 5 cycles", "every 1 cycles")
    rc, log = host / "monitrc", host / "log"
    state = "".join(f"set {name}file {host}/{name}\n" for name in ("pid", "id", "state"))
    rc.write_text(f"set daemon 1\nset log {log}\n{state}{check}")
    rc.chmod(0o600)
    monit = subprocess.Popen(["monit", "-v", "-I", "-c", str(rc)], env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: log.exists() and "status failed (1) -- swss:" in log.read_text(), patient(30), "the difference")
        (host / "alone").write_text("0")
        wait_for(lambda: "status succeeded (0)" in log.read_text(), patient(30), "its end")
    finally:
        monit.kill()  # Debian 13's monit may wait for ever for a check that it was about to collect
        monit.wait()


def test_the_collector_scrapes_as_prometheus_does(tmp_path: Path) -> None:
    config = yaml.safe_load((KIT / "otel" / "collector.yml").read_text())
    for pipeline in config["service"]["pipelines"].values():
        for kind, names in pipeline.items():
            assert set(names) <= set(config[kind])
    path = tmp_path / "prometheus.yml"
    path.write_text(yaml.safe_dump(config["receivers"]["prometheus"]["config"]))
    subprocess.run(["promtool", "check", "config", str(path)], check=True, capture_output=True)
    (job,) = config["receivers"]["prometheus"]["config"]["scrape_configs"]
    beside = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())["scrape_configs"][0]
    assert (job["job_name"], job["static_configs"]) == (beside["job_name"], beside["static_configs"])


def test_the_scripts_are_sound() -> None:
    subprocess.run(["shellcheck", str(KIT / "apply"), str(KIT / "host" / "portsyncd_verify")], check=True)
