"""``cueline demo``: a whole deployment on one machine, fed, watched and ended by itself."""
