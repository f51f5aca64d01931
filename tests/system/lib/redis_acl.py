# SPDX-License-Identifier: Apache-2.0
"""The Redis user of deploy/redis/portsyncd.acl. With PORTSYNCD_TEST_ACL=1 every daemon that a test does not give other
credentials runs as that user; without it as Redis' default user, who may do everything, as in SONiC."""

import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
ACL_FILE = ROOT / "deploy" / "redis" / "portsyncd.acl"
VARIABLE = "PORTSYNCD_TEST_ACL"
USER = "portsyncd"
# One for the whole test run, since a daemon uses one password for all its servers.
PASSWORD = secrets.token_urlsafe(24)


def chosen() -> bool:
    return os.environ.get(VARIABLE) == "1"


def password_hash(password: str) -> str:
    """The hash of the password, as an ACL file has it."""
    return "#" + hashlib.sha256(password.encode()).hexdigest()


def rules() -> list[str]:
    """The words after the user's name in the file; a selector counts as one word."""
    words: list[str] = []
    for word in ACL_FILE.read_text().split()[2:]:
        inside = bool(words) and words[-1].startswith("(") and not words[-1].endswith(")")
        words[-1:] = [f"{words[-1]} {word}"] if inside else [*words[-1:], word]
    return words


def users(default_password: str | None) -> str:
    """A whole ACL file: the default user, who may do everything, and ours with its password."""
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
    """A permission of the file, and the rules with less of it."""

    name: str
    rest: tuple[str, ...]


def lesser(word: str) -> list[str]:
    """Narrower rules that could replace it; "" for none."""
    return [f"%R{word}", f"%W{word}"] if word.startswith("~") else [""]


def elements() -> list[Element]:
    """Each command, key pattern (reading and writing apart, if it allows both) and channel, in each selector and
    outside of them."""
    all_rules = rules()
    found: list[Element] = []
    for at, rule in enumerate(all_rules):
        inner = rule.strip("()").split()
        for i, word in ((i, word) for i, word in enumerate(inner) if word[0] in "+~%&"):
            for less in lesser(word):
                rest = [*inner[:i], *([less] if less else []), *inner[i + 1 :]]
                replaced = [f"({' '.join(rest)})"] if rule.startswith("(") and rest else rest
                name = f"{word}{f' as {less}' if less else ''} of {rule}"
                found.append(Element(name, tuple(all_rules[:at] + replaced + all_rules[at + 1 :])))
    return found


def commands() -> set[str]:
    """The names of the commands that are allowed, "script|load"."""
    return {word[1:] for word in words() if word.startswith("+")}


def words() -> list[str]:
    return [word for rule in rules() for word in rule.strip("()").split()]
