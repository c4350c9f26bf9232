"""How often somebody may ask: token buckets in Redis, shared by all processes. Knows no HTTP.

One Lua script takes tokens. A process takes several at once and spends them from its own memory, so that most
requests cost no word with Redis; a bucket that is empty is remembered too, so that a flood costs none either.
"""

import logging
import math
import threading
import time
from dataclasses import dataclass

import redis

PREFIX = "gradhouse:rate:"
PART = 20  # so many parts of a bucket: what a process takes at once
KEPT_SECONDS = 1.0  # tokens that were taken and not spent for so long are lost
REST_SECONDS = 5.0  # a broker that did not answer is not asked again for so long
MOST_REMEMBERED = 10_000  # buckets in a process's memory

# KEYS: the bucket. ARGV: tokens a second, size, tokens wanted. Gives what was taken and what is left.
# The time is Redis's own: the clocks of many hosts need not agree.
TAKE = """
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local rate, size, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local state = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local passed = math.max(0, now - (tonumber(state[2]) or now))
local tokens = math.min(size, (tonumber(state[1]) or size) + passed * rate)
local taken = math.min(wanted, math.floor(tokens))
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens - taken), 'at', string.format('%.6f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil(size / rate * 1000) + 1000)
return {taken, tostring(tokens - taken)}
"""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Policy:
    """A kind of bucket: its name, how many tokens come a second, and how many it holds."""

    name: str
    rate: float
    size: int

    @property
    def header(self) -> str:
        """The policy as the RateLimit-Policy field has it (draft-ietf-httpapi-ratelimit-headers-10)."""
        return f'"{self.name}";q={self.size};w={math.ceil(self.size / self.rate)}'


@dataclass(frozen=True, slots=True)
class Allowance:
    """Whether a request may pass, and what its sender is told."""

    granted: bool
    remaining: int
    wait_seconds: int  # until there is a token again; 0 where one was left


class BrokerAway(Exception):
    """Redis does not answer, so nobody can say who may pass."""


@dataclass(slots=True)
class _Held:
    tokens: int  # taken from the bucket, not yet spent
    behind: float  # in the bucket when it was last asked
    until: float  # the tokens are good, or the bucket counts as empty, until then


class Rates:
    """Buckets of one policy, for any number of threads."""

    def __init__(self, client: "redis.Redis", policy: Policy) -> None:
        self.policy = policy
        self._take = client.register_script(TAKE)
        self._lock = threading.Lock()
        self._held: dict[str, _Held] = {}
        self._resting_until = 0.0

    def spend(self, who: str) -> Allowance:
        """Takes a token from somebody's bucket. Raises BrokerAway."""
        now = time.monotonic()
        with self._lock:
            held = self._held.get(who)
            if held is not None and now < held.until:
                return self._spent(held, now)
        fresh = self._fetch(who, now)
        with self._lock:
            if len(self._held) >= MOST_REMEMBERED:
                self._held.clear()
            other = self._held.get(who)
            if other is not None and now < other.until:
                fresh.tokens += other.tokens  # another thread fetched too
            self._held[who] = fresh
            return self._spent(fresh, now)

    def _spent(self, held: _Held, now: float) -> Allowance:
        if held.tokens == 0:
            return Allowance(granted=False, remaining=0, wait_seconds=max(1, math.ceil(held.until - now)))
        held.tokens -= 1
        if held.tokens == 0:
            held.until = 0.0  # the next one asks Redis again
        return Allowance(granted=True, remaining=held.tokens + int(held.behind), wait_seconds=0)

    def _fetch(self, who: str, now: float) -> _Held:
        if now < self._resting_until:
            raise BrokerAway
        policy = self.policy
        wanted = max(1, min(policy.size // PART, int(policy.rate * KEPT_SECONDS)))
        try:
            taken, left = self._take(
                keys=[f"{PREFIX}{policy.name}:{who}"], args=[policy.rate, policy.size, wanted]
            )
        except (redis.RedisError, OSError) as error:
            self._resting_until = time.monotonic() + REST_SECONDS
            _log.warning("the broker does not count requests: %s", error)
            raise BrokerAway from None
        behind = float(left)
        pause = KEPT_SECONDS if taken else (1 - behind) / policy.rate
        return _Held(int(taken), behind, time.monotonic() + pause)
