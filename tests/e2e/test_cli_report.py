# SPDX-License-Identifier: Apache-2.0
"""Does `backstitch report` make a whole page of a real migration, and does its data say the same?"""

from __future__ import annotations

import json

from tests.plugins.cli import Cli, a_check, a_migration

LOGIN = {"name": "login", "query": "SELECT * FROM users WHERE name = $1"}
STILL_WORKS = {"name": "application", "workloadStillWorks": {"queries": ["login"]}}


def test_a_page_about_one_that_succeeded(cli: Cli) -> None:
    assert cli.run("run", cli.write(a_migration(checks=[a_check(2500)]))).code == 0
    made = cli.run("report", "nick", "-n", "shop", "-o", str(cli.folder / "page.html"))
    assert made.code == 0, made.err
    assert "page.html written" in made.err
    page = (cli.folder / "page.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert page.rstrip().endswith("</html>")
    for words in ("Succeeded", "Is my data safe?", "how-many", "is proven: restored", "2,500"):
        assert words in page
    data = json.loads(cli.run("report", "nick", "-n", "shop", "-o", "json").out)
    assert data["record"]["state"] == "Succeeded"
    assert [s["name"] for s in data["spans"]] == ["add", "fill"]
    assert all(s["startedAt"] <= s["finishedAt"] for s in data["spans"])
    assert data["spans"][0]["units"][0]["lock"] == "exclusive"
    bare = cli.run("report", "nick", "-n", "shop", "--rehearsal")
    assert (bare.code, "was not rehearsed" in bare.err) == (1, True)
    nobody = cli.run("report", "nobody")
    assert (nobody.code, "knows no migration nobody" in nobody.err) == (1, True)


def test_a_query_that_changes_its_columns_rolls_back_and_the_page_says_why(cli: Cli) -> None:
    done = cli.run("run", cli.write(a_migration(workload=[LOGIN], checks=[STILL_WORKS])))
    assert done.code == 3, done.err
    assert "resultTypeChanged: login: SELECT * FROM users" in done.err
    page = cli.run("report", "nick", "-n", "shop").out
    assert "the database is as it was before" in page
    assert "nick text" in page
    allowed = {"name": "application", "workloadStillWorks": {"queries": ["login"], "allow": ["resultTypeChanged"]}}
    again = cli.run("run", cli.write(a_migration(workload=[LOGIN], checks=[allowed])))
    assert again.code == 0, again.err
    assert "0 of 1 statements as before" in again.err
