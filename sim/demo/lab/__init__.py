# SPDX-License-Identifier: Apache-2.0
"""The laboratory: network namespaces, a strongSwan peer, a pair of appliances, traffic and captures.

Used by the failover demonstration (sim/demo) and by the tests with real processes (tests/interop).
Standard library only. Needs root.
"""
