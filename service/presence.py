"""Who is at work: workers say so in the broker's memory every few seconds, with what they have done.

Nothing here must not be lost: after a restart of the broker the living have said it again in a moment. The
moments are the broker's own clock's, for the clocks of many hosts differ.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
import redis

from service.broker import QUEUE, connect
from service.settings import Settings

WORKERS = "gradhouse:workers"  # a sorted set: worker → the time until which it counts as there
WORKER_FACTS = "gradhouse:workers:facts"  # a hash: worker → JSON
PROCESSES = "gradhouse:processes"  # a hash: training process → JSON
TRAINED = "gradhouse:trained"  # a hash: what all of them have done since the broker started
FORGET_SECONDS = 60.0
SILENT_SECONDS = 15.0  # a training process that says nothing for so long counts as gone

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Present:
    """A worker, or one of its training processes, and when it last gave a sign of life."""

    name: str
    age_seconds: float
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Crew:
    """All who are there, what they have trained, and the messages that wait for them."""

    workers: tuple[Present, ...]
    processes: tuple[Present, ...]
    steps: float
    seconds: float
    messages: int


class Presence:
    """Says and asks who is there; a broker that is away is no error, but an answer of None."""

    def __init__(self, settings: Settings) -> None:
        self._redis = connect(settings)

    def announce(self, worker: str, seconds: float, facts: Mapping[str, Any] | None = None) -> None:
        """Says that a worker is there, for so long; forgets those that have long been silent."""

        def speak() -> None:
            now = self._now()
            old = [name for name, said in self._said(PROCESSES).items() if said["at"] < now - FORGET_SECONDS]
            gone = self._redis.zrangebyscore(WORKERS, 0, now - FORGET_SECONDS)
            with self._redis.pipeline(transaction=False) as pipe:
                pipe.zadd(WORKERS, {worker: now + seconds})
                pipe.hset(WORKER_FACTS, worker, orjson.dumps({**(facts or {}), "at": now}))
                if gone:
                    pipe.zrem(WORKERS, *gone)
                    pipe.hdel(WORKER_FACTS, *gone)
                if old:
                    pipe.hdel(PROCESSES, *old)
                pipe.execute()

        self._ask(speak)

    def retire(self, worker: str) -> None:
        """Takes a worker's announcement back, and those of its processes."""

        def leave() -> None:
            mine = [name for name in self._said(PROCESSES) if name.startswith(worker)]
            with self._redis.pipeline(transaction=False) as pipe:
                pipe.zrem(WORKERS, worker)
                pipe.hdel(WORKER_FACTS, worker)
                if mine:
                    pipe.hdel(PROCESSES, *mine)
                pipe.execute()

        self._ask(leave)

    def report(self, process: str, facts: Mapping[str, Any], *, steps: int, seconds: float) -> bool:
        """A training process is there, and has done so many steps and seconds more; False if unheard."""

        def speak() -> bool:
            now = self._now()
            with self._redis.pipeline(transaction=True) as pipe:
                pipe.hset(PROCESSES, process, orjson.dumps({**facts, "at": now}))
                if steps or seconds:
                    pipe.hincrby(TRAINED, "steps", steps)
                    pipe.hincrbyfloat(TRAINED, "seconds", seconds)
                pipe.execute()
            return True

        return self._ask(speak) or False

    def crew(self) -> Crew | None:
        """All who are there now; None if the broker is away."""
        return self._ask(self._read)

    def workers(self) -> int:
        """How many workers are there; 0 if the broker is away."""
        return self._ask(lambda: int(self._redis.zcount(WORKERS, self._now(), "+inf"))) or 0

    def close(self) -> None:
        """Gives the connections back."""
        self._redis.close()

    def _read(self) -> Crew:
        now = self._now()
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.zrangebyscore(WORKERS, now, "+inf")
            pipe.hgetall(TRAINED)
            pipe.llen(QUEUE)
            names, trained, messages = pipe.execute()
        said = self._said(WORKER_FACTS)
        workers = [_present(name.decode(), said.get(name.decode(), {"at": now}), now) for name in names]
        processes = [_present(name, facts, now) for name, facts in self._said(PROCESSES).items()]
        return Crew(
            workers=tuple(sorted(workers, key=lambda each: each.name)),
            processes=tuple(each for each in processes if each.age_seconds < SILENT_SECONDS),
            steps=float(trained.get(b"steps", 0)),
            seconds=float(trained.get(b"seconds", 0)),
            messages=messages,
        )

    def now_seconds(self) -> float:
        """The broker's clock, in seconds since 1970. Raises RedisError."""
        return self._now()

    def _now(self) -> float:
        seconds, microseconds = self._redis.time()
        return float(seconds) + float(microseconds) * 1e-6

    def _said(self, key: str) -> dict[str, dict[str, Any]]:
        said: Any = self._redis.hgetall(key)
        return {name.decode(): orjson.loads(facts) for name, facts in said.items()}

    @staticmethod
    def _ask(question: Callable[[], _T]) -> _T | None:
        try:
            return question()
        except (redis.RedisError, OSError) as error:
            _log.warning("the broker does not answer: %s", error)
            return None


def _present(name: str, facts: dict[str, Any], now: float) -> Present:
    return Present(name, max(0.0, now - facts["at"]), {key: facts[key] for key in facts if key != "at"})
