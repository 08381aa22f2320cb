# SPDX-License-Identifier: Apache-2.0
"""Figures from the receivers' logs: loss, duplicates, order, and the blackout around a kill."""

import bisect
import struct
from collections import Counter, namedtuple

Arrival = namedtuple("Arrival", "sequence sent_ns received_ns")
WINDOW_BEFORE_NS = 100_000_000
WINDOW_AFTER_NS = 3_000_000_000


def read_arrivals(path):
    """The records of a `demo_traffic udp-receive` log, in the order of arrival."""
    with open(path, "rb") as source:
        data = source.read()
    return [Arrival(*fields) for fields in struct.iter_unpack("<QQQ", data[:len(data) // 24 * 24])]


class Flow:
    """One direction: what its sender reported and what its receiver logged."""

    def __init__(self, sent, arrivals, rate, start_ns):
        self.sent = sent
        self.arrivals = arrivals
        self.rate = rate
        self.start_ns = start_ns
        counted = Counter(arrival.sequence for arrival in arrivals)
        self.unique = len(counted)
        self.repeated = {sequence for sequence, count in counted.items() if count > 1}
        self.duplicated = len(arrivals) - self.unique
        self.lost = sent - self.unique
        # Sequence numbers count packets that left, so the sending time of a lost one lies between its neighbours'.
        self._missing = sorted(set(range(sent)) - counted.keys())
        known = sorted({arrival.sequence: arrival.sent_ns for arrival in arrivals}.items())
        self._known_sequences = [sequence for sequence, _ in known]
        self._known_times = [moment for _, moment in known]

    @property
    def interval_ms(self):
        return 1000.0 / self.rate

    def reordered(self):
        """Arrivals with a lower number than one that came before them, duplicates not counted."""
        highest, count, seen = -1, 0, set()
        for arrival in self.arrivals:
            if arrival.sequence in seen:
                continue
            seen.add(arrival.sequence)
            count += arrival.sequence < highest
            highest = max(highest, arrival.sequence)
        return count

    def sent_at(self, sequence):
        """When a packet was sent: logged, or for a lost one estimated from the next that arrived before it."""
        place = bisect.bisect_right(self._known_sequences, sequence) - 1
        if place < 0:
            return self.start_ns + int(sequence * 1e9 / self.rate)
        return self._known_times[place] + int((sequence - self._known_sequences[place]) * 1e9 / self.rate)

    def lost_between(self, start_ns, end_ns):
        return sum(start_ns <= self.sent_at(sequence) < end_ns for sequence in self._missing)

    def blackout(self, kill_ns):
        """The longest gap between consecutive arrivals around the kill, less one packet interval.

        Returns (milliseconds, start of the gap in ns, end of the gap in ns); the gap ends after the kill. A flow that
        never came back is dark from its last packet to the end of the window."""
        times = [arrival.received_ns for arrival in self.arrivals]
        first = bisect.bisect_left(times, kill_ns - WINDOW_BEFORE_NS)
        last = bisect.bisect_right(times, kill_ns + WINDOW_AFTER_NS)
        around = times[first:last]
        if not around or around[-1] <= kill_ns:
            since = around[-1] if around else kill_ns
            return (kill_ns + WINDOW_AFTER_NS - since) / 1e6, since, kill_ns + WINDOW_AFTER_NS
        gap, start, end = max(((after - before, before, after) for before, after in zip(around, around[1:])
                               if after > kill_ns), default=(0, kill_ns, kill_ns))
        return max(0.0, gap / 1e6 - self.interval_ms), start, end

    def rate_per_bin(self, start_ns, end_ns, bin_ns):
        """Arrivals per bin, for the picture."""
        bins = [0] * max(1, (end_ns - start_ns + bin_ns - 1) // bin_ns)
        for arrival in self.arrivals:
            if start_ns <= arrival.received_ns < end_ns:
                bins[(arrival.received_ns - start_ns) // bin_ns] += 1
        return bins
