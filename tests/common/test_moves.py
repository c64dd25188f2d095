from __future__ import annotations

from enum import StrEnum

import pytest

from libs.common.errors import Refused
from libs.common.moves import Move


class Kettle(StrEnum):
    COLD = "cold"
    HOT = "hot"
    BROKEN = "broken"


BOIL = Move("kettle", "boil", {Kettle.COLD}, Kettle.HOT)
DROP = Move("kettle", "drop", {Kettle.COLD, Kettle.HOT}, Kettle.BROKEN)


@pytest.mark.parametrize("state", Kettle)
@pytest.mark.parametrize("move", [BOIL, DROP])
def test_a_move_goes_from_its_sources_and_from_nowhere_else(move: Move[Kettle], state: Kettle):
    assert move.allowed(state) == (state in move.sources)
    if move.allowed(state):
        assert move.apply(state) is move.target
    else:
        with pytest.raises(Refused):
            move.apply(state)


def test_a_refused_move_says_what_was_wanted_and_from_where():
    with pytest.raises(Refused) as refused:
        DROP.apply(Kettle.BROKEN)
    assert refused.value.reason == "KETTLE_MOVE_REFUSED"
    assert refused.value.facts == {"move": "drop", "status": "broken"}
    assert refused.value.message == "a broken kettle cannot drop: only cold, hot"
