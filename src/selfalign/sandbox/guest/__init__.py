"""The code that runs inside a sandbox. It uses the standard library only and imports nothing from outside this directory."""
