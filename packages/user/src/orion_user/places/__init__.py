"""Where something holds: an organization, a team, a user, with everything that these lie in."""
