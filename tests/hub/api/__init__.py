"""What the Hub answers, by subject: one function for each route of `tests.hub.routes`."""
