"""One module per subcommand: `add` describes its options, `run` runs it."""
