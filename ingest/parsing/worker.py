"""The parsing process: reads documents from standard input, writes their text to standard output.

Started by `ingest.parsing.process` with its limits as arguments. It holds no secrets, opens no file and
no connection; what a hostile document does to it ends with it.
"""

import os
import resource
import sys
from dataclasses import replace
from typing import IO, Any

from ingest.parsing.document import ParseError
from ingest.parsing.formats import parse_bytes
from ingest.parsing.language import language_of
from ingest.parsing.wire import LENGTH_BYTES, answer_of, frame, unframe

EXIT_AFTER_MEMORY_ERROR = 77


def main(memory_bytes: int, cpu_seconds: int) -> None:
    """Serves until its input ends.

    Args:
        memory_bytes: the most address space it may take.
        cpu_seconds: the most processor time one document may take.
    """
    # Whatever a library prints must not end up between our messages.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # The language model counts with numpy; a pool of threads would take most of the memory allowed.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    questions = sys.stdin.buffer
    while header := questions.read(LENGTH_BYTES):
        _limit_processor_time(cpu_seconds)
        answer = _answer(questions, int.from_bytes(header, "big"))
        answers.write(frame(answer))
        answers.flush()
        if answer.get("code") == "too_much_memory":
            os._exit(EXIT_AFTER_MEMORY_ERROR)


def _answer(questions: IO[bytes], length: int) -> dict[str, Any]:
    try:
        question = unframe(questions.read(length))
        parsed = parse_bytes(question["file_name"], question["media_type"], question["content"])
        return answer_of(replace(parsed, language=language_of(parsed.text)))
    except ParseError as error:
        return {"code": error.code, "reason": error.reason}
    except MemoryError:
        return {"code": "too_much_memory", "reason": "Parsing it took more memory than is allowed."}
    except Exception as error:  # noqa: BLE001 - a parser's own bug is a named failure of this document
        return {
            "code": "parser_crashed",
            "reason": f"The parser failed: {type(error).__name__}: {error}"[:500],
        }


def _limit_processor_time(cpu_seconds: int) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime) + cpu_seconds + 1
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.getrlimit(resource.RLIMIT_CPU)[1]))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
