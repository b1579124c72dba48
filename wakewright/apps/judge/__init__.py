"""The Judge as a server: confirms, over HTTP, what a Sentry heard."""
