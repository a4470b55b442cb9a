"""`make cleanroom`: what the README promises, on a Debian that has nothing but what the README asks for."""
