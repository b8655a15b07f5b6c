"""The edge over HTTP, in two applications: `public` (the webhook only) and `internal` (everything else). Transactions open here."""
