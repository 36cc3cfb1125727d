"""`activity completion`: print a script that completes commands, options and file names."""

from argparse import ArgumentParser, Namespace

HELP = "print the script that lets a shell complete this command"
EXAMPLES = (
    'eval "$(activity completion bash)"  # in ~/.bashrc',
    "activity completion zsh >~/.zfunc/_activity  # a folder in $fpath, before compinit",
    "activity completion fish >~/.config/fish/completions/activity.fish",
)


def add(parser: ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="shell that runs the script")


def run(options: Namespace) -> int:
    """Print the script. It contains every word, so that completing starts no Python."""
    # Imported here: only this command needs them.
    import shtab

    from cli import main

    parser = main.parser()
    completers = {"FILE": shtab.FILE, "DIR": shtab.DIRECTORY}
    for action in parser.actions():
        if action.metavar in completers:
            action.complete = completers[action.metavar]  # type: ignore[attr-defined]
    print(shtab.complete(parser, options.shell))
    return 0
