"""taskctl import: collections of v1.1.0, as mongoexport writes them."""

import json
from pathlib import Path
from typing import Any

import pytest

from taskctl.documents import Kind
from taskctl.mongoexport import Entry, Outcome, read, refuse_repeated
from tests.support.taskctl import taskctl
from tests.unit.test_api import World

OID = {"$oid": "63fa2f16b70ed89144e3710e"}
CALL: dict[str, Any] = {
    **{
        "_id": OID,
        "name": "call",
        "url": "https://a.example/x",
        "method": "GET",
        "cacheNamespace": "",
        "cacheScope": "",
    },
    **{"requestPolicy": "", "responsePolicy": "", "finalPolicy": ""},
}
POLICY = {"_id": OID, "name": "policy", "method": "GET", "url": "", "requestPolicy": "policies/example/returnDID/1.0"}
LIST = {"_id": OID, "name": "list", "groups": [{"execution": "sequential", "finalPolicy": "", "tasks": ["call"]}]}
EVENT = {"_id": OID, "key": "did:web:a", "namespace": "Login", "scope": "", "taskName": "policy"}


def one(value: object, kind: Kind | None = None, **options: Any) -> Entry:
    """What happens to a document."""
    (entry,) = read(json.dumps(value), "a file", kind, **options)
    return entry


def members(entry: Entry) -> Any:
    assert entry.document is not None
    return entry.document.members


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([CALL, LIST]),
        json.dumps([CALL, LIST], indent=2),
        f"{json.dumps(CALL)}\n{json.dumps(LIST)}\n",
        f"{json.dumps(CALL)}\r\n\r\n{json.dumps(LIST)}",
        f"\ufeff{json.dumps(CALL)}\n{json.dumps(LIST)}",
    ],
)
def test_arrays_and_lines_are_read(text: str) -> None:
    assert [(entry.kind, entry.name, entry.outcome) for entry in read(text, "a file")] == [
        (Kind.TASK, "call", Outcome.TAKEN),
        (Kind.LIST, "list", Outcome.TAKEN),
    ]


def test_empty_members_and_the_id_are_left_out_without_a_word() -> None:
    entry = one(CALL)
    assert members(entry) == {"name": "call", "url": "https://a.example/x", "method": "GET"}
    assert (entry.reasons, entry.hints) == ([], [])


def test_a_method_beside_a_policy_is_left_out() -> None:
    entry = one(POLICY)
    assert members(entry) == {"name": "policy", "requestPolicy": "policies/example/returnDID/1.0"}
    assert (entry.outcome, entry.reasons) == (
        Outcome.CHANGED,
        ["method: left out, requestPolicy is evaluated instead of a call"],
    )


def test_a_policy_without_a_repository_is_told_and_can_get_one() -> None:
    old = POLICY | {"requestPolicy": "example/example/1.0"}
    entry = one(old)
    assert members(entry)["requestPolicy"] == "example/example/1.0"
    assert "requestPolicy: example/example/1.0 is not repository/group/name/version" in entry.hints[0]

    entry = one(old, repository="policies")
    assert members(entry)["requestPolicy"] == "policies/example/example/1.0"
    assert "requestPolicy: example/example/1.0 becomes policies/example/example/1.0" in entry.reasons


def test_members_that_v1_has_ignored_are_left_out() -> None:
    entry = one(CALL | {"comment": "x", "created": {"$date": "2023-01-01T00:00:00Z"}})
    assert (entry.outcome, entry.reasons) == (Outcome.CHANGED, ["comment, created: left out, v1.1.0 has ignored it"])


def test_numbers_of_the_canonical_form_are_numbers() -> None:
    entry = one(CALL | {"retries": {"$numberInt": "3"}, "big": {"$numberLong": "9007199254740993"}})
    assert entry.reasons == ["retries, big: left out, v1.1.0 has ignored it"]
    assert one([{"$numberInt": "x"}]).outcome is Outcome.REFUSED


