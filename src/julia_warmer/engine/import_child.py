"""The process that reads a file for an import: `python -m julia_warmer.engine.import_child PIPE`, started by `engine/import_reader`."""

import sys

from julia_warmer.engine.import_reader import main

if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
