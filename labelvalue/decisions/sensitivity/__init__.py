"""How the decision moves with what it rests on."""
