"""From a first proof of who somebody is to a session: every way in comes through here."""
