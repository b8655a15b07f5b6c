"""Draws operating curves as an SVG: one panel a signal, the shares of lives slowed, paused and caught over the true rate.

Plain text and nothing installed, so that the picture in the documents is made again, byte for byte, wherever the program runs.
"""

from collections.abc import Callable, Iterator, Sequence
from html import escape

from julia_warmer.sim.curve import Curve, Point
from julia_warmer.sim.curve_lives import SENDS

PANEL_W, PANEL_H = 460, 320
LEFT, RIGHT, TOP, BOTTOM = 48, 14, 58, 42  # margins of a panel
INK, GRID, PAPER = "#24292f", "#d8dee4", "#ffffff"

Share = Callable[[Point], float]
LINES: tuple[tuple[str, str, str, Share], ...] = (
    ("slowed or paused", "#c77700", "", lambda point: point.slowed),
    ("paused", "#b3261e", "", lambda point: point.paused),
    ("caught within 250 sends", "#1f6feb", "6 4", lambda point: point.caught_250),
    ("caught within 90 sends", "#57606a", "2 3", lambda point: point.caught_90),
)


def svg_of(curves: Sequence[Curve]) -> str:
    """The picture, as looked at on reviews; faint lines show the worst case, after every send."""
    width, height = PANEL_W * len(curves), PANEL_H + 30
    body = [line for nth, curve in enumerate(curves) for line in _panel(curve, PANEL_W * nth)]
    runs, policy = curves[0].runs, escape(curves[0].policy)
    note = f"{policy}, {runs} lives a rate, seed {curves[0].seed}; faint: looked at after every send, outcomes at once"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11" fill="{INK}">',
            f'<rect width="{width}" height="{height}" fill="{PAPER}"/>',
            *body,
            *_legend(height - 12),
            f'<text x="{LEFT}" y="16">{note}</text>',
            "</svg>\n",
        ]
    )


def _panel(curve: Curve, x0: int) -> Iterator[str]:
    rates = [point.rate for point in curve.at_reviews]
    high = max(rates)

    def x(rate: float) -> float:
        return x0 + LEFT + (PANEL_W - LEFT - RIGHT) * rate / high

    def y(share: float) -> float:
        return TOP + (PANEL_H - TOP - BOTTOM) * (1 - share)

    yield f'<text x="{x0 + LEFT}" y="40" font-weight="bold">true rate of {curve.signal.replace("_", "-")}, first {SENDS} sends</text>'
    for tenth in range(0, 11, 2):
        line = y(tenth / 10)
        yield f'<path d="M{x0 + LEFT} {line:.1f}H{x0 + PANEL_W - RIGHT}" stroke="{GRID}"/>'
        yield f'<text x="{x0 + LEFT - 6}" y="{line + 4:.1f}" text-anchor="end">{10 * tenth} %</text>'
    for rate in rates:
        yield f'<text x="{x(rate):.1f}" y="{PANEL_H - BOTTOM + 18}" text-anchor="middle">{100 * rate:g}</text>'
    yield f'<text x="{x0 + PANEL_W / 2:.0f}" y="{PANEL_H - 8}" text-anchor="middle">true rate, %</text>'
    for _, color, dashes, share in LINES:
        for points, opacity in ((curve.after_every_send, 0.3), (curve.at_reviews, 1.0)):
            path = "L".join(f"{x(point.rate):.1f} {y(share(point)):.1f}" for point in points)
            style = f'fill="none" stroke="{color}" stroke-width="2" stroke-dasharray="{dashes}" opacity="{opacity}"'
            yield f'<path d="M{path}" {style}/>'
        for point in curve.at_reviews:
            yield f'<circle cx="{x(point.rate):.1f}" cy="{y(share(point)):.1f}" r="3" fill="{color}"/>'


def _legend(y: int) -> Iterator[str]:
    x = LEFT
    for label, color, dashes, _ in LINES:
        yield f'<path d="M{x} {y - 4}h26" stroke="{color}" stroke-width="2" stroke-dasharray="{dashes}"/>'
        yield f'<text x="{x + 32}" y="{y}">{label}</text>'
        x += 60 + 7 * len(label)
