# SPDX-License-Identifier: Apache-2.0
"""The Redis user of deploy/redis/portsyncd.acl. With PORTSYNCD_TEST_ACL=1 every daemon that a test does not give other
credentials runs as that user; without it as Redis' default user, who may all, as in SONiC."""

import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
ACL_FILE = ROOT / "deploy" / "redis" / "portsyncd.acl"
VARIABLE = "PORTSYNCD_TEST_ACL"
USER = "portsyncd"
# Of this run of the tests: a daemon has one password for all its servers.
PASSWORD = secrets.token_urlsafe(24)


def chosen() -> bool:
    return os.environ.get(VARIABLE) == "1"


def password_hash(password: str) -> str:
    """As an ACL writes it."""
    return "#" + hashlib.sha256(password.encode()).hexdigest()


def rules() -> list[str]:
    """The words of the file behind the user's name; a selector is one of them."""
    words: list[str] = []
    for word in ACL_FILE.read_text().split()[2:]:
        inside = bool(words) and words[-1].startswith("(") and not words[-1].endswith(")")
        words[-1:] = [f"{words[-1]} {word}"] if inside else [*words[-1:], word]
    return words


def users(default_password: str | None) -> str:
    """A whole ACL file: the default user, who may all, and ours with its password."""
    default = password_hash(default_password) if default_password else "nopass"
    ours = ACL_FILE.read_text().replace(" off ", f" on {password_hash(PASSWORD)} ", 1)
    return f"user default on {default} ~* &* +@all\n{ours}"


def password_file(folder: Path) -> Path:
    path = folder / "redis_password"
    path.write_text(PASSWORD + "\n")
    path.chmod(0o600)
    return path


@dataclass(frozen=True)
class Element:
    """One permission of the file, and all rules without it. A selector that is left without a command is left out."""

    name: str
    rest: tuple[str, ...]


def elements() -> list[Element]:
    """Each command, key pattern and channel of each selector (the words outside of one count as one)."""
    all_rules = rules()
    found: list[Element] = []
    for at, rule in enumerate(all_rules):
        inner = rule.strip("()").split()
        for i, word in enumerate(inner):
            if word[0] not in "+~%&":
                continue
            rest = inner[:i] + inner[i + 1 :]
            replaced = [f"({' '.join(rest)})"] if rule.startswith("(") and rest else rest
            found.append(Element(f"{word} of {rule}", tuple(all_rules[:at] + replaced + all_rules[at + 1 :])))
    return found


def commands() -> set[str]:
    """The names of the commands that are allowed, "script|load"."""
    return {word[1:] for rule in rules() for word in rule.strip("()").split() if word.startswith("+")}
