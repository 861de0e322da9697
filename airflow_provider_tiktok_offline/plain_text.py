"""Names that somebody else chose (files, columns, stores, categories), where they go into something that people read.

A file may be called anything: ``\\x1b[2K`` wipes a line of a terminal, a line break forges a line of a log or a header
of a mail, ``U+202E`` turns the rest of a line around, ``<!channel>`` wakes up everybody in Slack. Names are worked with
as they are, and shown by :func:`one_line`.
"""

from __future__ import annotations

import logging
import re
import unicodedata

#: Control characters, what is drawn as nothing or turns the direction, line and paragraph separators, half characters.
_WITHOUT_SHAPE = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs"})

#: What begins something in CommonMark or GitHub's tables and strikethrough; ``_`` within a word does not.
_MARKDOWN = re.compile(r"[\\`*\[\]<>&|~]|(?<![^\W_])_|_(?![^\W_])")


def one_line(text: str) -> str:
    """The text on one line, without effect on whatever shows it: an escape sequence is spelled out.

    Done twice it gives the same.
    """
    if text.isprintable():
        return text
    return "".join(_spelled(character) for character in text)


def lines(text: str) -> str:
    """The same for a text whose line breaks are this package's own."""
    return "\n".join(map(one_line, text.split("\n")))


def slack(text: str) -> str:
    """A text for Slack in which nothing is a mention, a link or a command.

    https://docs.slack.dev/messaging/formatting-message-text/#escaping
    """
    return lines(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def markdown(text: str) -> str:
    """A text for a page that reads Markdown, in which nothing is a link, an image, a tag or emphasis."""
    return _MARKDOWN.sub(r"\\\g<0>", one_line(text))


def plain_logger(name: str) -> logging.Logger:
    """The logger of that name, whose messages stay on their line whatever their arguments hold."""
    logger = logging.getLogger(name)
    if not any(isinstance(one, _ArgumentsOnOneLine) for one in logger.filters):
        logger.addFilter(_ArgumentsOnOneLine())
    return logger


class _ArgumentsOnOneLine(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(one if isinstance(one, int | float) else one_line(str(one)) for one in record.args)
        return True


def _spelled(character: str) -> str:
    if unicodedata.category(character) not in _WITHOUT_SHAPE:
        return character
    return character.encode("unicode_escape").decode("ascii")
