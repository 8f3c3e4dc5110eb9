"""What makes a notebook unfit for publishing, said in one sentence."""

import logging
import sys

from nbconvert.utils.exceptions import ConversionException


class ArticleError(ConversionException):
    """A notebook cannot become an article; the message names the file and the cell."""


class OneSentence(logging.Filter):
    """Keep of a logged `ArticleError` its sentence, where nbconvert would add a traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else sys.exc_info()[1]
        if record.exc_info and isinstance(error, ArticleError):
            record.msg, record.args, record.exc_info = str(error), (), None
        return True
