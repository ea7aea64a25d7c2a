# SPDX-License-Identifier: GPL-2.0-only
"""What builds it: packages, compilers and interpreters, as data and the code that provides them."""
