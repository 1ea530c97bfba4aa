"""``python -m lmaps_science``: the command line."""

from lmaps_science.cli import main

if __name__ == "__main__":
    main()
