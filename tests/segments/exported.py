"""Runs statements on DuckDB over the open tables of a sandbox, as the script opens them: exported.py FOLDER

The folder is written by `cargo run -p attiva-segments-judge --example exported -- FOLDER`. Needs `pip install duckdb`."""

import json
import os
import pathlib
import sys

import duckdb


def main():
    folder = pathlib.Path(sys.argv[1])
    cases = json.loads((folder / "cases.json").read_text(encoding="utf-8"))
    # Paths in the script are those of its folder.
    os.chdir(folder / "tables")
    connection = duckdb.connect()
    connection.execute(pathlib.Path("open.sql").read_text(encoding="utf-8"))
    wrong = 0
    for case in cases:
        try:
            found = sorted(row[0] for row in connection.execute(case["sql"]).fetchall())
        except duckdb.Error as error:
            found = f"{type(error).__name__}: {error}"
        if found != case["members"]:
            wrong += 1
            if wrong <= 5:
                print(f"{case['segment']}\n  {case['sql']}\n  columns {case['members']}, DuckDB {found}")
    print(f"{len(cases)} statements over exported files, {wrong} answered otherwise, DuckDB {duckdb.__version__}")
    sys.exit(1 if wrong or not cases else 0)


main()
