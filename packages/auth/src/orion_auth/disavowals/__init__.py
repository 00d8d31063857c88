"""The owner's word that a sign-in was not his, from the notice that told him of it."""