def test_a_final_policy_of_a_group_counts_now() -> None:
    entry = one({"name": "l", "groups": [{"execution": "parallel", "tasks": ["a"], "finalPolicy": "a/b/c/1"}]})
    assert entry.hints == ["group 1: its finalPolicy is evaluated here, v1.1.0 has ignored it"]


@pytest.mark.parametrize(
    ("value", "kind", "reason"),
    [
        (
            CALL | {"url": ""},
            None,
            "it has neither a requestPolicy, nor both url and method: such a task can do nothing",
        ),
        (CALL | {"name": ""}, None, "name: a string that is not empty is expected"),
        (LIST | {"groups": []}, None, "it has no tasks, and a list needs one at least"),
        (LIST | {"groups": None}, None, "it has no tasks, and a list needs one at least"),
        (LIST | {"groups": [{"execution": "parallel", "tasks": None}]}, None, "it has no tasks, and a list needs one"),
        (LIST | {"groups": [{"tasks": ["a"]}]}, None, "group 1: execution is null, sequential or parallel is needed"),
        (LIST | {"groups": ["x"]}, None, "group 1: it is no object"),
        (EVENT | {"key": "a,b"}, None, "key, namespace and scope cannot have commas"),
        (EVENT | {"taskName": ""}, None, "taskName: the name of a task template is needed"),
        ({"name": "p", "source": "package p"}, None, "v1.1.0 has kept no policies"),
        (7, Kind.TASK, "it is no object"),
    ],
)
def test_what_cannot_work_is_refused_with_the_reason(value: object, kind: Kind | None, reason: str) -> None:
    entry = one(value if isinstance(value, dict) else [value], kind)
    assert (entry.outcome, entry.document) == (Outcome.REFUSED, None)
    assert reason in entry.reasons[-1]


def test_a_line_that_is_not_json_is_refused_and_the_others_are_taken() -> None:
    entries = read(f'{json.dumps(CALL)}\n{{"name": \n{json.dumps(LIST)}', "a file", Kind.TASK)
    assert [entry.outcome for entry in entries][:2] == [Outcome.TAKEN, Outcome.REFUSED]
    assert entries[1].name == "line 2"


def test_of_two_with_one_name_the_first_is_taken() -> None:
    entries = read(json.dumps([CALL, CALL | {"url": "https://other.example"}]), "a file")
    refuse_repeated(entries)
    assert [entry.outcome for entry in entries] == [Outcome.TAKEN, Outcome.REFUSED]


