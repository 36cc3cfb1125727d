"""One module per subcommand: `add` describes it, `run` does it and gives the exit status."""
