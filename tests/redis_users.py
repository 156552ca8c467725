"""The users of config/redis-users.acl, on a server of a test's own."""

from __future__ import annotations

from pathlib import Path

from tests.services import Valkey

USERS_FILE = Path(__file__).parent.parent / "config" / "redis-users.acl"
EVERYBODY, EVERYBODYS_PASSWORD = "everybody", "all-of-them"


def users() -> dict[str, list[str]]:
    """User -> rules, of the file that is shipped."""
    lines = (line.split() for line in USERS_FILE.read_text().splitlines())
    return {words[1]: words[2:] for words in lines if words}


def password_of(user: str) -> str:
    """As it stands in the file."""
    (password,) = (rule[1:] for rule in users()[user] if rule.startswith(">"))
    return password


def guarded(directory: Path) -> Valkey:
    """A server with these users, and `EVERYBODY`, who has the rights of all of them together. Its default user may
    do everything, so that tests can look and empty it; not started."""
    lines = USERS_FILE.read_text().splitlines()
    assert lines[0] == "user default off"
    rights = sorted({rule for rules in users().values() for rule in rules if rule[0] in "+~%&"})
    everybody = f"user {EVERYBODY} on >{EVERYBODYS_PASSWORD} resetkeys resetchannels -@all {' '.join(rights)}"
    file = directory / "users.acl"
    file.write_text("\n".join(["user default on nopass ~* &* +@all", *lines[1:], everybody, ""]))
    return Valkey(directory, options=("--aclfile", str(file)))
