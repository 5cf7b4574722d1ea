"""The secret of the environment, kept where functions look for secrets."""

from collections.abc import Mapping

from botocore.exceptions import ClientError

from local.aws import Endpoint

SETTING = "OAUTH_CLIENT_SECRET"
NAME = "task-service/oauth-client-secret"


def keep_secret(endpoint: Endpoint, settings: Mapping[str, str]) -> Mapping[str, str]:
    """Put OAUTH_CLIENT_SECRET, where it is set, into Secrets Manager; the settings with its name there instead."""
    secret = settings.get(SETTING)
    if not secret:
        return settings
    manager = endpoint.client("secretsmanager")
    try:
        manager.create_secret(Name=NAME, SecretString=secret)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceExistsException":
            raise
        manager.put_secret_value(SecretId=NAME, SecretString=secret)
    others = {name: value for name, value in settings.items() if name != SETTING}
    return {**others, "OAUTH_CLIENT_SECRET_NAME": NAME, "OAUTH_CLIENT_SECRET_STORE": "secretsmanager"}
