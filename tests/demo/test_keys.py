"""The demo's keys: visitor tokens are signed by a key of its own, unless the settings have some."""

from __future__ import annotations

import json

from engine.demo.keys import DemoKeys
from engine.settings import TokenKey
from engine.web.auth.token_keys import faults_of_token_keys


def test_a_key_signs_visitor_tokens_unless_the_settings_have_one() -> None:
    (made,) = json.loads(DemoKeys().environment()["CUELINE_WEB__TOKEN_KEYS"])
    key = TokenKey.model_validate(made)
    assert list(faults_of_token_keys([key])) == []
    assert "CUELINE_WEB__TOKEN_KEYS" not in DemoKeys([key]).environment()
