# SPDX-License-Identifier: Apache-2.0
"""Runs portsyncctl, and checks what it prints with --json against its schema."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import redis

from lib.daemon import ROOT, SANITIZER_REPORT, binary
from lib.redis_server import RedisServer
from lib.switch import Switch
from lib.wait import patient

SCHEMA = ROOT / "docs" / "portsyncctl.schema.json"

CURIOUS = ("doctor", "dump")

GOOD, NEGATIVE, USAGE, NO_DAEMON, NO_SOURCE = range(5)


def program() -> Path:
    """portsyncctl beside the daemon under test, or $PORTSYNCCTL."""
    named = os.environ.get("PORTSYNCCTL")
    beside = binary().parent / "portsyncctl"
    return Path(named) if named else beside if beside.is_file() else ROOT / "build" / "portsyncctl"


@cache
def _validator() -> jsonschema.Draft202012Validator:
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def validate(document: Any) -> None:
    """Validates against the definition of its verb, which gives a clear error, and against the whole schema."""
    name = "failed" if set(document) <= {"schema", "verb", "error"} else document["verb"]
    _validator().evolve(schema={"$ref": f"#/$defs/{name}", "$defs": _validator().schema["$defs"]}).validate(document)
    _validator().validate(document)


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str
    documents: list[Any] = field(default_factory=list)  # with --json

    @property
    def json(self) -> Any:
        """The one document."""
        assert len(self.documents) == 1, self.out
        return self.documents[0]


def arguments(switch: Switch) -> list[str]:
    """The options with which portsyncctl finds the parts of this switch."""
    options = ["--config", str(switch.config_file), "--netns", switch.netns.name, "--socket", str(switch.pages.path)]
    if switch.namespace:
        return [*options, "-n", switch.namespace, "--database-global", str(switch.database_global)]
    return [*options, "--database-config", str(switch.database_config)]


def environment(changes: Mapping[str, str] = {}) -> dict[str, str]:
    return {key: value for key, value in {**os.environ, **changes}.items() if key not in ("NO_COLOR",) or key in changes}


def command(
    *words: str,
    environ: Mapping[str, str] = {},
    before: Sequence[str] = (),
    at: Path | None = None,
    preexec: Callable[[], None] | None = None,
) -> Done:
    """Runs portsyncctl with just these arguments: behind a prefix, as a copy, or with a preparation in its process. The
    unit tests look for leaks; here that would take half the time of a call."""
    leaks = {"ASAN_OPTIONS": f"{os.environ.get('ASAN_OPTIONS', 'exitcode=99')}:detect_leaks=0"}
    done = subprocess.run(
        [*before, str(at or program()), *words],
        capture_output=True,
        text=True,
        env=environment({**leaks, **environ}),
        timeout=patient(60),
        check=False,
        preexec_fn=preexec,
    )
    assert not SANITIZER_REPORT.search(done.stderr), done.stderr
    documents: list[Any] = []
    if {"-j", "--json"} & set(words):
        documents = [json.loads(line) for line in done.stdout.splitlines()]
        for document in documents:
            validate(document)
    return Done(done.returncode, done.stdout, done.stderr, documents)


def run(switch: Switch, verb: str, *words: str, **how: Any) -> Done:
    """Runs a verb against this switch; how: as for command()."""
    with curious(switch) if verb in CURIOUS else nullcontext():
        return command(*arguments(switch), verb, *words, **how)


@contextmanager
def curious(switch: Switch) -> Iterator[None]:
    """Some verbs ask Redis for more than the daemon may, and work without refused answers: a denial meanwhile is not a
    denial to the daemon."""
    servers = {switch.redis, *switch.others.values()} if switch.least_rights else set()
    asked = [client for server in servers for client in [impatient(server)] if not denied(client)]
    yield
    for client in asked:
        with suppress(redis.RedisError):
            client.acl_log_reset()


def impatient(server: RedisServer) -> redis.Redis:
    return redis.Redis(unix_socket_path=server.unix_socket, password=server.password, socket_timeout=1)


def denied(client: redis.Redis) -> bool:
    """Whether it was denied anything so far. A server that does not answer is judged by its log later."""
    try:
        return bool(client.acl_log())
    except redis.RedisError:
        return True