class TestImporting:
    @pytest.fixture
    def dump(self, tmp_path: Path) -> Path:
        """A folder as mongoexport leaves it."""
        folder = tmp_path / "dump"
        folder.mkdir()
        missing = LIST | {"name": "other", "groups": [{"execution": "parallel", "tasks": ["call", "gone"]}]}
        (folder / "taskTemplates.json").write_text(json.dumps([CALL, POLICY, CALL | {"name": "empty", "url": ""}]))
        (folder / "taskListTemplates.json").write_text("\n".join(map(json.dumps, (LIST, missing))))
        (folder / "eventTasks.json").write_text(json.dumps([EVENT]))
        (folder / "README.md").write_text("not part of it")
        return folder

    REPORT = (
        "taken    taskTemplates/call",
        "changed  taskTemplates/policy",
        "         method: left out, requestPolicy is evaluated instead of a call",
        "         note: the policy policies/example/returnDID/1.0 is not kept here; "
        "write it, unless the deployment has a policy service",
        "refused  taskTemplates/empty",
        "         it has neither a requestPolicy, nor both url and method: such a task can do nothing",
        "taken    taskListTemplates/list",
        "taken    taskListTemplates/other",
        "         note: the task template gone is neither in the export nor on the service",
        "taken    eventTasks/did:web:a,Login",
    )

    def test_the_report_says_what_is_taken_changed_and_refused(self, dump: Path, service: str, world: World) -> None:
        ran = taskctl(service, "import", str(dump), "--dry-run")
        assert ran.out.splitlines() == [*self.REPORT, "4 taken, 1 changed, 1 refused (dry run)"]
        assert (ran.code, list(world.templates.records)) == (6, ["greet"])

        ran = taskctl(service, "import", str(dump))
        assert ran.out.splitlines() == [*self.REPORT, "4 taken, 1 changed, 1 refused"]
        assert set(world.templates.records) == {"greet", "call", "policy"}
        assert set(world.list_templates.records) == {"list", "other"}
        assert taskctl(service, "import", str(dump)).out.splitlines()[-1] == "4 taken, 1 changed, 1 refused"

    def test_what_has_been_changed_here_is_not_replaced_unless_that_is_said(
        self, dump: Path, service: str, world: World
    ) -> None:
        taskctl(service, "import", str(dump))
        taskctl(service, "apply", "-f", "-", stdin='{"name": "call", "url": "https://new.example", "method": "GET"}')

        ran = taskctl(service, "import", str(dump))
        assert "         the service has another one of this name, --overwrite replaces it" in ran.out.splitlines()
        assert "https://new.example" in world.templates.records["call"].document

        taskctl(service, "import", str(dump), "--overwrite")
        assert "https://new.example" not in world.templates.records["call"].document

    def test_a_folder_for_apply_can_be_written_instead(self, dump: Path, service: str, tmp_path: Path) -> None:
        folder = tmp_path / "templates"
        ran = taskctl("http://127.0.0.1:1", "import", str(dump), "--to", str(folder), "-o", "json")
        assert ran.code == 6
        assert [entry["outcome"] for entry in ran.json["documents"]] == [
            *("taken", "changed", "refused", "taken", "taken", "taken"),
        ]
        assert taskctl(service, "apply", "-f", str(folder)).out.endswith(
            "5 created, 0 changed, 0 deleted, 0 unchanged\n"
        )

    def test_what_the_service_refuses_is_in_the_report(self, service: str, tmp_path: Path) -> None:
        file = tmp_path / "taskTemplates.json"
        file.write_text(json.dumps([CALL, CALL | {"name": "ftp", "url": "ftp://a"}]))
        ran = taskctl(service, "import", str(file))
        assert ran.code == 6
        assert ran.out.splitlines()[1] == "refused  taskTemplates/ftp"
        assert "url: " in ran.out.splitlines()[2]

    def test_mongoexport_can_be_piped_into_it(self, service: str) -> None:
        assert taskctl(service, "import", "-", stdin=json.dumps(CALL)).out == (
            "taken    taskTemplates/call\n1 taken, 0 changed, 0 refused\n"
        )

    def test_what_is_piped_is_utf_8_whatever_the_terminal_has(self, tmp_path: Path) -> None:
        text = '{"name": "größe", "url": "http://a.example/", "method": "GET"}'
        folder = tmp_path / "new"
        assert taskctl("", "import", "-", "--to", str(folder), stdin=text.encode(), encoding="latin-1").code == 0
        (file,) = folder.rglob("*.json")
        assert json.loads(file.read_text(encoding="utf-8"))["name"] == "größe"

    @pytest.mark.parametrize("text", ["[{]", '[{"name": "a"}', "\x00"])
    def test_a_file_that_is_none_of_mongoexport(self, text: str, service: str, tmp_path: Path) -> None:
        file = tmp_path / "taskTemplates.json"
        file.write_text(text)
        ran = taskctl(service, "import", str(file))
        assert (ran.code, ran.err.count("\n")) == (1, 1)

    def test_a_folder_without_collections(self, service: str, tmp_path: Path) -> None:
        ran = taskctl(service, "import", str(tmp_path))
        assert (ran.code, "call the files taskTemplates.json, taskListTemplates.json, eventTasks.json" in ran.err) == (
            2,
            True,
        )

    def test_the_public_samples(self, service: str) -> None:
        samples = Path(__file__).parents[4] / "shared" / "samples" / "mongoexport"
        if not samples.is_dir():
            pytest.skip("the samples are not beside the checkout")
        ran = taskctl(service, "import", str(samples))
        assert (ran.code, ran.out.splitlines()[-1]) == (0, "10 taken, 4 changed, 0 refused")
