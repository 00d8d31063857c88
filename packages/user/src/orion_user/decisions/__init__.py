"""Questions about rights: may somebody, why, who may, what may they, and what would a change give or take."""
