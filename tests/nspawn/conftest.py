# SPDX-License-Identifier: Apache-2.0
"""All is in booting.py, which a test gives to a run of pytest in another folder too."""

pytest_plugins = ["booting"]
