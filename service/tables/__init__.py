"""The memory of the service: tables and every query on them. Imports no Flask and no queue."""
