"""The broker: sends the hint that a job wants a worker, and runs the Celery worker that hears it.

The only module that knows Celery. A message carries no truth: the rows do.
"""

import logging
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import redis
from celery import Celery, signals
from celery.apps import worker as celery_worker
from celery.exceptions import SecurityWarning, WorkerLostError
from kombu.exceptions import OperationalError
from kombu.transport import redis as kombu_redis
from kombu.transport import virtual

from service.settings import Settings

QUEUE = "gradhouse"
TASK = "gradhouse.work"
ENOUGH_MESSAGES = 64  # as many wake every idle process there may be, and the rows keep them awake
REST_SECONDS = 5.0  # no sending for so long after a failure: the sweeper does it later

_log = logging.getLogger(__name__)


class SlotFreeingQoS(kombu_redis.QoS):
    """Gives the prefetch slot of a message back even when its ack fails.

    Kombu talks to Redis first and forgets the message second. When that talk fails, Celery logs it and goes
    on, but the slot is gone for ever: after `prefetch_count` of these the worker lives and hears nothing.
    """

    def ack(self, delivery_tag: str) -> None:
        """Acknowledges, and frees the slot whatever happens."""
        try:
            super().ack(delivery_tag)  # type: ignore[no-untyped-call]  # kombu has no types
        except (*self.channel.connection_errors, OSError):
            virtual.QoS.ack(self, delivery_tag)  # type: ignore[no-untyped-call]  # kombu has no types
            raise


kombu_redis.Channel.QoS = SlotFreeingQoS


def make_celery(settings: Settings, *, patience_seconds: float) -> Celery:
    """The Celery application; `patience_seconds` bounds every single word with the broker."""
    app = Celery("gradhouse", broker=_kombu_url(settings.broker), set_as_current=False)
    app.conf.update(
        result_backend=None,
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        task_default_queue=QUEUE,
        task_serializer="json",
        accept_content=["json"],
        task_acks_late=True,
        task_acks_on_failure_or_timeout=True,
        task_reject_on_worker_lost=False,  # would loop for ever on a job that kills its worker
        task_publish_retry=False,
        worker_prefetch_multiplier=1,
        worker_lost_wait=1.0,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        # A hiccup of the broker must not end a training.
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_proc_alive_timeout=30,
        broker_connection_retry=True,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_connection_timeout=2,
        broker_pool_limit=8,
        broker_pool_acquire_timeout=1,
        broker_transport_options={
            "visibility_timeout": 21_600,
            "socket_timeout": patience_seconds,
            "socket_connect_timeout": min(patience_seconds, 2),
            "socket_keepalive": True,
            "health_check_interval": 10,
            "retry_on_timeout": False,
        },
    )
    return app


def _kombu_url(url: str) -> str:
    # redis-py and kombu disagree about the spelling of a socket.
    return url.replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=", 1)


def connect(settings: Settings, *, patience_seconds: float = 1.0) -> redis.Redis:
    """A client of the broker's memory; `patience_seconds` bounds every single word with it."""
    url = settings.broker.replace("redis+socket://", "unix://", 1).replace("?virtual_host=", "?db=", 1)
    return redis.Redis.from_url(
        url, socket_timeout=patience_seconds, socket_connect_timeout=patience_seconds, retry=None
    )


class Broker:
    """The sending side, for many threads: it never raises for a broker that is away, nor waits long."""

    def __init__(self, settings: Settings) -> None:
        self._app = make_celery(settings, patience_seconds=1.0)
        self._task = self._app.signature(TASK)
        self._redis = connect(settings)
        self._resting_until = 0.0

    def send(self, job_id: str) -> bool:
        """Sees to it that a worker wakes for the job; False if the broker is away: the sweeper sends later.

        Call it after the commit: a worker may look at once.
        """
        if time.monotonic() < self._resting_until:
            return False
        try:
            # A message too many costs its sender and its receiver more than this look.
            if self._redis.llen(QUEUE) < ENOUGH_MESSAGES:
                self._app.send_task(TASK, (job_id,), queue=QUEUE, retry=False)
        except (OperationalError, redis.RedisError, OSError) as error:
            self._resting_until = time.monotonic() + REST_SECONDS
            _log.warning("the broker is away, the sweeper will send: %s", error)
            return False
        return True

    def ping(self) -> bool:
        """Says whether the broker answers."""
        return bool(self._ask(self._redis.ping, otherwise=False))

    def depth(self) -> int | None:
        """How many messages are ready; None if the broker is away."""
        ready: int | None = self._ask(lambda: self._redis.llen(QUEUE), otherwise=None)
        return ready

    def close(self) -> None:
        """Gives all connections back."""
        self._app.close()
        self._redis.close()

    @staticmethod
    def _ask(question: Callable[[], Any], *, otherwise: Any) -> Any:
        try:
            return question()
        except (redis.RedisError, OSError) as error:
            _log.warning("the broker does not answer: %s", error)
            return otherwise


@dataclass(frozen=True, slots=True)
class WorkerHooks:
    """What the Celery worker calls: `work` and `child_started` in its children, the others in itself."""

    work: Callable[[], None]
    child_started: Callable[[], None]
    ready: Callable[[], None]
    every_second: Callable[[], None]
    child_lost: Callable[[], None]
    stopping: Callable[[], None]


def run_worker(settings: Settings, hooks: WorkerHooks) -> int:
    """Runs the Celery worker in this process until a signal ends it; gives the exit code."""
    # Celery warns of root because of pickled messages: ours are JSON, and nothing in them is trusted.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    celery_worker.safe_say = _say  # it would print past the log
    app = make_celery(settings, patience_seconds=5.0)
    kept = _connect(app, hooks)

    @app.task(name=TASK)  # type: ignore[untyped-decorator]  # Celery has no types
    def work(_job_id: str) -> None:
        # Which job is next is for the database to say; the id is for people who look into the queue.
        hooks.work()

    worker = app.Worker(
        pool="prefork",
        concurrency=settings.concurrency,
        queues=[QUEUE],
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        quiet=True,
        loglevel=settings.log_level,
    )
    worker.start()
    del kept
    return int(worker.exitcode or 0)


def _say(text: str, _stream: object = None) -> None:
    _log.info("%s", text.strip())


def _connect(app: Celery, hooks: WorkerHooks) -> list[Any]:
    # Celery keeps weak references to its receivers: the caller holds this list.
    def on_ready(sender: Any, **_: Any) -> None:
        hooks.ready()
        # The consumer sends `ready` again after every reconnect, and may have cleared its timers.
        sender.timer.call_repeatedly(1.0, hooks.every_second)

    def on_failure(exception: BaseException | None = None, **_: Any) -> None:
        if isinstance(exception, WorkerLostError):
            hooks.child_lost()

    def on_child(**_: Any) -> None:
        hooks.child_started()

    def on_stop(**_: Any) -> None:
        hooks.stopping()

    def on_logging(**_: Any) -> None:
        """Keeps Celery from setting up logging: the process has done it."""

    signals.worker_ready.connect(on_ready)
    signals.task_failure.connect(on_failure)
    signals.worker_process_init.connect(on_child)
    signals.worker_shutting_down.connect(on_stop)
    signals.setup_logging.connect(on_logging)
    return [on_ready, on_failure, on_child, on_stop, on_logging, app]
