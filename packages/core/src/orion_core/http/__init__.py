"""The HTTP kit: what every service's application is made of."""
