"""Makes Python and C files of any length, the same every time: functions as people write them.

About one function in ten holds a weakness, so that a checker has something to say.
"""

from __future__ import annotations

import random

NOUNS = ["order", "user", "invoice", "parcel", "ticket", "sensor", "article", "station", "batch"]
VERBS = ["load", "store", "merge", "render", "count", "check", "collect", "convert", "list"]

HEAD = '''"""Generated for measurement."""
import json
import logging
import os
import sqlite3
import subprocess
from collections import defaultdict
from pathlib import Path

logger = logging.getLogger(__name__)
LIMIT = 100
ROOT = Path(__file__).parent
'''

FUNCTIONS = [
    '''
def {name}(path, limit=LIMIT):
    """Read the {noun}s of a file and group them by kind."""
    groups = defaultdict(list)
    with open(path, encoding="utf-8") as handle:
        for number, line in enumerate(handle):
            if number >= limit:
                break
            item = json.loads(line)
            kind = item.get("kind", "other")
            if kind not in ("old", "void"):
                groups[kind].append(item)
    logger.info("%d groups of {noun}s", len(groups))
    return {{kind: sorted(items, key=str) for kind, items in groups.items()}}
''',
    '''
def {name}(connection, {noun}_id):
    """One {noun} with its parts, or None."""
    cursor = connection.cursor()
    cursor.execute("SELECT id, title, state FROM {noun} WHERE id = ?", ({noun}_id,))
    row = cursor.fetchone()
    if row is None:
        return None
    parts = cursor.execute(
        "SELECT part, amount FROM {noun}_part WHERE owner = ? ORDER BY part", (row[0],)
    ).fetchall()
    total = sum(amount for _, amount in parts)
    return {{"id": row[0], "title": row[1], "open": row[2] != "done", "total": total}}
''',
    '''
def {name}(values, factor=2):
    """Scale the values of a {noun} and drop what is not a number."""
    scaled = []
    for value in values:
        try:
            number = float(value)
        except (TypeError, ValueError):
            logger.debug("left out: %r", value)
            continue
        if number < 0:
            number = -number
        scaled.append(round(number * factor, 3))
    lowest = min(scaled, default=0.0)
    highest = max(scaled, default=0.0)
    return [(value - lowest) / (highest - lowest or 1.0) for value in scaled]
''',
    '''
class {title}{number}:
    """A {noun} that remembers what was done to it."""

    def __init__(self, name, items=()):
        self.name = name
        self.items = list(items)
        self.changes = []

    def add(self, item):
        """Add an item unless it is there."""
        if item in self.items:
            return False
        self.items.append(item)
        self.changes.append(("add", item))
        return True

    def archive(self):
        """Pack the folder of this {noun}."""
        target = ROOT / "archive" / (self.name + ".tar")
        done = subprocess.run(["tar", "cf", str(target), str(ROOT)], check=False)
        return done.returncode == 0
''',
    '''
def {name}(root, suffixes=(".txt", ".csv")):
    """Every file of the {noun}s below a folder with its size."""
    found = {{}}
    for folder, names, files in os.walk(root):
        names[:] = [name for name in names if not name.startswith(".")]
        for file in files:
            base, suffix = os.path.splitext(file)
            if suffix.lower() in suffixes and base:
                path = os.path.join(folder, file)
                found[path] = os.path.getsize(path)
    return dict(sorted(found.items(), key=lambda pair: -pair[1])[:LIMIT])
''',
]

WEAK = [
    '''
def {name}(connection, title):
    """Search {noun}s by title."""
    query = f"SELECT id FROM {noun} WHERE title LIKE '%{{title}}%'"
    return [row[0] for row in connection.execute(query)]
''',
    '''
def {name}(host):
    """Copy the {noun}s to another machine."""
    source = ROOT / "{noun}s"
    return subprocess.call(f"scp {{source}} {{host}}:/srv/{noun}s", shell=True)
''',
]


C_HEAD = """/* Generated for measurement. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT 100

struct item {
    char name[64];
    long amount;
    struct item *next;
};
"""

C_FUNCTIONS = [
    """
/* Reads the {noun}s of a file into a list; the number of them, or -1. */
int {name}(const char *path, struct item **list)
{{
    FILE *file = fopen(path, "r");
    char line[256];
    int count = 0;

    if (file == NULL)
        return -1;
    while (count < LIMIT && fgets(line, sizeof(line), file) != NULL) {{
        struct item *one = calloc(1, sizeof(*one));

        if (one == NULL)
            break;
        line[strcspn(line, "\\n")] = '\\0';
        snprintf(one->name, sizeof(one->name), "%s", line);
        one->amount = count;
        one->next = *list;
        *list = one;
        count++;
    }}
    fclose(file);
    return count;
}}
""",
    """
static long {name}(const struct item *first, long least)
{{
    long total = 0;
    const struct item *one;

    for (one = first; one != NULL; one = one->next) {{
        if (one->amount < least)
            continue;
        if (strcmp(one->name, "{noun}") == 0)
            total += 2 * one->amount;
        else
            total += one->amount;
    }}
    return total > 0 ? total : 0;
}}
""",
    """
/* Copies what fits, and ends it. */
size_t {name}(char *out, size_t room, const char *text)
{{
    size_t length = strlen(text);
    size_t i;

    if (room == 0)
        return length;
    for (i = 0; i + 1 < room && text[i] != '\\0'; i++)
        out[i] = text[i] == '\\t' ? ' ' : text[i];
    out[i] = '\\0';
    return length;
}}
""",
    """
void {name}(struct item *first)
{{
    while (first != NULL) {{
        struct item *next = first->next;

        free(first);
        first = next;
    }}
}}
""",
]

C_WEAK = [
    """
void {name}(const char *host)
{{
    char command[64];

    sprintf(command, "ping -c 1 %s", host);
    system(command);
}}
""",
]


def generated(lines: int, head: str, functions: list[str], weak: list[str]) -> str:
    """A file of at least so many lines, by less than one function more."""
    chance = random.Random(lines)
    parts = [head]
    length = head.count("\n")
    number = 0
    while length < lines:
        number += 1
        noun = chance.choice(NOUNS)
        template = chance.choice(weak if number % 10 == 0 else functions)
        part = "\n" + template.format(
            name=f"{chance.choice(VERBS)}_{noun}s_{number}",
            noun=noun,
            title=noun.capitalize(),
            number=number,
        )
        parts.append(part)
        length += part.count("\n")
    return "".join(parts)


def python_file(lines: int) -> str:
    """Python of at least so many lines."""
    return generated(lines, HEAD, FUNCTIONS, WEAK)


def c_file(lines: int) -> str:
    """C of at least so many lines."""
    return generated(lines, C_HEAD, C_FUNCTIONS, C_WEAK)
