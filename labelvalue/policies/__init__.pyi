from .buying import (
    Offer as Offer,
    buy_nothing as buy_nothing,
    follow_advice as follow_advice,
    regret as regret,
    split_equally as split_equally,
)
from .worlds import World as World, simulate_world as simulate_world
