"""Julia Warmer: takes a WhatsApp Business number from new to full volume on the official Cloud API."""

__version__ = "0.1.0"
