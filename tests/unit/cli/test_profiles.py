"""Where the service is and who asks: options, environment, profiles."""

from pathlib import Path

import pytest

from taskctl.errors import WrongUse
from taskctl.profiles import LOCAL_URL, Connection, connection
from tests.support.behaviours import answer
from tests.support.targets import HttpTarget
from tests.support.taskctl import taskctl

PROFILES = """
[default]
url = "https://tasks.example"
token = "default-token"

[staging]
url = "https://staging.example/base/"
token = "staging-token"
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment with a file of profiles."""
    file = tmp_path / "profiles.toml"
    file.write_text(PROFILES)
    file.chmod(0o600)
    return {"TASKCTL_CONFIG": str(file)}


def test_without_any_setting_it_is_the_service_on_this_machine() -> None:
    assert connection(environment={"HOME": "/nowhere", "TASKCTL_CONFIG": "/nowhere/x"}) == Connection(url=LOCAL_URL)


def test_a_profile_has_url_and_token(environment: dict[str, str]) -> None:
    default = connection(environment=environment)
    assert (default.url, default.token) == ("https://tasks.example", "default-token")
    for chosen in (
        connection(profile="staging", environment=environment),
        connection(environment=environment | {"TASKCTL_PROFILE": "staging"}),
    ):
        assert (chosen.url, chosen.token) == ("https://staging.example/base", "staging-token")


def test_options_are_stronger_than_the_environment_and_that_than_the_profile(environment: dict[str, str]) -> None:
    environment |= {"TASKCTL_URL": "https://b.example", "TASKCTL_TOKEN": "b"}
    assert (found := connection(environment=environment)).url == "https://b.example"
    assert found.token == "b"
    found = connection(url="https://c.example", token="c", environment=environment)
    assert (found.url, found.token) == ("https://c.example", "c")


def test_the_token_of_a_profile_goes_to_its_url_only(environment: dict[str, str]) -> None:
    assert connection(url="https://evil.example", environment=environment).token is None
    assert connection(url="https://tasks.example/", environment=environment).token == "default-token"


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o604])
def test_a_file_that_others_can_read_is_refused(mode: int, environment: dict[str, str]) -> None:
    file = Path(environment["TASKCTL_CONFIG"])
    file.chmod(mode)
    with pytest.raises(WrongUse, match=f"has a token and is open to other users; run chmod 600 {file}"):
        connection(environment=environment)
    file.write_text('[default]\nurl = "https://tasks.example"\n')
    assert connection(environment=environment).url == "https://tasks.example"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("token = hunter2", "is not TOML in UTF-8"),
        ('default = "hunter2"', "default is not a table"),
        ('[default]\npassword = "hunter2"', "password is not a member of a profile"),
        ("[default]\ntoken = 7", "token is not a member of a profile, or no string"),
        ('[default]\ntoken = "Bearer hunter2"', "the token is no bearer token"),
        ('[default]\ntoken = "hunter2\\n"\nurl = "ftp://x"', "the URL 'ftp://x' cannot be used"),
        ('[default]\nurl = "https://me:hunter2@a.example"', "the URL has a user or a password in it"),
        ('[default]\nurl = "https://me:hunter2@a.example?x"', "cannot be used"),
    ],
)
def test_a_profile_that_is_wrong_is_refused_without_its_secrets(
    text: str, problem: str, environment: dict[str, str]
) -> None:
    Path(environment["TASKCTL_CONFIG"]).write_text(text)
    with pytest.raises(WrongUse) as raised:
        connection(environment=environment)
    assert problem in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_an_unknown_profile_is_named_with_those_that_there_are(environment: dict[str, str]) -> None:
    with pytest.raises(WrongUse, match=r"there is no profile x in .*; the profiles there are: default, staging"):
        connection(profile="x", environment=environment)


def test_the_token_is_in_no_representation(environment: dict[str, str]) -> None:
    assert "default-token" not in repr(connection(environment=environment))


def test_a_command_takes_the_profile(scripted: HttpTarget, tmp_path: Path) -> None:
    scripted.on("/v1/tasks/t/cancel", answer(body=b'{"id": "t", "status": "cancelled"}'))
    file = tmp_path / "profiles.toml"
    file.write_text(f'[mine]\nurl = "{scripted.url("")}"\ntoken = "t0ken"\n')
    file.chmod(0o600)

    ran = taskctl("", "cancel", "t", "--profile", "mine", TASKCTL_CONFIG=str(file))

    assert ran.code == 0, ran
    assert scripted.calls[0].headers["Authorization"] == "Bearer t0ken"


def test_a_token_without_tls_is_warned_of() -> None:
    assert Connection(url="http://tasks.example", token="t").shows_token
    assert not Connection(url="http://127.0.0.1:1", token="t").shows_token
    assert not Connection(url="https://tasks.example", token="t").shows_token
    assert not Connection(url="http://tasks.example").shows_token
