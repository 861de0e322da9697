"""How a command ends: exit codes, and one clear line instead of a traceback."""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable
from datetime import date
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions

from airflow_provider_tiktok_offline.plain_text import lines

#: Rows rejected above the gate, or part of the work refused.
REFUSED = 1
#: Input, configuration or the command line can't be used.
UNUSABLE = 2
#: Set by ``tiktok-offline --debug``.
DEBUG_VARIABLE = "TIKTOK_OFFLINE_DEBUG"
_PIPE_WIDTH = 240


def guarded(command: Callable[[], object]) -> None:
    """Run the command line and turn what goes wrong into one line on stderr and an exit code."""
    from airflow_provider_tiktok_offline.errors import TikTokOfflineError

    signal.signal(signal.SIGINT, _interrupt)
    try:
        command()
    except SystemExit:
        raise
    except TikTokOfflineError as error:
        if _debugging():
            _show_places(error)
        if error.exit_code == 0:
            warn(str(error))
            raise SystemExit(0) from None
        _fail(str(error), error.exit_code)
    except Interrupted:
        _fail("interrupted; the same command goes on from where it stopped.", 128 + signal.SIGINT)
    except BaseException as error:
        # A panic in a native library is no Exception.
        if _debugging():
            _show_places(error)
            _fail(f"unexpected {type(error).__name__}; its text is not shown, since it may hold a value.", UNUSABLE)
        _fail(
            f"unexpected {type(error).__name__}. Run it again as `tiktok-offline --debug ...` to see where.", UNUSABLE
        )


def _show_places(error: BaseException) -> None:
    """The traceback by its places: no text of a library, and no line of code."""
    console = messages()
    for frame, line in traceback.walk_tb(error.__traceback__):
        console.print(f"  {frame.f_code.co_filename}:{line} in {frame.f_code.co_name}")


class Interrupted(BaseException):
    """Ctrl-C. Not KeyboardInterrupt, which the command line's parser would turn into its own exit code 1."""


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise Interrupted


def print_lines(lines: Iterable[str]) -> None:
    """Print many lines; a reader that goes away, as ``| head`` does, ends it quietly."""
    try:
        sys.stdout.buffer.writelines(f"{line}\n".encode() for line in lines)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_json(value: object) -> None:
    """Print a result as JSON: bytes as hex digits, times in ISO 8601."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=_json_form) + "\n")


def _json_form(value: object) -> str:
    match value:
        case bytes():
            return value.hex()
        case date():
            return value.isoformat()
    return str(value)


def output(*, markup: bool = False) -> Console:
    """The console for results.

    :param markup: take ``[bold]`` and the like for styles; never where a file's name is printed.
    """
    from rich.console import Console

    # A table in a file or pipe is not cut to the width of a terminal that is not there.
    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    return _plain(Console(highlight=False, soft_wrap=True, markup=markup, width=width))


def messages() -> Console:
    """The console for progress, warnings and errors."""
    from rich.console import Console

    return _plain(Console(stderr=True, highlight=False, soft_wrap=True, markup=False))


def _plain(console: Console) -> Console:
    """The console, to which no character of a name is a command."""
    from rich.console import ConsoleRenderable, RenderHook
    from rich.segment import Segment

    class Plain:
        def __init__(self, shown: ConsoleRenderable) -> None:
            self._shown = shown

        def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterable[Segment]:
            for segment in console.render(self._shown, options):
                yield segment if segment.control else Segment(lines(segment.text), segment.style)

    class Hook(RenderHook):
        def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
            return [Plain(one) for one in renderables]

    console.push_render_hook(Hook())
    return console


def warn(text: str) -> None:
    """One warning on stderr."""
    from rich.text import Text

    messages().print(Text.assemble(("warning: ", "yellow"), text))


def complain(text: str) -> None:
    """One error on stderr."""
    from rich.text import Text

    messages().print(Text.assemble(("error: ", "bold red"), text))


def _fail(text: str, code: int) -> NoReturn:
    complain(text)
    raise SystemExit(code)


def _debugging() -> bool:
    return bool(os.environ.get(DEBUG_VARIABLE))
