"""Grade what a class handed in: from files to a gradebook and feedback pages.

A submission passes through these modules: `submissions` finds its file in a folder or
zip, `read` takes the cells out of it, `merge` carries the student's answers into the
instructor's notebook, `runner` has `pytest --nbval` run that in isolation, and `score`
turns what was recorded into points. `mark` is all of this for one submission: a pure
function of the exercise and the bytes handed in.

Behind `runner`, `sandbox` starts the process (`warm`) that forks a kernel per
submission, with `limits`; `given` and `once` run but once what is the same for all.
`copies` puts beside each check one (`blind`) that knows no expected values, so that no
verdict rests on the process in which the student's code runs.

`schedule` marks many on this machine, `cluster` on several. `store` keeps each result
as it comes, `policy` applies what the instructor decided, `outputs` writes it all down
(`results`, `gradebook`, `feedback`, `lms`), and `command` ties the steps together.
"""


class GradeError(ValueError):
    """Grading cannot start or go on; the message says why and what to do."""
