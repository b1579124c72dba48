"""Numbers as they are printed: never a rate without its evidence."""

from __future__ import annotations

from wakewright.evaluate.result import Delay, Rate, Share


def number(value: float) -> str:
    """Two significant digits at most places a person looks: 0.17, 1.3, 12."""
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}" if value >= 0.995 else f"{value:.2f}"


def hours(value: float) -> str:
    """Hours with one decimal, two below one hour; below a tenth of one minutes or seconds: 14 s are not 0.00 h."""
    if value >= 0.1 or value <= 0:
        return f"{value:.1f} h" if value >= 1 else f"{value:.2f} h"
    return f"{60 * value:.1f} min" if value >= 1 / 60 else f"{3600 * value:.0f} s"


def lasting(value: float) -> str:
    """Hours as `hours` writes them; what is shorter than a tenth of one in minutes."""
    return hours(value) if value >= 0.1 else f"{60 * value:.1f} min"


def rate_text(rate: Rate) -> str:
    """ "0 in 2.3 h (at most 1.3 per hour, 95 %)" or "0.47 per hour (6 in 12.8 h; 0.17 to 1.0)"."""
    if rate.per_hour is None or rate.high is None:
        return "not measured"
    if rate.count == 0:
        return f"0 in {hours(rate.hours)} (at most {number(rate.high)} per hour, 95 %)"
    span = f"{number(rate.low)} to {number(rate.high)}"
    return f"{number(rate.per_hour)} per hour ({rate.count} in {hours(rate.hours)}; {span})"


def share_text(share: Share) -> str:
    """ "2.1 % (7 of 329; 0.9 to 4.3)"."""
    if share.share is None:
        return "not measured"
    evidence = f"{share.count} of {share.total}; {100 * share.low:.1f} to {100 * share.high:.1f}"
    return f"{100 * share.share:.1f} % ({evidence})"


def delay_text(delay: Delay | None) -> str:
    """ "0.12 s median, 0.30 s for 90 % (of 322 detected)"."""
    if delay is None:
        return "nothing detected"
    return f"{delay.median_s:.2f} s median, {delay.p90_s:.2f} s for 90 % (of {delay.detected} detected)"
