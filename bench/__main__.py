"""`python -m bench NAME [--data DIR] [--json]`: runs one benchmark and prints its figures."""

import argparse
import importlib
import sys
from pathlib import Path

NAMES = {
    "ingest": "chunks per second of the whole pipeline against the bare encoder",
    "sync": "rates, peak memory and searches meanwhile of a sync of 20,000 documents (--documents)",
    "search": "a hybrid query with an access filter over 100,000 chunks",
    "local": "requests through the whole ask path against the same straight to vLLM",
    "reader": "how well and how fast the reader reads what it was not trained on",
    "routing": "how well the difficulty foretells wrong answers, beside other routers; --train fits it",
    "memory": "peak memory of the serving process with the demo indexed",
    "startup": "`--help`, the import of the web app, a second start of the demo",
}


def main() -> int:
    """Runs the named benchmark; an unknown name lists all and exits with 2."""
    listing = "\n".join(f"  {name:<9}{what}" for name, what in NAMES.items())
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=f"Benchmarks:\n{listing}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", choices=NAMES, metavar="NAME", help="one of the above")
    parser.add_argument(
        "--data", type=Path, help="a folder with corpora/ and qa/; texts are generated without"
    )
    parser.add_argument("--json", action="store_true", help="end with a line of JSON, the summary")
    parser.add_argument("--train", action="store_true", help="of routing: fit and write the models first")
    parser.add_argument("--documents", type=int, help="of sync: fewer documents than 20,000")
    if len(sys.argv) == 1:
        parser.print_help()
        return 2
    arguments = parser.parse_args()
    if arguments.data is not None and not arguments.data.is_dir():
        parser.error(f"{arguments.data} is not a folder")
    if arguments.train and arguments.name != "routing":
        parser.error("--train is of the routing benchmark alone")
    if arguments.documents is not None and (arguments.name != "sync" or arguments.documents < 500):
        parser.error("--documents is of the sync benchmark alone, and 500 or more")
    run = importlib.import_module(f"bench.{arguments.name}").run
    options: dict[str, int] = {"training": True} if arguments.train else {}
    if arguments.documents is not None:
        options["documents"] = arguments.documents
    run(arguments.data, arguments.json, **options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
