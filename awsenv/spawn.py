"""A worker of ours, started without the 25 ms that `subprocess` takes to import: a prompt waits for this."""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def detached(argv: "list[str]", env: "Mapping[str, str]", kept: int) -> bool:
    """Start *argv*, whose first word is a path, in a session of its own and with no word to anybody; False where it can't be.

    It inherits descriptor *kept* under the same number, and nothing else.
    """
    files = [(os.POSIX_SPAWN_OPEN, descriptor, "/dev/null", os.O_RDWR, 0) for descriptor in (0, 1, 2)]
    # What the shell has open, a lock of its person's say, is not for a process that he has not started.
    for name in os.listdir("/dev/fd"):
        if int(name) > 2:
            try:
                os.set_inheritable(int(name), False)
            except OSError:
                pass  # the folder's own
    os.set_inheritable(kept, True)
    try:
        try:
            os.posix_spawn(argv[0], argv, env, file_actions=files, setsid=True)
        except NotImplementedError:  # macOS before 10.15: there the worker itself leaves our session
            os.posix_spawn(argv[0], argv, env, file_actions=files)
    except (OSError, ValueError):  # ValueError: a NUL in a word
        return False
    finally:
        os.set_inheritable(kept, False)
    return True
