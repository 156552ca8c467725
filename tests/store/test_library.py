"""The function library as it is loaded."""

from __future__ import annotations

import re

from engine.store.functions import library
from engine.store.keys import DAY_S, HISTORY, RECENT_CUES


def test_the_library_has_the_facts_that_python_has() -> None:
    code = library.code().decode()
    assert code.startswith(f"#!lua name={library.LIBRARY}\n")
    assert f"local HISTORY = {HISTORY}\nlocal RECENT_CUES = {RECENT_CUES}\nlocal DAY_S = {DAY_S}\n" in code
    assert not re.search(r"\$[A-Z{]", code)
    registered = re.findall(r"register_function\('(\w+)'", code)
    functions = (
        library.CUES,
        library.RESERVE,
        library.TAKEN,
        library.CONSENT,
        library.TURN,
        library.ERASE,
        library.LEARN,
        library.NAME,
        library.ADMIT_LESSON,
        library.FORGET,
        library.SPEND,
        library.TRAITS,
        library.AGENTS,
    )
    assert registered == list(functions)
