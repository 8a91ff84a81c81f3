"""The ways into Rung (command line, web server, worker) and the wiring that builds its objects."""
