"""The post of a deployment as its settings have it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from engine.errors import BadSettings
from engine.post.seal import Seal
from engine.settings import Post

LEAST_SECRET_CHARACTERS = 32
_ID = re.compile(r"[A-Za-z0-9._-]{1,40}")


def seal_of(post: Post) -> Seal:
    """What signs and verifies mail. Raises `BadSettings` with a line for each of `faults_of_post`."""
    if faults := list(faults_of_post(post)):
        raise BadSettings("\n".join(faults))
    return Seal(post.cluster, {one.id: one.secret.get_secret_value().encode() for one in post.secrets})


def faults_of_post(post: Post) -> Iterator[str]:
    """What of it cannot be, a sentence each. No sentence holds a secret."""
    if post.on and not post.secrets:
        yield "post.on is true, and post.secrets has none to sign the mail; `openssl rand -hex 32` makes one"
    for number, one in enumerate(post.secrets):
        if not _ID.fullmatch(one.id):
            yield f"post.secrets[{number}].id: write 1 to 40 of letters, digits, dots, dashes and underscores"
        if len(one.secret.get_secret_value()) < LEAST_SECRET_CHARACTERS:
            yield (
                f"post.secrets[{number}].secret: has fewer than {LEAST_SECRET_CHARACTERS} characters; "
                "`openssl rand -hex 32` makes one"
            )
    ids = [one.id for one in post.secrets]
    for name in sorted({name for name in ids if ids.count(name) > 1}):
        yield f"post.secrets: the id {name} is there twice"
