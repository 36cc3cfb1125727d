"""The feed: every stored event exactly once, in an order that a reader can continue."""
