"""Histories: packed, cut, joined, and fit for JSON."""

import json
import math

import numpy as np
import pytest
from safetensors.numpy import save

from engine.errors import BadModel
from engine.training.records.history import HistoryBlock
from tests.engine.trainings import same_bits

BLOCK = HistoryBlock(
    5,
    {
        "train_loss": np.array([0.5, 0.25, 0.125]),
        "val_r2": np.array([math.nan, -math.inf, 0.1]),
        "learning_rate": np.array([1.0, 0.9, 0.8]),
    },
)


def test_rows_are_json_with_none_for_what_is_not_finite() -> None:
    rows = list(BLOCK.rows())
    assert rows == [
        {"epoch": 5, "train_loss": 0.5, "val_r2": None, "learning_rate": 1.0},
        {"epoch": 6, "train_loss": 0.25, "val_r2": None, "learning_rate": 0.9},
        {"epoch": 7, "train_loss": 0.125, "val_r2": 0.1, "learning_rate": 0.8},
    ]
    json.dumps(rows, allow_nan=False)


def test_some_rows_may_be_asked_for() -> None:
    assert [row["epoch"] for row in BLOCK.rows(1)] == [6, 7]
    assert [row["epoch"] for row in BLOCK.rows(0, 2)] == [5, 6]
    assert list(BLOCK.rows(3)) == []


def test_a_block_knows_its_length_and_its_last_epoch() -> None:
    assert (len(BLOCK), BLOCK.first_epoch, BLOCK.last_epoch) == (3, 5, 7)
    assert len(HistoryBlock(1, {})) == 0


def test_a_packed_block_comes_back_to_the_bit_in_its_order() -> None:
    assert same_bits(HistoryBlock.from_bytes(BLOCK.to_bytes()), BLOCK)
    assert {BLOCK.to_bytes() for _ in range(20)} == {HistoryBlock.from_bytes(BLOCK.to_bytes()).to_bytes()}


def test_a_column_that_says_one_thing_all_along_takes_one_number() -> None:
    falling = np.linspace(1, 0, 4096)
    constant = {"learning_rate": np.full(4096, 0.1), "val_loss": np.full(4096, math.nan)}
    block = HistoryBlock(1, {"train_loss": falling, **constant})
    assert len(block.to_bytes()) < len(HistoryBlock(1, {"train_loss": falling}).to_bytes()) + 300
    assert same_bits(HistoryBlock.from_bytes(block.to_bytes()), block)
    signs = HistoryBlock(1, {"train_loss": np.array([0.0, -0.0])})
    assert same_bits(HistoryBlock.from_bytes(signs.to_bytes()), signs)


def test_a_block_that_was_packed_with_its_repeats_is_read_too() -> None:
    facts = {"first_epoch": 1, "order": ["learning_rate"]}
    packed = save({"learning_rate": np.full(3, 0.1)}, metadata={"history": json.dumps(facts)})
    assert same_bits(HistoryBlock.from_bytes(packed), HistoryBlock(1, {"learning_rate": np.full(3, 0.1)}))


def test_blocks_that_follow_each_other_are_one() -> None:
    first = HistoryBlock(5, {name: column[:1] for name, column in BLOCK.columns.items()})
    rest = HistoryBlock(6, {name: column[1:] for name, column in BLOCK.columns.items()})
    assert same_bits(HistoryBlock.concatenate([first, rest]), BLOCK)
    assert same_bits(HistoryBlock.concatenate(iter([BLOCK])), BLOCK)


@pytest.mark.parametrize(
    "data",
    [b"", b"junk", BLOCK.to_bytes()[:40], BLOCK.to_bytes()[:-1], b"\xff" * 64],
    ids=["empty", "junk", "head", "short", "wild"],
)
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(BadModel, match="corrupt"):
        HistoryBlock.from_bytes(data)


def test_rows_are_picked_by_their_places() -> None:
    block = HistoryBlock(5, {"train_loss": np.array([1.0, np.nan, 3.0])})
    assert list(block.rows_at([0, 2])) == [{"epoch": 5, "train_loss": 1.0}, {"epoch": 7, "train_loss": 3.0}]
    assert list(block.rows_at([1])) == list(block.rows(1, 2)) == [{"epoch": 6, "train_loss": None}]
