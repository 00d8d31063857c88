"""Getting back in without a second factor that is lost: after a delay in which the owner can refuse it."""
