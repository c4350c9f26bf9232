"""How the service is seen to run: its log, its metrics. Knows no resource and no table."""

from service.telemetry.log import bound_contextvars, configure_logging, current_request_id, get_logger

__all__ = ["bound_contextvars", "configure_logging", "current_request_id", "get_logger"]
