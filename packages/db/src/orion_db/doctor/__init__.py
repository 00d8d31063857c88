"""`orion db doctor`: what is wrong with a database or will be, with its numbers, the fix and the undo as SQL."""
