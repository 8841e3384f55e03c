"""The parts of the identity room by themselves, in a warehouse of their own."""
