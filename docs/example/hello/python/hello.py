"""The example job in Python: greets whom it is given, with a module of the same jar.

Run it with
    greaserun -r python docs/example/hello.jar python3 hello.py world
"""

import os
import sys

import greeting

jar = os.path.basename(os.environ["PLATFORM_ARTIFACT_SPEC"])
print(f"{greeting.to(*sys.argv[1:])}, from {jar}")
