#!/usr/bin/env bash
# jsonschema 4.26.0 as JupyterLab asks for it (jsonschema[format-nongpl], through jupyter-events) imports rfc3987-syntax 1.1.0, which
# builds an Earley parser of the whole IRI grammar when it is imported. `import jsonschema` then takes many times as long, in every
# process: the server, each nbformat user, and each of the five helpers and all workers of Ray, which imports jsonschema too.
# Guess: an extra for checking formats costs milliseconds, and only when a format is checked. Seen: 0.3 s without it, 3 s with it
# (two AVX2 cores, Python 3.11, bytecode there); jsonschema 4.24.1, whose extra has no rfc3987-syntax, is as quick as without.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
install() { python3 -m venv "$folder/$1" && "$folder/$1/bin/pip" install -q --disable-pip-version-check "${@:2}"; }
install slow "jsonschema[format-nongpl]==4.26.0" rfc3987-syntax==1.1.0 lark==1.3.1
install quick "jsonschema[format-nongpl]==4.24.1"
unset PYTHONDONTWRITEBYTECODE
for name in slow quick; do
    "$folder/$name/bin/python" -c 'import jsonschema'  # writes the bytecode
    "$folder/$name/bin/python" - >"$folder/$name.txt" <<'P'
import sys, time
start = time.perf_counter()
import jsonschema
print(time.perf_counter() - start, "lark" in sys.modules)
P
    echo "$name: $(cat "$folder/$name.txt") (seconds to import, was the parser generator imported)"
done
python3 - "$folder" <<'P'
import sys
(slow, parser), (quick, none) = (open(f"{sys.argv[1]}/{name}.txt").read().split() for name in ("slow", "quick"))
ratio = float(slow) / float(quick)
print(f"{ratio:.1f} times as long with jsonschema 4.26.0")
sys.exit(not (parser == "True" and none == "False" and ratio > 4))
P
