"""Runs statements on DuckDB and compares the members: judge.py cases.json

The file is written by `cargo run -p attiva-segments-judge -- cases.json`. Needs `pip install duckdb`."""

import json
import sys

import duckdb


# What there must be cases of.
KINDS = ["nodes", "guide", "clock", "audiences", "ranks", "random ranks", "random segments"]


def literal(cell, kind):
    if cell is None:
        return "NULL"
    if isinstance(cell, bool):
        return str(cell).upper()
    if isinstance(cell, str):
        return f"CAST('{cell.replace(chr(39), chr(39) * 2)}' AS {kind})"
    return str(cell)


def load(connection, tables):
    """One script for a whole world: tables stay from one world to the next."""
    script = []
    for table in tables:
        columns = ", ".join(f"{name} {kind}" for name, kind in table["columns"])
        script.append(f"CREATE TABLE IF NOT EXISTS {table['name']} ({columns})")
        script.append(f"DELETE FROM {table['name']}")
        kinds = [kind for _, kind in table["columns"]]
        rows = [f"({', '.join(map(literal, row, kinds))})" for row in table["rows"]]
        if rows:
            script.append(f"INSERT INTO {table['name']} VALUES {', '.join(rows)}")
    connection.execute(";".join(script))


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        worlds = json.load(file)
    connection = duckdb.connect()
    ran, wrong = dict.fromkeys(KINDS, 0), 0
    for world in worlds:
        load(connection, world["tables"])
        for case in world["cases"]:
            ran[world["of"]] += 1
            try:
                found = sorted(row[0] for row in connection.execute(case["sql"]).fetchall())
            except duckdb.Error as error:
                found = f"{type(error).__name__}: {error}"
            if found != case["members"]:
                wrong += 1
                if wrong <= 5:
                    print(f"{case['segment']}\n  {case['sql']}\n  expected {case['members']}, DuckDB {found}")
    of_each = ", ".join(f"{count} of {kind}" for kind, count in ran.items())
    print(f"{sum(ran.values())} statements ({of_each}), {wrong} answered otherwise, DuckDB {duckdb.__version__}")
    sys.exit(1 if wrong or not all(ran.values()) else 0)


main()
