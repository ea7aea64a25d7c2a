# SPDX-License-Identifier: GPL-2.0-only
"""What runs beside and around the guest: C for the machines, and the launcher in Python."""
