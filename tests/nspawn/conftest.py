# SPDX-License-Identifier: Apache-2.0
"""All fixtures are in booting.py, which a test also gives to a run of pytest in another folder."""

pytest_plugins = ["booting"]
