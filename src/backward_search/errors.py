"""Errors that a user can cause. A script prints them as one line and exits with code 2."""


class UserError(Exception):
    """Something the user can put right: the message says what was found, what was expected and what to do."""


class OptionError(UserError, ValueError):
    """Options, or arguments of a program, that contradict each other or name something that does not exist."""


class DataError(UserError):
    """A file or folder whose content is not what its place promises."""


class TooLargeError(DataError):
    """A picture of more pixels than are allowed."""


class UnreadableError(DataError):
    """A picture that cannot be read, among others that a stage may leave out."""


class TooFewQueriesError(DataError):
    """A task has fewer queries than are asked for.

    Attributes:
        possible: at most how many it has.
    """

    def __init__(self, message: str, possible: int) -> None:
        """With what to do about it."""
        super().__init__(message)
        self.possible = possible


class MissingError(UserError):
    """A file that an earlier stage or a download should have put in place."""


class StaleError(UserError):
    """Stored results that come from other settings or other inputs than those asked for."""


class PartnerError(UserError):
    """Another process that this one works with has ended."""
