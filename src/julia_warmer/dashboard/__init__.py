"""The operations team's screens. Talks to the API over HTTP and imports nothing else of ours. Holds nothing yet."""
