# SPDX-License-Identifier: Apache-2.0
"""A failure is shown when it happens, not only at the end of a run that may take minutes, or never come."""

import sys

import pytest


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.failed:
        print(f"\n{report.longreprtext}\n{report.capstderr}", file=sys.__stdout__, flush=True)
