"""taskctl apply and export: files become documents of the service, and its documents become files."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from task_service.domain.template import StoredTemplate
from tests.support.behaviours import answer, close, failing, in_turn
from tests.support.targets import HttpTarget
from tests.support.taskctl import taskctl
from tests.unit.test_api import World

EXAMPLES = Path(__file__).parents[3] / "local" / "examples"
TARGET = "TARGET_URL=http://127.0.0.1:9"


def put(folder: Path, path: str, content: object) -> Path:
    """Write a file of a folder."""
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return file


def stored(world: World, name: str) -> Any:
    """A task template as the service has it."""
    return json.loads(world.templates.records[name].document)


class TestApplying:
    def test_the_folder_of_examples_is_applied_as_it_is_and_then_there_is_nothing_left_to_do(
        self, service: str
    ) -> None:
        first = taskctl(service, "apply", "-f", str(EXAMPLES), "--set", TARGET)
        again = taskctl(service, "apply", "-f", str(EXAMPLES), "--set", TARGET)

        assert first.code == 0, first
        assert "+ policies/examples/example/greeting/1.0" in first.out
        assert first.out.endswith("10 created, 0 changed, 0 deleted, 0 unchanged\n")
        assert again.out == "0 created, 0 changed, 0 deleted, 10 unchanged\n"

    def test_a_change_is_shown_as_the_lines_that_go_and_come(self, service: str, world: World, tmp_path: Path) -> None:
        file = put(tmp_path, "greet.yaml", "name: greet\nurl: http://127.0.0.1:9/new\nmethod: post\ncacheScope: ''\n")

        ran = taskctl(service, "apply", "-f", str(file))

        assert ran.out.splitlines() == [
            "~ taskTemplates/greet",
            "     method: POST",
            "     name: greet",
            "    -url: http://127.0.0.1:9/greet",
            "    +url: http://127.0.0.1:9/new",
            "0 created, 1 changed, 0 deleted, 0 unchanged",
        ]
        assert stored(world, "greet")["url"] == "http://127.0.0.1:9/new"

    def test_a_dry_run_changes_nothing(self, service: str, world: World, tmp_path: Path) -> None:
        file = put(tmp_path, "a.json", {"name": "a", "requestPolicy": "r/g/n/1"})

        ran = taskctl(service, "apply", "-f", str(file), "--dry-run")

        assert (ran.code, ran.out.splitlines()[0]) == (0, "+ taskTemplates/a")
        assert ran.out.endswith("1 created, 0 changed, 0 deleted (dry run), 0 unchanged\n")
        assert list(world.templates.records) == ["greet"]

    def test_scripts_get_json(self, service: str, tmp_path: Path) -> None:
        file = put(tmp_path, "l.json", {"name": "l", "groups": [{"execution": "parallel", "tasks": ["greet"]}]})

        ran = taskctl(service, "apply", "-f", str(file), "-o", "json")

        (change,) = ran.json["changes"]
        assert (change["kind"], change["name"], change["action"], change["done"], change["error"]) == (
            *("taskListTemplates", "l", "create", True, None),
        )

    def test_many_documents_can_be_in_one_file_and_come_from_stdin(self, service: str) -> None:
        text = (
            "name: a\nrequestPolicy: r/g/n/1\n---\nkey: k\ntaskName: a\n---\n"
            "repository: r\ngroup: g\nname: n\nversion: '1'\nsource: |\n  package g.n\n  a := 1\n"
        )

        ran = taskctl(service, "apply", "-f", "-", stdin=text)

        assert [line for line in ran.out.splitlines() if line.startswith("+")] == [
            "+ policies/r/g/n/1",
            "+ taskTemplates/a",
            "+ eventTasks/k",
        ]

    def test_stdin_is_utf_8_whatever_the_terminal_has(self, service: str, world: World) -> None:
        text = '{"name": "größe", "url": "http://a.example/", "method": "GET"}'
        assert taskctl(service, "apply", "-f", "-", stdin=text.encode(), encoding="latin-1").code == 0
        assert "größe" in world.templates.records

    def test_stdin_that_is_not_utf_8_is_refused(self) -> None:
        ran = taskctl("", "apply", "-f", "-", stdin=b'{"name": "\xff"}')
        assert ran.code == 1
        assert ran.err.startswith("error: nothing is written: stdin: it cannot be read as UTF-8 (UnicodeDecodeError); ")

    def test_secrets_are_not_shown(self, service: str, tmp_path: Path) -> None:
        members = {
            "name": "a",
            "url": "https://me:hunter2@a.example",
            "method": "GET",
            "headers": {"X-Key": "hunter3"},
        }
        for form in ("text", "json"):
            ran = taskctl(service, "apply", "-f", str(put(tmp_path, "a.json", members)), "--dry-run", "-o", form)
            assert "hunter" not in ran.out + ran.err
            assert "X-Key: '***'" in ran.out

    @pytest.mark.parametrize(
        ("name", "content", "fault"),
        [
            ("a.json", '{"name": "a",\n}', "line 2 column 1: Illegal trailing comma before end of object"),
            ("a.json", '{"name": "a", "name": "b"}', "the member 'name' is there twice"),
            ("a.json", '{"name": NaN}', "NaN is not JSON"),
            ("a.json", "[1]", "an object is expected, or an array of objects"),
            ("a.json", "{}", "name: a string that is not empty is expected"),
            ("a.json", {"name": ".."}, "name: . and .. cannot be parts of a URL"),
            ("a.json", "[" * 100_000, "it is nested too deep"),
            ("a.yaml", "name: a\nname: b\n", "line 2: the member 'name' is there twice"),
            ("a.yaml", "name: [a\n", "line 2: expected ',' or ']', but got '<stream end>'"),
            ("a.yaml", "1: a\n", "line 1: the member 1 is no string, write it in quotes"),
            ("a.json", {"name": "a", "url": "${OTHER}/x"}, "${OTHER} has no value, give it one with --set OTHER=…"),
            ("policies/r/n/1.rego", "package n", "a policy is at policies/<repository>/<group>/<name>/<version>.rego"),
            ("x/a.json", {"repository": "r", "source": "s"}, "group: a string that is not empty is expected"),
        ],
    )
    def test_a_file_that_is_wrong_is_named_and_nothing_is_written(
        self, name: str, content: object, fault: str, service: str, world: World, tmp_path: Path
    ) -> None:
        put(tmp_path, "good.json", {"name": "good", "requestPolicy": "r/g/n/1"})
        put(tmp_path, name, content)

        ran = taskctl(service, "apply", "-f", str(tmp_path))

        if "Illegal trailing" in fault and "Illegal" not in ran.err:
            fault = "line 2 column 1: Expecting property name enclosed in double quotes"
        assert ran.code == 1
        assert ran.err == f"error: nothing is written: {tmp_path / name}: {fault}; correct these files.\n"
        assert list(world.templates.records) == ["greet"]

    def test_a_date_in_yaml_stays_a_text(self, service: str, world: World, tmp_path: Path) -> None:
        file = put(tmp_path, "a.yaml", "name: 2026-01-31\nrequestPolicy: r/g/n/1\n")
        assert taskctl(service, "apply", "-f", str(file)).code == 0
        assert "2026-01-31" in world.templates.records

    def test_one_name_in_two_files_is_refused(self, service: str, tmp_path: Path) -> None:
        for name in ("a.json", "b.json"):
            put(tmp_path, name, {"name": "same", "requestPolicy": "r/g/n/1"})
        ran = taskctl(service, "apply", "-f", str(tmp_path))
        assert f"{tmp_path}/b.json: taskTemplates/same is in {tmp_path}/a.json as well" in ran.err

    def test_what_the_service_refuses_does_not_stop_the_rest(self, service: str, world: World, tmp_path: Path) -> None:
        put(tmp_path, "bad.json", {"name": "bad", "method": "GET"})
        put(tmp_path, "good.json", {"name": "good", "requestPolicy": "r/g/n/1"})

        ran = taskctl(service, "apply", "-f", str(tmp_path))

        assert ran.code == 6
        assert ran.out.endswith("1 created, 0 changed, 0 deleted, 0 unchanged\n")
        assert "the service refuses 1 of 2 changes: taskTemplates/bad: either requestPolicy, or both" in ran.err
        assert "good" in world.templates.records

    def test_a_hidden_header_is_not_written_back(self, service: str, tmp_path: Path) -> None:
        file = put(tmp_path, "a.json", {"name": "a", "url": "http://a", "method": "GET", "headers": {"X": "***"}})
        ran = taskctl(service, "apply", "-f", str(file))
        assert (ran.code, "which stands for a secret" in ran.err) == (1, True)


class TestPruning:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        put(tmp_path, "taskTemplates/kept.json", {"name": "kept", "requestPolicy": "r/g/n/1"})
        return tmp_path

    def test_without_a_terminal_nothing_is_deleted_unless_that_is_said(
        self, service: str, world: World, folder: Path
    ) -> None:
        asked = taskctl(service, "apply", "-f", str(folder), "--prune")
        assert (asked.code, asked.err) == (
            2,
            "error: nothing is done: Delete 1 document that the folder does not have needs a yes; add --yes.\n",
        )
        assert set(world.templates.records) == {"greet"}

        agreed = taskctl(service, "apply", "-f", str(folder), "--prune", "--yes")
        assert agreed.out.endswith("1 created, 0 changed, 1 deleted, 0 unchanged\n")
        assert set(world.templates.records) == {"kept"}

    def test_kinds_without_a_folder_are_left_alone(self, service: str, world: World, folder: Path) -> None:
        taskctl(service, "apply", "-f", "-", stdin='{"key": "k", "taskName": "kept"}')
        assert taskctl(service, "apply", "-f", str(folder), "--prune", "--yes").code == 0
        assert taskctl(service, "ls", "eventTasks", "-o", "json").json["items"] == [
            {"key": "k", "namespace": "", "scope": "", "taskName": "kept"}
        ]

        (folder / "eventTasks").mkdir()
        assert taskctl(service, "apply", "-f", str(folder), "--prune", "--yes").code == 0
        assert taskctl(service, "ls", "eventTasks", "-o", "json").json["items"] == []

    def test_a_single_file_prunes_nothing(self, service: str, folder: Path) -> None:
        ran = taskctl(service, "apply", "-f", str(folder / "taskTemplates" / "kept.json"), "--prune", "--yes")
        assert (ran.code, "--prune needs a folder" in ran.err) == (2, True)

    def test_nothing_is_deleted_after_a_refusal(self, service: str, world: World, folder: Path) -> None:
        put(folder, "taskTemplates/bad.json", {"name": "bad"})
        assert taskctl(service, "apply", "-f", str(folder), "--prune", "--yes").code == 6
        assert "greet" in world.templates.records


class TestAnotherClient:
    def test_a_template_that_changes_meanwhile_is_not_replaced(
        self, service: str, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = put(tmp_path, "greet.json", {"name": "greet", "requestPolicy": "r/g/n/1"})
        get = world.templates.get

        def changed_after(name: str) -> Any:
            found = get(name)
            world.templates.records[name] = StoredTemplate(name=name, document='{"name": "greet"}', etag="other")
            return found

        monkeypatch.setattr(world.templates, "get", changed_after)
        ran = taskctl(service, "apply", "-f", str(file))

        assert ran.code == 1
        assert "taskTemplates/greet has been changed by another client since it was read" in ran.err
        assert world.templates.records["greet"].etag == "other"


class TestADyingService:
    def test_the_error_says_how_far_it_came(self, scripted: HttpTarget, tmp_path: Path) -> None:
        for name in ("a", "b", "c"):
            put(tmp_path, f"{name}.json", {"name": name, "requestPolicy": "r/g/n/1"})
            missing = answer(404, b'{"message": "task template not found"}')
            scripted.on(f"/v1/taskTemplates/{name}", in_turn(missing, answer(201) if name == "a" else close))

        ran = taskctl(scripted.url(""), "apply", "-f", str(tmp_path))

        assert ran.code == 6
        assert "error: 1 of 3 changes are made, then 127.0.0.1" in ran.err
        assert ran.err.endswith("run the command again, which makes the other changes.\n")

    def test_pruning_too(self, scripted: HttpTarget, tmp_path: Path) -> None:
        (tmp_path / "eventTasks").mkdir()
        (tmp_path / "taskTemplates").mkdir()
        event = {"key": "k", "namespace": "", "scope": "", "taskName": "a"}
        scripted.on(
            "/v1/eventTasks", in_turn(answer(body=json.dumps({"items": [event], "next": None}).encode()), answer(204))
        )
        scripted.on("/v1/taskTemplates", answer(body=b'{"items": [{"name": "a"}], "next": null}'))
        scripted.on("/v1/taskTemplates/a", in_turn(answer(body=b'{"name": "a"}', headers={"ETag": '"1"'}), close))

        ran = taskctl(scripted.url(""), "apply", "-f", str(tmp_path), "--prune", "--yes")

        assert (ran.code, "error: 1 of 2 changes are made, then 127.0.0.1" in ran.err) == (6, True)
        assert scripted.calls_to("/v1/taskTemplates/a")[1].headers["If-Match"] == '"1"'

    def test_before_the_first_change_it_is_no_answer(self, scripted: HttpTarget, tmp_path: Path) -> None:
        scripted.on("/v1/taskTemplates/a", close)
        file = put(tmp_path, "a.json", {"name": "a", "requestPolicy": "r/g/n/1"})
        assert taskctl(scripted.url(""), "apply", "-f", str(file)).code == 5
        assert len(scripted.calls) == 3

    def test_a_read_that_fails_once_is_repeated(self, scripted: HttpTarget, tmp_path: Path) -> None:
        scripted.on("/v1/taskTemplates", failing(1, answer(body=b'{"items": [], "next": null}'), status=503))
        assert taskctl(scripted.url(""), "ls", "taskTemplates").code == 0


class TestExporting:
    def test_what_is_exported_can_be_applied_and_changes_nothing(self, service: str, tmp_path: Path) -> None:
        taskctl(service, "apply", "-f", str(EXAMPLES), "--set", TARGET)
        folder = tmp_path / "export"

        exported = taskctl(service, "export", str(folder))
        again = taskctl(service, "apply", "-f", str(folder), "--prune", "--dry-run")

        assert exported.out == (f"{folder}: 2 policies, 7 taskTemplates, 1 taskListTemplates, 1 eventTasks\n")
        assert again.out == "0 created, 0 changed, 0 deleted (dry run), 11 unchanged\n"
        assert (folder / "policies/examples/example/greeting/1.0.rego").read_text() == (
            EXAMPLES / "policies/examples/example/greeting/1.0.rego"
        ).read_text()
        assert stat.S_IMODE((folder / "taskTemplates/hello.json").stat().st_mode) == 0o600

    def test_a_bundle_goes_through_a_pipe(self, service: str) -> None:
        bundle = taskctl(service, "export", "-").out
        assert json.loads(bundle)["taskTemplates"][0]["name"] == "greet"
        assert taskctl(service, "apply", "-f", "-", stdin=bundle).out.endswith("1 unchanged\n")

    @pytest.mark.parametrize(
        "name", ["../../up", "a/b", ".hidden", "x" * 300, "a\x1b[2Jb", "Greet", "C:\\con", "späte Grüße"]
    )
    def test_a_name_is_no_path(self, name: str, service: str, world: World, tmp_path: Path) -> None:
        members = json.dumps({"name": name, "requestPolicy": "r/g/n/1"})
        world.templates.records[name] = StoredTemplate(name=name, document=members, etag="e")
        folder = tmp_path / "in" / "export"

        assert taskctl(service, "export", str(folder)).code == 0

        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert len(files) == 2
        assert all(path.parent == folder / "taskTemplates" for path in files)
        assert all(path.name.isprintable() and not path.name.startswith(".") for path in files)
        assert taskctl(service, "apply", "-f", str(folder)).out.endswith("2 unchanged\n")

    def test_a_policy_whose_parts_are_no_folders_is_a_document(self, scripted: HttpTarget, tmp_path: Path) -> None:
        policy = {"repository": "..", "group": "g", "name": "n", "version": "1", "source": "package g.n"}
        odd = policy | {"repository": "a:b"}
        for kind in ("taskTemplates", "taskListTemplates", "eventTasks"):
            scripted.on(f"/v1/{kind}", answer(body=b'{"items": [], "next": null}'))
        scripted.on("/v1/policies", answer(body=json.dumps({"items": [odd], "next": None}).encode()))
        assert taskctl(scripted.url(""), "export", str(tmp_path / "export")).code == 0
        assert [path.name for path in tmp_path.rglob("*.*")] == ["a_b%2Fg%2Fn%2F1.json"]

        scripted.on("/v1/policies", answer(body=json.dumps({"items": [policy], "next": None}).encode()))
        ran = taskctl(scripted.url(""), "export", str(tmp_path / "other"))
        assert (ran.code, ". and .. cannot be parts of a URL" in ran.err) == (5, True)
        assert not (tmp_path / "other").exists()

    def test_hidden_headers_are_left_out_and_that_is_said(self, service: str, world: World, tmp_path: Path) -> None:
        members = json.dumps({"name": "a", "url": "http://a", "method": "GET", "headers": {"X": "***"}})
        world.templates.records["a"] = StoredTemplate(name="a", document=members, etag="e")
        ran = taskctl(service, "export", str(tmp_path / "export"))
        assert (ran.code, [path.name for path in tmp_path.rglob("*.json")]) == (6, ["greet.json"])
        assert "taskTemplates/a: left out, because this token does not see the values of headers" in ran.err

    def test_a_folder_with_files_is_not_overwritten_unless_that_is_said(self, service: str, tmp_path: Path) -> None:
        put(tmp_path, "precious.txt", "x")
        assert taskctl(service, "export", str(tmp_path)).code == 2
        assert taskctl(service, "export", str(tmp_path), "--overwrite").code == 0

    def test_a_service_that_dies_leaves_no_half_of_an_export(self, scripted: HttpTarget, tmp_path: Path) -> None:
        scripted.on("/v1/policies", answer(body=b'{"items": [], "next": null}'))
        scripted.on("/v1/taskTemplates", close)
        assert taskctl(scripted.url(""), "export", str(tmp_path / "export")).code == 5
        assert not (tmp_path / "export").exists()
