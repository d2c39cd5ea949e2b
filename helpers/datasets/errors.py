"""The one error a student sees when a data set can't be had."""


class DataError(RuntimeError):
    """A data set is missing, damaged or out of reach.

    The message names the data set, what was expected, what was found, and what to do.
    """


def data_error(dataset: str, *, expected: str, found: str, remedy: str) -> DataError:
    """Word a `DataError` the way every one of them is worded."""
    return DataError(
        f"data set {dataset!r} is not usable.\n"
        f"  expected: {expected}\n"
        f"  found:    {found}\n"
        f"  what to do: {remedy}"
    )
