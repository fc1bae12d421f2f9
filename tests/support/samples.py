"""Small sources in the style of an assistant, and a stranger's entry. All text, no logic."""

from __future__ import annotations

# CWE-78, once. `{note}` stands behind the call, `{head}` in front of it on the same line.
PY_SHELL = """import os


def ping(host):
    {head}os.system("ping -c 1 " + host){note}
"""

PY_CLEAN = """import subprocess


def ping(host):
    return subprocess.run(["ping", "-c", "1", "--", host], check=False).returncode
"""

PY2_SHELL = """import os


def ping(host):
    print "pinging", host
    try:
        os.system("ping -c 1 %s" % host)
    except OSError, error:
        print error
"""

PY_PICKLE = """import pickle

from flask import Flask, request

app = Flask(__name__)


@app.route("/restore", methods=["POST"])
def restore():
    return {"items": len(pickle.loads(request.data))}
"""

# CWE-134 with a fix that is safe to apply; `{note}` stands behind the call.
C_FORMAT = """#include <stdio.h>

void report(const char *message)
{{
    printf(message);{note}
}}
"""

C_FORMAT_LINE = "    printf(message);"

C_GETS = """#include <stdio.h>

int ask_name(void)
{{
    char name[64];

    gets(name);{note}
    return name[0];
}}
"""

C_CLEAN = """#include <stdio.h>

void report(const char *message)
{
    printf("%s\\n", message);
}
"""

STRANGERS_ENTRY = """+++
id = "py/parcel-opened-unchecked"
title = "Parcel opened without a look at its seal"
message = "openUncheckedParcel runs whatever the parcel holds"
cwe = [502]
language = "python"
severity = "error"
markers = ["openUncheckedParcel("]
apis = ["parcels.openUncheckedParcel", "parcels.openSealedParcel"]

[[pattern]]
on = "call"
callee = ["parcels.openUncheckedParcel"]

[[discussion]]
url = "https://docs.python.org/3/library/pickle.html"
title = "pickle"
warns = "a format that rebuilds objects runs code of whoever wrote the data"

[[fix]]
applicability = "safe"
title = "Open sealed parcels only"
rename = "openSealedParcel"
+++

## Why
A parcel may hold a program.
Opening it unchecked runs that program.

## Guideline
Open parcels with `openSealedParcel`, which looks at the seal first.

## Vulnerable
```python
import parcels


def receive(data):
    return parcels.openUncheckedParcel(data)  # finding
```

## Secure
```python
import parcels


def receive(data):
    return parcels.openSealedParcel(data)
```

```python
def openUncheckedParcel(data):
    return len(data)


def receive(data):
    return openUncheckedParcel(data)
```
"""

STRANGERS_CODE = """import parcels


def receive(data):
    return parcels.openUncheckedParcel(data)
"""
