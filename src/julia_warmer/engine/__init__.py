"""Live: moves data between the world and the store in plain steps `step(conn, at)`. It decides nothing: `core` does."""
