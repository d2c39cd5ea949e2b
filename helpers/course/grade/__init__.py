"""Grade a folder of submissions: from files to a gradebook and feedback pages.

A submission passes through five steps, a module each: `submissions` finds the files,
`read` takes the cells out of a file, `merge` carries the student's answers into the
instructor's notebook, `run` has `pytest --nbval` run that in a process of its own, and
`score` turns what the run recorded into points. `gradebook` and `feedback` write it
down; `command` ties the steps together.
"""


class GradeError(ValueError):
    """Grading cannot start or go on; the message says why and what to do."""
