"""Hardware descriptions that ship with xbarsim, as data."""
