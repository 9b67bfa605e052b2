"""functions.py MODULE [ARGUMENTS]: calls functions of a Python module: for each that stands on a line of standard
input, as JSON, with its arguments, what it gave on a line of standard output.

MODULE is its name or its file, or `MODULE:CLASS`: then an object of the class is made with ARGUMENTS, and its methods
are called.
"""

import asyncio
import importlib
import importlib.util
import inspect
import json
import sys


def target(words):
    module, _, name = words[0].partition(":")
    if module.endswith(".py"):
        # A file of a package of which the rest, and what that needs, is not to be loaded.
        specification = importlib.util.spec_from_file_location("module", module)
        found = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(found)
    else:
        found = importlib.import_module(module)
    return getattr(found, name)(*words[1:]) if name else found


def main():
    where = target(sys.argv[1:])
    loop = asyncio.new_event_loop()
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            value = getattr(where, asked["method"])(*asked["args"])
            if inspect.isawaitable(value):
                value = loop.run_until_complete(value)
            answer = {"value": value}
        except Exception as error:
            answer = {"error": "{}: {}".format(type(error).__name__, error)}
        print(json.dumps(answer, default=str), flush=True)


main()
