"""The environment variables that every notebook of the course runs with."""

import os


def kernel_environment() -> dict[str, str]:
    """The environment in which every notebook runs, here and under nbval."""
    # Hash order would change the order of sets of words between two runs.
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    environment.pop("PYTEST_CURRENT_TEST", None)  # swallows output of subprocesses
    return environment
