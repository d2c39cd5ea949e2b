"""What every run of pytest needs, imported once by the fork server of `run`."""

import gc
import importlib

import _pytest.config
import nbformat

from helpers.course.grade import plugin as plugin

for _name in _pytest.config.default_plugins:
    importlib.import_module(f"_pytest.{_name}")
nbformat.validate(nbformat.v4.new_notebook())  # builds the validator
gc.collect()
gc.freeze()  # so that forks need not copy what never changes
