"""FastAPI's own telemetry, off: its spans and logs would hold what people wrote. It must not know an application."""

from fastapi.telemetry import TelemetryConfig

NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "operation_spans": False, "auto_configure": False}
