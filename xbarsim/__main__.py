"""``python -m xbarsim``: the command line where the script is not on the path."""

from xbarsim.cli import main

if __name__ == "__main__":
    main()
