"""What `cueline doctor` and a start say of the mail between partitions."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from engine.demo.keys import DemoKeys
from engine.errors import BadSettings
from engine.ports.health import WorkerReport
from engine.process.doctor.post import post_findings
from engine.process.post import faults_of_post, seal_of
from engine.settings import Post

GOOD = {"id": "2026-01", "secret": "s" * 32}
OTHER = {"id": "other", "secret": "t" * 32}


def post(on: bool = False, *secrets: dict[str, str]) -> Post:
    return Post.model_validate({"on": on, "secrets": list(secrets)})


def report(keys: tuple[str, ...] | None) -> WorkerReport:
    return WorkerReport("one", 1, 1, 0, (), keys)


OLD, WITH, WITHOUT = report(None), report(("other", "2026-01")), report(())


@pytest.mark.parametrize(
    ("settings", "reports", "state", "said"),
    [
        (post(), [], "good", "no worker is running"),
        (post(), [WITH, None], "good", "off; every worker can read mail"),
        (post(), [WITH, OLD, OLD], "good", "partitions 1, 2 have workers that cannot read mail"),
        (post(True, GOOD), [WITH, WITH], "good", "on; 2 partitions"),
        (post(True, GOOD), [WITH, OLD], "bad", "partitions 1 have workers that cannot read mail"),
        (post(True, GOOD), [WITHOUT, WITH], "bad", "partitions 0 have workers without the secret '2026-01'"),
        (post(False, GOOD), [WITHOUT, WITH], "warning", "partitions 0 have workers without the secret '2026-01'"),
        (post(False, GOOD, OTHER), [report(("2026-01",))], "good", "off; every worker"),
        (post(True), [], "bad", "post.secrets has none"),
    ],
)
def test_whether_it_may_be_switched_on(
    settings: Post, reports: list[WorkerReport | None], state: str, said: str
) -> None:
    (found,) = post_findings(settings, reports)
    assert (found.name, found.state) == ("post", state)
    assert said in found.detail


def test_a_report_of_before_is_of_a_worker_that_cannot_read_mail() -> None:
    before = b'{"worker":"a","connection":1,"beat":1,"lag":0,"problems":[]}'
    assert msgspec.json.decode(before, type=WorkerReport).mail_keys is None
    assert msgspec.json.decode(msgspec.json.encode(WITHOUT), type=WorkerReport).mail_keys == ()


@pytest.mark.parametrize(
    ("secrets", "said"),
    [
        ([{**GOOD, "id": "a:b"}], r"post.secrets\[0\].id"),
        ([{**GOOD, "id": ""}], r"post.secrets\[0\].id"),
        ([GOOD, {**GOOD, "id": "x" * 41}], r"post.secrets\[1\].id"),
        ([{**GOOD, "secret": "s" * 31}], r"post.secrets\[0\].secret"),
        ([GOOD, OTHER, GOOD], "2026-01 is there twice"),
    ],
)
def test_secrets_that_cannot_be_are_refused_and_not_shown(secrets: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(BadSettings, match=said) as refused:
        seal_of(post(True, *secrets))
    assert "sss" not in str(refused.value)
    assert post_findings(post(False, *secrets), [])


def test_the_first_secret_signs() -> None:
    seal = seal_of(post(True, GOOD, OTHER))
    assert (seal.cluster, seal.ids) == ("cueline", ("2026-01", "other"))
    assert seal.sign(0, b"k", b"v").startswith(b"2026-01:")
    assert seal_of(post()).ids == ()


def test_a_demo_has_a_secret_of_its_own() -> None:
    one, other = (DemoKeys().environment()["CUELINE_POST__SECRETS"] for _ in range(2))
    assert one != other
    settings = Post.model_validate({"on": True, "secrets": msgspec.json.decode(one)})
    assert not list(faults_of_post(settings))
