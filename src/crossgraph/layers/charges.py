"""How a charge stands in a vector of unit length: what `query_bank` and the search without torch agree on."""

from __future__ import annotations

REACH = 0.25
"""No item is charged or spared more than this."""

STEP = REACH**0.5
"""What the other side has in the channel of a charge."""

LENGTH = (1 + 2 * REACH) ** 0.5
"""Of a vector with its charge, before it is divided by it."""
