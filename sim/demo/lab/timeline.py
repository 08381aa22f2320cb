# SPDX-License-Identifier: Apache-2.0
"""Draws a run: an SVG with the arrivals of the whole run and a close view of each kill, and a line for the terminal."""

from xml.sax.saxutils import escape

BIN_NS = 10_000_000
WIDTH, LEFT, RIGHT = 1100, 90, 20
STRIP, PANEL_GAP = 60, 26
ZOOM_BEFORE_NS, ZOOM_AFTER_NS = 120_000_000, 280_000_000
COLOURS = {"in": "#2b7a78", "out": "#3b5ba5", "old": "#8a8a8a", "new": "#d1603d", "kill": "#c1121f",
           "takeover": "#e09f3e", "dark": "#f4d6d2"}
NAMES = {"in": "peer to host", "out": "host to peer"}
BLOCKS = " ▁▂▃▄▅▆▇█"


class _Page:
    def __init__(self):
        self.parts = []
        self.height = 0

    def text(self, x, y, words, size=12, anchor="start", colour="#222", weight="normal"):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}" '
                          f'font-weight="{weight}">{escape(words)}</text>')

    def line(self, x1, y1, x2, y2, colour, width=1.0, dashes=""):
        dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
                          f'stroke-width="{width}"{dashed}/>')

    def box(self, x, y, width, height, colour):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{height:.1f}" '
                          f'fill="{colour}"/>')

    def steps(self, x0, x1, base, height, bins, most, colour):
        """A filled step curve of the bins."""
        if not bins:
            return
        step = (x1 - x0) / len(bins)
        path = [f"M{x0:.1f} {base:.1f}"]
        for number, value in enumerate(bins):
            level = base - height * min(1.0, value / most)
            path.append(f"L{x0 + number * step:.2f} {level:.1f}L{x0 + (number + 1) * step:.2f} {level:.1f}")
        path.append(f"L{x1:.1f} {base:.1f}Z")
        self.parts.append(f'<path d="{"".join(path)}" fill="{colour}" fill-opacity="0.75"/>')

    def dots(self, points, colour):
        if points:
            path = "".join(f"M{x:.1f} {y:.1f}h.01" for x, y in points)
            self.parts.append(f'<path d="{path}" stroke="{colour}" stroke-width="3" stroke-linecap="round" fill="none"/>')

    def write(self, path):
        with open(path, "w", encoding="utf-8") as target:
            target.write(f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{self.height:.0f}" '
                         f'viewBox="0 0 {WIDTH} {self.height:.0f}" font-family="sans-serif">\n'
                         f'<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(self.parts) + "\n</svg>\n")


def _ticks(page, x0, x1, start_ms, end_ms, y, step_ms):
    first = int(-(-start_ms // step_ms)) * step_ms
    for moment in range(int(first), int(end_ms) + 1, step_ms):
        x = x0 + (x1 - x0) * (moment - start_ms) / (end_ms - start_ms)
        page.line(x, y, x, y + 4, "#888")
        page.text(x, y + 16, f"{moment / 1000:g} s" if step_ms >= 1000 else f"{moment:+d} ms", 10, "middle", "#555")


def _overview(page, result, y):
    start, end = result["_start_ns"], result["_end_ns"]
    x0, x1 = LEFT, WIDTH - RIGHT
    most = max(1.0, 1.5 * result["rate"] * BIN_NS / 1e9)
    for way in ("in", "out"):
        bins = result["_flows"][way].rate_per_bin(start, end, BIN_NS)
        page.text(LEFT - 8, y + STRIP / 2, NAMES[way], 11, "end")
        page.steps(x0, x1, y + STRIP, STRIP, bins, most, COLOURS[way])
        page.line(x0, y + STRIP, x1, y + STRIP, "#bbb")
        for kill in result["kills"]:
            x = x0 + (x1 - x0) * (kill["moment_ns"] - start) / (end - start)
            page.line(x, y - 4, x, y + STRIP, COLOURS["kill"], 1.5)
            if way == "in":
                page.text(x + 3, y - 6, f"{kill['kind']} of {kill['member']} killed", 11, "start", COLOURS["kill"])
        y += STRIP + 12
    _ticks(page, x0, x1, 0, (end - start) / 1e6, y - 12, 1000)
    return y + 16


def _zoom(page, result, kill, y):
    moment = kill["moment_ns"]
    start, end = moment - ZOOM_BEFORE_NS, moment + ZOOM_AFTER_NS
    x0, x1 = LEFT, WIDTH - RIGHT

    def place(time_ns):
        return x0 + (x1 - x0) * (min(max(time_ns, start), end) - start) / (end - start)

    page.text(LEFT, y, f"{kill['kind'].capitalize()} of {kill['member']} killed: blackout in "
              f"{kill['blackout_ms']['in']:.1f} ms, out {kill['blackout_ms']['out']:.1f} ms; lost in "
              f"{kill['lost']['in']}, out {kill['lost']['out']}; sequence number {kill['seq_before']} to "
              f"{kill['seq_after']}", 13, weight="bold")
    y += 12
    top = y
    most = max(1.0, 1.5 * result["rate"] * BIN_NS / 1e9)
    for way in ("in", "out"):
        began, ended = kill["gap_ns"][way]
        page.box(place(began), y, place(ended) - place(began), STRIP, COLOURS["dark"])
        page.steps(x0, x1, y + STRIP, STRIP, result["_flows"][way].rate_per_bin(start, end, BIN_NS), most, COLOURS[way])
        page.line(x0, y + STRIP, x1, y + STRIP, "#bbb")
        page.text(LEFT - 8, y + STRIP / 2, NAMES[way], 11, "end")
        y += STRIP + 8
    y = _sequence_plot(page, result, kill, y, place, start, end)
    page.line(place(moment), top, place(moment), y, COLOURS["kill"], 1.5)
    page.text(place(moment) - 4, top + 10, "kill", 10, "end", COLOURS["kill"])
    if kill["first_new_packet_ms"] is not None:
        x = place(moment + int(kill["first_new_packet_ms"] * 1e6))
        page.line(x, top, x, y, COLOURS["takeover"], 1.5, "4 3")
        page.text(x + 4, top + 10, f"{kill['survivor']} sends, +{kill['first_new_packet_ms']:.1f} ms", 10, "start",
                  "#9a6700")
    _ticks(page, x0, x1, -ZOOM_BEFORE_NS / 1e6, ZOOM_AFTER_NS / 1e6, y, 20)
    return y + 20 + PANEL_GAP


def _sequence_plot(page, result, kill, y, place, start, end):
    height = 90
    page.text(LEFT - 8, y + height / 2, "ESP sequence", 11, "end")
    page.line(LEFT, y + height, WIDTH - RIGHT, y + height, "#bbb")
    points = [packet for packet in result["_esp"]
              if start <= packet.time_ns <= end and kill["spi"] and packet.spi == int(kill["spi"], 16)]
    if points:
        low, high = min(p.sequence for p in points), max(p.sequence for p in points)
        old = points[0].iv >> 48
        for colour, chosen in (("old", [p for p in points if p.iv >> 48 == old]),
                               ("new", [p for p in points if p.iv >> 48 != old])):
            page.dots([(place(p.time_ns), y + height - 4 - (height - 8) * (p.sequence - low) / max(1, high - low))
                       for p in chosen], COLOURS[colour])
        page.text(WIDTH - RIGHT, y + 10, str(high), 10, "end", "#555")
        page.text(LEFT + 2, y + height - 6, str(low), 10, "start", "#555")
    return y + height


def draw(result, path):
    """Writes the picture of one run."""
    page = _Page()
    verdict = "every claim holds" if result["passed"] else "a claim failed"
    page.text(LEFT, 28, f"Failover demonstration, seed {result['seed']}: {verdict}", 17, weight="bold")
    page.text(LEFT, 46, f"UDP arrivals per 10 ms in each direction at {result['rate']} packets/s"
              f"{' (simulated timings)' if result['simulated'] else ''}; TCP "
              f"{'reset' if result['tcp_reset'] else 'not reset'}, SPIs {'the same' if result['same_spis'] else 'changed'}"
              f", {result['nonce_repeats']} nonces repeated, {result['accepted_twice']} packets accepted twice", 12)
    y = _overview(page, result, 78)
    for kill in result["kills"]:
        y = _zoom(page, result, kill, y + PANEL_GAP)
    page.height = y
    page.write(path)


def terminal(result, kill, way):
    """The arrivals around a kill as a row of blocks, 10 ms each; `|` stands where the kill was."""
    moment = kill["moment_ns"]
    full = max(1.0, result["rate"] * BIN_NS / 1e9)

    def row(start, end):
        bins = result["_flows"][way].rate_per_bin(start, end, BIN_NS)
        return "".join(BLOCKS[min(8, int(round(8 * min(1.0, value / full))))] for value in bins)
    return row(moment - ZOOM_BEFORE_NS, moment) + "|" + row(moment, moment + ZOOM_AFTER_NS)
