"""Grade on several machines, with dask.distributed.

Grading one submission is a pure function of the exercise and the bytes handed in, so
that a task that was lost with its worker runs again on another, with the same result.
Each worker opens one runner, at its first submission, and keeps it.

The scheduler and its workers are started as for any other use of Dask; the course must
be installed on each machine, in the same version:

    dask scheduler --host 10.0.0.1
    DASK_DISTRIBUTED__WORKER__DAEMON=False dask worker tcp://10.0.0.1:8786

Whoever reaches a scheduler can run code on its workers: keep it on a closed network, or
set up TLS (https://distributed.dask.org/en/stable/tls.html).
"""

import logging
import multiprocessing
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import islice
from threading import Lock

import dask
import nbformat
from distributed import (
    Client,
    Future,
    LocalCluster,
    Worker,
    WorkerPlugin,
    as_completed,
    get_worker,
)

from helpers.course.grade import GradeError
from helpers.course.grade.copies import blinded
from helpers.course.grade.exercise import Exercise
from helpers.course.grade.mark import check_solution, failed, mark
from helpers.course.grade.runner import Runner, open_runner
from helpers.course.grade.schedule import Limits, content
from helpers.course.grade.score import Graded
from helpers.course.grade.store import version
from helpers.course.grade.submissions import Submission

LOCAL = "local"
"""The address that stands for workers on this machine, started for this run."""

_PATIENCE = 60  # seconds until the first worker must have come
_SETTINGS = {
    # A worker starts processes, which Python forbids to a daemon.
    "distributed.worker.daemon": False,
    # A notebook with its pictures is larger than the tasks that Dask expects.
    "distributed.admin.large-graph-warning-threshold": "1 GB",
}


def mark_on_cluster(
    exercise: Exercise,
    todo: Mapping[str, Submission],
    limits: Limits,
    *,
    address: str = LOCAL,
    workers: int = 2,
) -> Iterator[tuple[str, Graded]]:
    """Grade submissions on the workers of a Dask cluster.

    Args:
        exercise: what was to be answered; each worker grades its solution first.
        todo: what to grade, by key.
        limits: what each may do.
        address: of the scheduler, such as `tcp://10.0.0.1:8786`; or "local".
        workers: how many processes "local" starts.

    Yields:
        A key and its result, as each ends.

    Raises:
        GradeError: no scheduler or worker answers, a worker has another version of the
            course, the solution fails its own checks there, or a file changed.
    """
    # Others may grade on the same cluster.
    name = f"course-{version(exercise, **limits._asdict())}"
    with _connect(address, workers) as client, _grader(client, name, exercise, limits):

        def submit(key: str, submission: Submission) -> Future:
            data = content(key, submission)
            return client.submit(_mark, name, data, key=f"{name}-{key}")

        waiting = iter(todo.items())
        # More than run at once, but few enough that their bytes fit in memory.
        width = 2 * sum(client.nthreads().values())
        running = as_completed([submit(*item) for item in islice(waiting, width)])
        for future in running:
            yield future.key.rpartition("-")[2], _result(exercise, future)
            for item in islice(waiting, 1):
                running.add(submit(*item))


@contextmanager
def _connect(address: str, workers: int) -> Iterator[Client]:
    with ExitStack() as stack:
        stack.enter_context(dask.config.set(_SETTINGS))
        target = address
        if address == LOCAL:
            target = stack.enter_context(
                LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    dashboard_address=":0",
                    silence_logs=logging.ERROR,
                )
            )
        try:
            client = stack.enter_context(Client(target, timeout=_PATIENCE))
            client.wait_for_workers(1, timeout=_PATIENCE)
        except (OSError, ValueError) as error:
            raise GradeError(
                f"{address}: no Dask cluster with a worker answers there ({error}); "
                "give a scheduler's address, such as tcp://10.0.0.1:8786, or `local`"
            ) from None
        yield client


@contextmanager
def _grader(
    client: Client, name: str, exercise: Exercise, limits: Limits
) -> Iterator[None]:
    client.register_plugin(_Grader(exercise, limits), name=name)
    try:
        yield
    finally:  # the workers go on, their runners don't
        client.unregister_worker_plugin(name)


def _result(exercise: Exercise, future: Future) -> Graded:
    try:
        return future.result()
    except GradeError:
        raise
    except Exception as error:  # its workers died one after the other
        return failed(exercise, error)


def _mark(name: str, data: bytes) -> Graded:
    """The task: runs on a worker."""
    return get_worker().plugins[name].mark(data)


class _Grader(WorkerPlugin):
    """What a worker keeps between submissions."""

    def __init__(self, exercise: Exercise, limits: Limits) -> None:
        self.name, self.text = exercise.name, nbformat.writes(exercise.solution)
        self.limits = limits
        self.version = version(exercise)

    def setup(self, worker: Worker) -> None:
        """Begin, on a worker that may have come later than others."""
        self.lock, self.stack = Lock(), ExitStack()
        self.runner: Runner | None = None
        self.exercise = Exercise(self.name, nbformat.reads(self.text, as_version=4))

    def teardown(self, worker: Worker) -> None:
        """End the processes of the runner."""
        self.stack.close()

    def mark(self, data: bytes) -> Graded:
        """Grade a submission; the first opens the runner."""
        with self.lock:
            if self.runner is None:
                self._open()
        return mark(self.exercise, data, self.runner)

    def _open(self) -> None:
        if version(self.exercise) != self.version:
            raise GradeError(
                f"{get_worker().address} has another version of the course than this "
                "machine; install the same on both"
            )
        if multiprocessing.current_process().daemon:
            raise GradeError(
                f"{get_worker().address} may start no processes; set "
                "DASK_DISTRIBUTED__WORKER__DAEMON=False where you start `dask worker`"
            )
        limits = self.limits._asdict()
        runner = self.stack.enter_context(
            open_runner(
                **limits, preload=self.exercise.imports, given=self.exercise.given
            )
        )
        exercise, graded = blinded(self.exercise, runner)
        check_solution(exercise, graded)
        self.exercise, self.runner = exercise, runner
