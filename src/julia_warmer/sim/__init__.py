"""Virtual time: a seeded world of people and of Meta's reactions. It knows only `core`."""
