"""Run by a Python that has gammapy: does what the lines on stdin ask for, so that it has to start once for many tests.

A line is a JSON list, ``[COMMAND, ARGUMENT, ...]``; a line of JSON is the answer, ``{"error": TEXT}`` after a failure.
"""

import json
import sys
import traceback
import warnings

import datasets_gammapy
import fits_gammapy
import flux_gammapy
import models_gammapy

COMMANDS = datasets_gammapy.COMMANDS | fits_gammapy.COMMANDS | flux_gammapy.COMMANDS | models_gammapy.COMMANDS

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        command, *arguments = json.loads(line)
        try:
            answer = COMMANDS[command](*arguments)
        except Exception:
            answer = {"error": traceback.format_exc()}
        print(json.dumps(answer), file=answers, flush=True)
