"""The catalogue of errors."""

import re

import pytest

from service.error_kinds import KINDS, TABLES


@pytest.mark.parametrize("code", KINDS)
def test_every_kind_is_told_in_whole_sentences(code: str) -> None:
    kind = KINDS[code]
    assert re.fullmatch(r"[a-z_]+", code)
    assert 400 <= kind.status < 600
    assert kind.title[0].isupper()
    assert not kind.title.endswith(".")
    assert kind.meaning.endswith(".")
    assert kind.remedy.endswith(".")


def test_no_two_tables_have_the_same_code() -> None:
    assert len(KINDS) == sum(map(len, TABLES))
