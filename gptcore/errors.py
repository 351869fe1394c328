"""The one exception for what the user can fix."""


class UserError(Exception):
    """Bad input: the message is one line that names the field or file, the value and the remedy.

    The command line prints it and exits with code 2; nothing else in the project catches it.
    """
