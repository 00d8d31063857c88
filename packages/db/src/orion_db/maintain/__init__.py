"""`orion db maintain`: what keeps a database healthy, done at a quiet hour and stopped politely."""
