# SPDX-License-Identifier: Apache-2.0
"""Shows a failure when it happens: the end of the run may be minutes away, or never come."""

import sys

import pytest


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.failed:
        print(f"\n{report.longreprtext}\n{report.capstderr}", file=sys.__stdout__, flush=True)
