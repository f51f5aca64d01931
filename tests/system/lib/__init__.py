# SPDX-License-Identifier: Apache-2.0
"""What the system tests and the demo are built of: Redis, a network namespace, the daemon, an orchagent stand-in."""
