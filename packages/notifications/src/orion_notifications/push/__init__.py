"""Push subscriptions: the devices and browsers that a user has allowed to be called."""
