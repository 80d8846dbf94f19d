#!/bin/sh
# The example job: greets whom it is given. Run it with
#   greaserun -r shell docs/example/hello.jar hello.sh world
set -eu
echo "hello, ${1:-world}"
