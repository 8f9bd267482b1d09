"""xbarsim: exact and fast simulation of memristive crossbars and processing-in-memory chips."""

__version__ = "0.1.0"
